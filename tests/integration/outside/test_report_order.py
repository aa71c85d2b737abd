"""What the gateway tells of one question ends the same in whatever order it comes, and however much is read at once."""

from itertools import permutations, product

import pytest

from consent_engine.domain.effects import Accepted, Lane, Uncertain
from consent_engine.domain.msisdn import parse
from consent_engine.domain.sms import Delivery
from consent_engine.engine.read_inbox import reading
from consent_engine.engine.round_trips import drive

ANSWER = "the answer"
TAKEN, GONE, HERE = Delivery.ACCEPTED, Delivery.FAILED, Delivery.DELIVERED
IN_PARTS = {
    "delivered": ([(1, HERE), (2, HERE), (3, HERE)], "awaiting_reply"),
    "taken": ([(1, TAKEN), (2, TAKEN), (3, TAKEN)], "awaiting_reply"),
    "one part lost": ([(1, HERE), (2, GONE), (3, TAKEN)], "undeliverable"),
    "one part taken, then lost": ([(2, TAKEN), (2, GONE), (1, HERE)], "undeliverable"),
    "every part lost": ([(1, GONE), (2, GONE), (3, GONE)], "undeliverable"),
}
AS_ONE = {
    "taken and delivered": ([TAKEN, HERE], "awaiting_reply"),
    "taken and lost": ([TAKEN, GONE], "undeliverable"),
}


def read_now(world):
    for leased in world.engine.store.lease(Lane.INBOUND, 9):
        drive(world.engine.store, [reading(leased, 5)])


def told(world, n, happens, answer, report, *, at_once):
    """The n-th order after all of it; what stands before the answer comes while the call is under way."""
    early, late = happens[: happens.index(ANSWER)], happens[happens.index(ANSWER) + 1 :]
    order = None

    def some(reports):
        for each in reports:
            report(order, each)
            if not at_once:
                read_now(world)
        read_now(world)

    def call(sms):
        some(early)
        return answer

    world.gateway.answers = [call]
    order = world.place(parse(f"138001{n:05}"))
    world.run()
    some(late)
    world.run()
    world.clock.forward(seconds=2)
    world.run()
    return order


def in_part(world):
    return lambda order, each: world.report(
        order, each[1], message_id="a1", segment=each[0], segments=3, alone=True
    )  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("answer", [Accepted("a1"), Uncertain("timeout")], ids=["accepted", "in doubt"])
@pytest.mark.parametrize("name", IN_PARTS)
def test_reports_on_parts_end_the_same_in_every_order(world, name, answer, at_once):
    reports, ends = IN_PARTS[name]
    for n, happens in enumerate(permutations([*reports, ANSWER])):
        order = told(world, n, happens, answer, in_part(world), at_once=at_once)
        assert world.state(order) == ends, happens
        assert len(world.gateway.sent) == n + 1


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("name", AS_ONE)
def test_reports_on_the_whole_end_the_same_in_every_order(world, name, at_once):
    reports, ends = AS_ONE[name]
    for n, happens in enumerate(permutations([*reports, ANSWER])):
        order = told(world, n, happens, Accepted("m1"), world.report, at_once=at_once)
        assert world.state(order) == ends, happens


@pytest.mark.parametrize(("reported", "word"), list(product([0, 1, 2], ["是", "否"])))
def test_a_yes_to_a_question_that_was_cut_waits_until_all_of_it_is_known_to_have_gone_out(world, reported, word):
    """Of a question in doubt some parts are reported: that proves nothing of the others."""
    world.gateway.answers = [Uncertain("1 of 3 parts not taken: timeout")]
    order = world.place()
    world.run()
    for n in range(1, reported + 1):
        world.report(order, HERE, message_id="a1", segment=n, segments=3, alone=True)
    world.clock.forward(seconds=10)
    world.say(word)
    world.run()
    assert world.state(order) == ("agreed" if word == "是" else "declined")
    for n in range(reported + 1, 4):
        world.report(order, TAKEN, message_id="a1", segment=n, segments=3, alone=True)
    world.run()
    assert world.state(order) == ("notified" if word == "是" else "declined")


def test_the_timeline_says_that_a_question_is_here_once_every_part_is(world):
    order = world.place()
    world.run()
    for n in (3, 1, 2):
        assert "delivered" not in world.triggers(order)
        world.report(order, HERE, message_id="m1", segment=n, segments=3, alone=True)
        world.run()
    assert world.triggers(order).count("delivered") == 1
