"""A yes that reached us without effect is answered to the subscriber, once, and its order stands on a list."""

import pytest

from consent_engine.domain.decide.wanted_effects import excess
from consent_engine.domain.effects import Accepted, Lane, Rejected, Uncertain
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.receive import RefusalAsked
from consent_engine.ports.queries import OrderFilter
from tests.conftest import NUMBER


def listed(world, *, void_yes=True):
    return [order.id for order in world.engine.orders(OrderFilter(void_yes=void_yes)).orders]


def doubtful(world, *answers):
    """Place an order whose question may be with the subscriber, who says yes to it."""
    world.gateway.answers = [Uncertain("timeout"), *answers]
    order = world.place()
    world.run()
    world.clock.forward(seconds=10)
    world.say("是")
    world.run()
    return order


def test_a_yes_that_may_still_count_or_has_counted_is_not_on_the_list(world):
    order = doubtful(world)
    assert (listed(world), listed(world, void_yes=False)) == ([], [order.id])
    served = world.place("13800138001")
    world.run()
    world.clock.forward(seconds=10)
    world.say("是", "+8613800138001")
    world.say("是", "+8613800138001")
    world.run()
    assert world.state(served) == "notified"
    assert listed(world) == []


def test_a_yes_that_came_too_late_is_answered_once_and_listed(world):
    order = world.place()
    world.run()
    world.clock.forward(hours=25)
    world.run()
    for _ in range(3):
        world.say("是")
        world.run()
    assert (len(world.texts("late")), listed(world)) == (1, [order.id])


@pytest.mark.parametrize("ends", ["refused", "too late"])
def test_an_early_yes_to_a_question_that_was_never_handed_over_is_answered_once(world, ends):
    order = doubtful(world, Uncertain("timeout"), Rejected("no such number"))
    world.clock.forward(seconds=601)
    world.run()
    if ends == "refused":
        world.engine.retry(order.id, "ops")
        world.run()
    else:
        world.clock.forward(hours=3)
        world.run()
    shown = world.engine.show(order.id)
    assert shown.state.value == ("undeliverable" if ends == "refused" else "expired")
    assert shown.events[-2].detail.answered == 1
    assert (len(world.texts("late")), listed(world), excess(shown)) == (1, [order.id], [])
    world.say("是")
    world.run()
    assert len(world.texts("late")) == 1


def test_who_never_said_yes_is_told_nothing_when_the_question_fails(world):
    world.gateway.answers = [Rejected("no such number")]
    order = world.place()
    world.run()
    assert (world.state(order), len(world.gateway.sent), listed(world)) == ("undeliverable", 1, [])


def test_a_yes_that_a_refusal_outweighs_is_listed_and_the_refusal_was_the_last_word(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=10)
    world.engine.refuse(RefusalAsked(Msisdn(NUMBER), "mobile", "voice", "A1024"))
    world.say("是")
    world.run(Lane.INBOUND)
    world.run()
    assert world.state(order) == "cancelled"
    assert listed(world) == [order.id]


def test_a_yes_whose_service_the_bss_refused_is_listed_and_told_by_its_own_notice(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=10)
    world.bss.answers = [Rejected("arrears")]
    world.say("是")
    world.run()
    assert (world.state(order), len(world.texts("failure")), listed(world)) == ("activation_failed", 1, [order.id])


def test_a_yes_to_the_question_before_is_listed_until_another_counts(world):
    world.gateway.answers = [Uncertain("timeout"), Accepted("m2")]
    order = world.place()
    world.run()
    world.clock.forward(seconds=10)
    world.say("是")
    world.run()
    world.clock.forward(seconds=601)
    world.run()
    assert (world.state(order), listed(world)) == ("awaiting_reply", [order.id])
    world.clock.forward(seconds=10)
    world.say("是")
    world.run()
    assert (world.state(order), listed(world)) == ("notified", [])
