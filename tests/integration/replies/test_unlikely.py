"""A yes that no person can have written never activates by itself: the code is asked for once, or a person looks."""

import pytest

from consent_engine.domain.effects import WAKE_UNDECIDED, Accepted, Lane
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.offer.offer import Policy, Suspects
from consent_engine.domain.sms import Delivery
from consent_engine.errors import DoNotCall, StoreUnavailable
from tests.conftest import NUMBER, SECOND, World
from tests.integration.mishaps import dies_after
from tests.memory import a_store

READING_MS = 5 * 67 * 1000 // 60
"""How long the question of five segments takes at 60 characters a second."""


@pytest.fixture
def machine():
    """Make a world whose policy asks for the code; settings may be changed before anything is placed."""
    made = World(a_store(), policy())
    yield made
    made.runner.close()


def policy(suspects=Suspects.CODE, **more):
    return Policy(retry_base=1_000, suspects=suspects, reading_speed=60, **more)


def asked(world, **call):
    """Place an order, and hand its question over just now."""
    order = world.place(**call)
    world.run(Lane.SMS)
    return order


def seen(world, order):
    """Return what was measured of the newest reply: rule, ms, threshold."""
    kept = world.engine.show(order.id).events[-1].as_json()["seen"]
    return kept["rule"], kept["measured"], kept.get("least", 0)


def test_a_yes_that_came_sooner_than_anybody_reads_is_asked_once_for_the_code(machine):
    order = asked(machine)
    machine.clock.forward(24)
    machine.say("是")
    machine.run()
    assert machine.bss.asked == []
    assert (machine.state(order), machine.triggers(order)[1]) == ("awaiting_reply", "replied_suspect")
    [text] = machine.texts("prove")
    assert f"回复“是{order.doc.code}”办理" in text
    machine.say("是")
    machine.clock.forward(seconds=3)
    machine.say("是")
    machine.run()
    assert (machine.state(order), len(machine.texts("prove"))) == ("awaiting_reply", 1), "a bare yes shows nothing"
    machine.clock.forward(seconds=3)
    machine.say(f"是{order.doc.code}")
    machine.run()
    assert (machine.state(order), len(machine.bss.asked)) == ("notified", 1)


def test_what_was_seen_stands_in_the_event(machine):
    order = asked(machine)
    last = machine.engine.show(order.id).events[0].detail.last
    machine.say("是")
    at = machine.clock.now
    machine.run(Lane.INBOUND)
    assert seen(machine, order) == ("too_fast", at - last, READING_MS)
    assert machine.engine.show(order.id).events[-1].as_json()["asked"] == 1


@pytest.mark.parametrize(("late", "state"), [(-1, "awaiting_reply"), (0, "confirmed")])
def test_it_is_the_time_that_reading_takes(machine, late, state):
    order = asked(machine)
    machine.clock.now = machine.engine.show(order.id).events[0].detail.last + READING_MS + late
    machine.say("是")
    machine.run(Lane.INBOUND)
    assert machine.state(order) == state


def test_the_code_in_a_moment_is_held_for_a_person_as_words_are_that_may_refuse(machine):
    order = asked(machine)
    machine.say("是")
    machine.run()
    machine.say(f"是{order.doc.code}")
    machine.run()
    assert (machine.triggers(order)[-2:], machine.bss.asked) == (["suspected", "informed"], [])
    [held] = machine.engine.held()[0]
    assert (held.reason, held.text) == ("no_person", f"是{order.doc.code}")
    assert len(machine.texts("held")) == 1
    with pytest.raises(DoNotCall):
        machine.place(plan=SECOND)
    machine.clock.forward(seconds=60)
    machine.say(f"是{order.doc.code}")
    machine.run()
    assert machine.triggers(order)[-1] == "replied_barred", "nothing counts before a person has looked"


def test_a_person_who_looked_has_the_subscriber_asked_again(machine):
    order = asked(machine)
    machine.say("是")
    machine.run()
    machine.say(f"是{order.doc.code}")
    machine.run()
    [held] = machine.engine.held()[0]
    machine.engine.decide_held([held.id], refusal=False, by="ops-1", reason="a quick thumb")
    machine.run()
    assert len(machine.texts("resumed")) == 1
    machine.clock.forward(seconds=4)
    machine.say(f"是{order.doc.code}")
    machine.run()
    assert (machine.state(order), len(machine.bss.asked)) == ("notified", 1)


def test_nobody_looked_for_a_day_and_it_is_a_refusal(machine):
    order = asked(machine)
    machine.say("是")
    machine.run()
    machine.say(f"是{order.doc.code}")
    machine.run()
    machine.clock.forward(hours=23, seconds=3_500)
    machine.run()
    assert machine.state(order) == "awaiting_reply"
    machine.clock.forward(seconds=200)
    machine.run()
    assert (machine.state(order) in {"cancelled", "expired"}, machine.bss.asked) == (True, [])
    assert machine.engine.held()[0] == []


def test_what_carried_the_code_already_is_held(machine):
    first, second = machine.place(), machine.place(plan=SECOND)
    machine.run(Lane.SMS)
    machine.say(f"是{second.doc.code}")
    machine.run()
    assert [machine.triggers(each)[1] for each in (first, second)] == ["suspected", "suspected"], "both wait"
    assert (len(machine.texts("prove")), machine.engine.held()[0][0].reason) == (0, "no_person")


