"""Gateways repeat messages and use ids again: nothing is read twice, and nothing that was acknowledged is lost."""

import json

import pytest

from consent_engine.engine.receive import RefusalAsked
from consent_engine.ports import Change, Commit, CommitResult, LiftResult
from tests.at_rest import entry_in_clear
from tests.conftest import NUMBER, START

WRITTEN = START - 5_000


def asked(world, **more):
    """Place an order whose question is with the subscriber."""
    order = world.place(**more)
    world.run()
    return order


def lifted(world, at=0):
    """Whether a refusal is lifted by an act of now, or of `at`."""
    return world.engine.lift(NUMBER, "mobile", "admin", "form 12", at or world.clock.now) is LiftResult.OK


def test_a_stop_that_comes_again_at_once_is_an_act_that_no_decision_of_before_lifts(world):
    assert world.say("TD", message_id="7")
    before = world.engine.line(NUMBER)
    world.clock.forward(seconds=1)
    assert not world.say("TD", message_id="7"), "a repeat"
    lifting = Change.of(before, {"r:mobile": ""})
    assert world.engine.store.records.commit([Commit("", (lifting,))]) == [CommitResult.STALE]


def kept(world):
    """Return the messages that were set aside: the reason, and the words."""
    rows = [json.loads(entry_in_clear(fields["m"])) for _, fields in world.client.xrange(world.cell.unmatched)]
    return [(row["why"], row["message"]["text"]) for row in rows]


@pytest.mark.parametrize("again", [{}, {"written_at": WRITTEN + 1_000}], ids=["no instant", "an instant of its own"])
def test_a_stop_after_a_lift_stands_though_its_gateway_used_the_id_before(world, again):
    first = {"written_at": WRITTEN} if again else {}
    assert world.say("TD", message_id="7", **first)
    world.run()
    assert lifted(world)
    order = asked(world)
    assert world.say("TD", message_id="7", **again)
    assert not world.engine.dial(NUMBER, "mobile").callable
    world.run()
    assert world.state(order) == "declined"
    assert kept(world) == [("nothing_asked", "TD")]


def until_tomorrow(world):
    """Have the number refuse calls of a day."""
    refused = RefusalAsked(NUMBER, "mobile", "voice", "desk", until=world.clock.now + 24 * 3_600_000)
    assert world.engine.receive([refused])[0].is_new


def test_a_stop_under_an_id_used_before_stands_for_ever_though_a_refusal_for_a_day_stands(world):
    assert world.say("TD", message_id="7")
    world.run()
    assert lifted(world)
    until_tomorrow(world)
    assert world.say("TD", message_id="7")
    assert not world.say("TD", message_id="7")
    world.clock.forward(hours=25)
    assert not world.engine.dial(NUMBER, "mobile").callable


@pytest.mark.parametrize("hours", [1, 25], ids=["stands", "is over"])
def test_words_that_may_refuse_under_an_id_used_before_are_held_though_a_refusal_for_a_day_stood(world, hours):
    assert world.say("我要投诉你们", message_id="7")
    world.run()
    [held] = world.engine.held()[0]
    assert world.engine.decide_held([held.id], refusal=False, by="ops", reason="a question").decided == 1
    world.run()
    until_tomorrow(world)
    world.clock.forward(hours=hours)
    assert world.say("我要投诉你们", message_id="7")
    world.clock.forward(hours=26 - hours)
    assert not world.engine.dial(NUMBER, "mobile").callable


@pytest.mark.parametrize("damaged", ['[1,"sms","7",0,"","",0,"","soon"]', '[1,"sms","7",0,"","",null,"x",null]'])
@pytest.mark.parametrize("name", ["mobile", "suspected:mobile"])
def test_a_refusal_is_taken_whatever_became_of_the_one_that_stands(world, name, damaged):
    words = "我要投诉你们" if ":" in name else "TD"
    assert world.say(words)
    world.run()
    line = world.engine.line(NUMBER).id
    world.client.hset(world.cell.line(line), f"r:{name}", damaged)
    assert world.say(words)
    assert not world.engine.dial(NUMBER, "mobile").callable
    assert world.engine.line(NUMBER).named(name).since == world.clock.now


