"""A yes that a gateway's clock puts before the question is no consent, and its subscriber is told once."""

import pytest


@pytest.fixture
def order(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=20)
    return order


def test_a_yes_that_is_stamped_before_the_question_is_answered_and_another_one_counts(world, order):
    world.say("是", written_at=world.clock.now - 60_000)
    world.run()
    assert (world.state(order), world.triggers(order)[-2]) == ("awaiting_reply", "replied_before")
    assert len(world.texts("clarification")) == 1
    world.clock.forward(seconds=20)
    world.say("是", written_at=world.clock.now)
    world.run()
    assert world.state(order) == "notified"


def test_it_is_answered_once_whatever_else_is_not_understood(world, order):
    for words in ("是", "是", "嗯"):
        world.say(words, written_at=world.clock.now - 60_000)
        world.run()
    assert len(world.texts("clarification")) == 1


def test_a_yes_that_came_before_the_question_needs_no_answer_but_that(world):
    order = world.place()
    world.clock.forward(1)
    world.say("是")
    world.clock.forward(1)
    world.run()
    assert (world.state(order), world.texts("clarification")) == ("awaiting_reply", [])