def test_policy_hold_has_a_person_look_at_once(machine):
    machine.policy = policy(Suspects.HOLD)
    machine.engine = machine.another()
    order = asked(machine)
    machine.say("是")
    machine.run()
    assert (machine.triggers(order)[1], machine.texts("prove")) == ("suspected", [])
    assert seen_of(machine, order, "suspected")["rule"] == "too_fast"


def seen_of(world, order, trigger):
    return next(e.as_json()["seen"] for e in world.engine.show(order.id).events if e.trigger == trigger)


def test_policy_off_takes_it_and_the_history_says_so(machine):
    machine.policy = policy(Suspects.OFF)
    machine.engine = machine.another()
    order = asked(machine)
    machine.say("是")
    machine.run()
    assert (machine.state(order), seen_of(machine, order, "said_yes")["rule"]) == ("notified", "too_fast")


def test_where_the_policy_looks_for_nothing_the_yes_counts(world):
    order = asked(world)
    world.say("是")
    world.run()
    assert (world.state(order), world.engine.show(order.id).last(Trigger.SAID_YES).detail.seen) == ("notified", None)


@pytest.mark.parametrize("suspects", [Suspects.CODE, Suspects.HOLD, Suspects.OFF])
def test_an_early_yes_is_looked_at_by_the_same_rules(machine, suspects):
    machine.policy = policy(suspects)
    machine.engine = machine.another()

    def hears(sms):
        machine.clock.forward(24)
        machine.say("是")
        machine.read_now()
        return Accepted("m1")

    machine.gateway.answers = [hears]
    order = machine.place()
    machine.run()
    if suspects is Suspects.HOLD:
        assert (machine.triggers(order)[0], machine.state(order)) == ("suspected", "awaiting_reply")
        return
    expected = ["replied_early", "confirmation_accepted"]
    expected += ["replied_suspect"] if suspects is Suspects.CODE else ["said_yes"]
    assert machine.triggers(order)[:3] == expected
    assert (len(machine.texts("prove")), len(machine.bss.asked)) == ((1, 0) if suspects is Suspects.CODE else (0, 1))


def test_a_yes_before_any_report_is_suspect_where_the_gateway_reports(machine):
    machine.gateway.reports = True
    machine.engine = machine.another()
    order = asked(machine)
    machine.clock.forward(seconds=60)
    machine.say("是")
    machine.run(Lane.INBOUND)
    assert (seen(machine, order)[0], machine.state(order)) == ("not_delivered", "awaiting_reply")
    machine.run()
    for effect, n in (("confirmation.1", 1), ("prove.1", 2)):
        machine.report(order, Delivery.DELIVERED, effect, message_id=f"m{n}")
    machine.run()
    machine.clock.forward(seconds=30)
    machine.say(f"是{order.doc.code}")
    machine.run()
    assert machine.state(order) == "notified"


def test_a_question_that_arrived_when_it_was_asked_again_is_there(machine):
    machine.gateway.reports = True
    machine.engine = machine.another()
    order = asked(machine)
    machine.engine.resend(order.id, "ops")
    machine.run()
    machine.report(order, Delivery.DELIVERED, "confirmation.2", message_id="m2")
    machine.run()
    machine.clock.forward(seconds=30)
    machine.say("是")
    machine.run()
    assert machine.state(order) == "notified"


def test_a_report_and_a_yes_that_come_in_together_after_an_outage_are_no_machine(machine):
    machine.gateway.reports = True
    machine.engine = machine.another()
    order = asked(machine)
    machine.clock.forward(seconds=600)
    machine.report(order, Delivery.DELIVERED)
    machine.say("是")
    machine.clock.forward(5)
    machine.run()
    assert machine.state(order) == "notified"


def test_a_handset_that_was_off_is_read_from_when_it_has_the_question(machine):
    machine.gateway.reports = True
    machine.engine = machine.another()
    order = asked(machine)
    machine.clock.forward(hours=3)
    machine.report(order, Delivery.DELIVERED)
    machine.run()
    machine.clock.forward(24)
    machine.say("是")
    machine.run(Lane.INBOUND)
    rule, measured, least = seen(machine, order)
    assert (rule, measured < 200, least) == ("too_fast", True, READING_MS)


@pytest.mark.parametrize("commits", range(3))
def test_whoever_dies_over_a_yes_that_is_held_holds_all_of_it(machine, commits):
    orders = [machine.place(), machine.place(plan=SECOND)]
    machine.run(Lane.SMS)
    machine.say(f"是{orders[1].doc.code}")
    if commits < 2:
        with pytest.raises(StoreUnavailable):
            machine.run(Lane.INBOUND, engine=dies_after(machine.another(), commits))
        machine.clock.forward(seconds=61)
    machine.run()
    assert [machine.triggers(order).count("suspected") for order in orders] == [1, 1]
    assert len(machine.engine.held()[0]) == len(machine.texts("held")) == 1
    assert WAKE_UNDECIDED in machine.engine.line(NUMBER).effects