@pytest.mark.parametrize("dated", [{"written_at": WRITTEN}, {}], ids=["the same instant", "no instant"])
def test_a_stop_to_another_of_our_numbers_under_an_id_used_before_is_another_stop(world, dated):
    assert world.say("TD", message_id="7", to="10085", **dated)
    assert world.say("TD", message_id="7", to="10001", **dated)
    assert not world.say("TD", message_id="7", to="10001", **dated)
    assert [world.engine.dial(NUMBER, carrier).callable for carrier in ("mobile", "telecom")] == [False, False]


@pytest.mark.parametrize("dated", [True, False], ids=["the same instant", "no instant"])
def test_a_yes_to_another_of_our_numbers_under_an_id_used_before_counts(world, dated):
    one, other = asked(world), asked(world, plan="fibre-duo-129")
    written = {"written_at": world.clock.now} if dated else {}
    for sender in ("10085", "10001"):
        assert world.say("是", message_id="7", to=sender, **written)
    world.run()
    assert [world.state(order) for order in (one, other)] == ["notified"] * 2


def test_what_may_be_a_new_stop_is_not_lifted_on_an_act_before_it(world):
    for _ in range(2):
        act = world.clock.now + 1_000
        world.clock.forward(hours=1)
        world.say("TD", message_id="7")
    assert not lifted(world, act)
    assert lifted(world)


def test_a_repeat_of_a_stop_whose_refusal_was_lifted_is_no_new_one_when_its_instant_says_so(world):
    assert world.say("TD", message_id="7", written_at=WRITTEN)
    world.run()
    assert lifted(world)
    world.clock.forward(hours=100)
    assert not world.say("TD", message_id="7", written_at=WRITTEN)
    assert world.engine.dial(NUMBER, "mobile").callable
    assert kept(world) == [("nothing_asked", "TD"), ("repeated", "TD")]


def test_a_yes_under_an_id_used_before_counts_when_it_is_written_at_another_instant(world):
    assert world.say("是", message_id="7", written_at=WRITTEN)
    order = asked(world)
    written = world.clock.now
    assert world.say("是", message_id="7", written_at=written)
    assert not world.say("是", message_id="7", written_at=written)
    world.run()
    assert world.state(order) == "notified"


def test_without_an_instant_a_repeat_is_what_comes_within_two_days(world):
    asked(world)
    assert world.say("是", message_id="7")
    world.run()
    world.clock.forward(hours=47)
    assert not world.say("是", message_id="7")
    world.clock.forward(hours=80)
    order = asked(world)
    assert world.say("是", message_id="7")
    assert not world.say("是", message_id="7")
    world.run()
    assert world.state(order) == "notified"
    assert world.triggers(order).count("said_yes") == 1


def test_what_was_no_refusal_and_is_said_again_under_its_id_is_noted_again(world):
    order = asked(world)
    for times in (1, 2):
        assert world.say("我要投诉你们", message_id="7")
        world.run()
        [held] = world.engine.held()[0]
        assert world.engine.decide_held([held.id], refusal=False, by="ops", reason="a question").decided == 1
        world.run()
        assert world.triggers(order).count("suspected") == times
        world.clock.forward(seconds=1)


def test_what_is_dropped_as_a_repeat_is_put_aside_once(world):
    order = asked(world)
    assert world.say("是", message_id="7")
    world.run()
    assert not world.say("是", message_id="7")
    assert kept(world) == [], "that soon it says nothing else"
    for _ in range(3):
        world.clock.forward(seconds=60)
        assert not world.say("是", message_id="7")
    assert kept(world) == [("repeated", "是")]
    world.clock.forward(hours=49)
    assert world.say("是", message_id="7")
    world.clock.forward(seconds=60)
    assert not world.say("是", message_id="7")
    world.run()
    assert [why for why, _ in kept(world)].count("repeated") == 2
    assert world.state(order) == "notified"


def test_a_refusal_by_a_person_is_put_nowhere_else(world):
    asked_for = RefusalAsked(NUMBER, "*", "voice", "A1024")
    world.engine.refuse(asked_for)
    world.engine.refuse(asked_for)
    assert kept(world) == []
