"""An order names its call: it belongs to the call, waits for its end, and is cancelled when the call was unlawful."""

import pytest
from msgspec import structs
from sqlalchemy import select, update

from consent_engine.adapters.sql.tables import CALLS
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import Call, CallMismatch, CallNotPermitted, CallTooOld
from consent_engine.domain.effects import WAKE_ACTIVATE, WAKE_UNLAWFUL, Accepted, Lane
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.offer.offer import Suspects
from consent_engine.errors import CoolingOff, DoNotCall, Malformed, UnofficialNumber
from consent_engine.ports import Owner
from tests.conftest import NUMBER, OTHER
from tests.integration.calls.desk import instant

PLAN = "5g-smart-199"


def wanted(desk, call, *, to=NUMBER, plan=PLAN, agreed=None, key=""):
    desk.keys += 1
    body = {
        "msisdn": to, "plan": plan, "agent": "A1024", "call_id": call if isinstance(call, str) else call.id,
        "agreed_at": instant(desk.clock() if agreed is None else agreed),
    }  # fmt: skip
    return Placing("desk", key or f"order-{desk.keys}", PlaceOrder.read(body))


def ordered(desk, call, **more):
    return desk.engine.place(wanted(desk, call, **more)).order


def confirmed(desk, order):
    desk.run(Lane.SMS)
    assert desk.say("是")
    desk.run(Lane.INBOUND)
    assert desk.state(order) == "confirmed"


def test_the_activation_waits_until_the_call_has_ended_with_its_recording(desk):
    call = desk.start()
    order = ordered(desk, call)
    confirmed(desk, order)
    desk.clock.forward(seconds=90)
    desk.run()
    assert (desk.state(order), desk.bss.asked) == ("confirmed", [])
    desk.end(call, "agreed", plan=PLAN)
    desk.clock.forward(seconds=61)
    desk.run()
    assert desk.state(order) == "notified"
    line = desk.engine.line(NUMBER)
    assert line.restrictions == ()
    assert desk.engine.show(order.id).doc.call_id == call.id


def test_a_yes_while_the_call_is_up_is_suspect_however_late_it_comes(desk):
    desk.policy = structs.replace(desk.policy, suspects=Suspects.CODE)
    desk.engine = desk.another()
    call = desk.start()
    order = ordered(desk, call)
    desk.run(Lane.SMS)
    desk.clock.forward(seconds=600)
    desk.say("是")
    desk.run()
    event = desk.engine.show(order.id).last(Trigger.REPLIED_SUSPECT)
    assert (event.as_json()["seen"]["rule"], desk.state(order)) == ("call_up", "awaiting_reply")
    desk.end(call, "agreed", plan=PLAN)
    desk.clock.forward(seconds=60)
    desk.say(f"是{order.doc.code}")
    desk.run()
    assert (desk.state(order), len(desk.texts("prove"))) == ("notified", 1)


def test_a_code_that_overtakes_the_record_of_its_sms_is_not_too_fast_where_no_text_takes_time(desk):
    """Such a speed is a demo's, whose handsets answer before the gateway does."""
    desk.policy = structs.replace(desk.policy, suspects=Suspects.CODE, reading_speed=1_000_000)
    desk.engine = desk.another()
    call = desk.start()
    order = ordered(desk, call)
    desk.run(Lane.SMS)
    desk.say("是")
    desk.run(Lane.INBOUND)

    def answered_at_once(_sms):
        desk.end(call, "agreed", plan=PLAN)
        desk.say(f"是{order.doc.code}")
        desk.clock.forward(50)
        return Accepted("m9")

    desk.gateway.answers = [answered_at_once]
    desk.run()
    assert (desk.state(order), desk.texts("held")) == ("notified", [])


def test_an_activation_is_not_even_put_while_its_call_is_up(desk):
    order = ordered(desk, desk.start())
    confirmed(desk, order)
    assert [*desk.engine.show(order.id).effects] == ["wake.activate"]


def test_what_waits_for_its_call_is_not_leased_either(desk):
    """Both scripts check the gate: an effect that was put before the restriction is not leased."""
    call = desk.start()
    order = ordered(desk, call)
    desk.run(Lane.SMS)
    key = desk.cell.line(order.line)
    name = f"r:call:{order.id}"
    kept = desk.client.hget(key, name)
    desk.client.hdel(key, name)
    assert desk.say("是")
    desk.run(Lane.INBOUND)
    desk.client.hset(key, name, kept)
    desk.run(Lane.ACTIVATION)
    assert (desk.state(order), desk.bss.asked) == ("confirmed", [])


def test_an_order_of_a_call_that_ended_well_waits_for_nothing(desk):
    call = desk.start()
    at = desk.clock()
    desk.clock.forward(seconds=30)
    desk.end(call, "agreed", plan=PLAN)
    order = ordered(desk, call, agreed=at + 1_000)
    confirmed(desk, order)
    desk.run()
    assert desk.state(order) == "notified"


@pytest.mark.parametrize("how", ["without a recording", "abandoned"])
def test_the_open_orders_of_an_unlawful_call_are_cancelled(desk, how):
    call = desk.start()
    order, other = ordered(desk, call), ordered(desk, desk.start(OTHER), to=OTHER)
    confirmed(desk, order)
    if how == "abandoned":
        desk.clock.forward(hours=4)
    else:
        desk.end(call, "agreed", plan=PLAN, recorded=False)
    desk.clock.forward(seconds=2)
    desk.run(Lane.TIMER)
    desk.run()
    cancelled = desk.engine.show(order.id).last(Trigger.CANCELLED).detail
    assert (desk.state(order), cancelled.reason) == ("cancelled", "call_unlawful")
    assert desk.bss.asked == []
    assert desk.engine.line(NUMBER).restrictions == ()
    assert how == "abandoned" or desk.state(other) == "awaiting_reply"


def test_what_was_ordered_and_then_declined_in_the_same_call_is_never_activated_and_is_cancelled(desk):
    """The other order of the call continues: only this plan was declined."""
    call = desk.start()
    order = ordered(desk, call)
    confirmed(desk, order)
    other = ordered(desk, call, plan="data-pack-10gb")
    desk.clock.forward(seconds=30)
    desk.end(call, "declined", plan=PLAN)
    desk.clock.forward(seconds=61)
    desk.run(Lane.ACTIVATION)
    assert (desk.state(order), desk.bss.asked) == ("confirmed", []), "the gate bars it before any timer has run"
    desk.run(Lane.TIMER)
    desk.run()
    cancelled = desk.engine.show(order.id).last(Trigger.CANCELLED).detail
    assert (desk.state(order), cancelled.reason, desk.bss.asked) == ("cancelled", "declined_in_call", [])
    assert [each.kind for each in desk.engine.line(NUMBER).restrictions] == ["cool_off"]
    desk.say(f"是{other.doc.code}")
    desk.run()
    assert desk.state(other) == "notified"


def test_a_call_that_ends_as_other_lets_its_order_go_on(desk):
    """The call may have been about several things; the subscriber's own yes decides."""
    call = desk.start()
    order = ordered(desk, call)
    confirmed(desk, order)
    desk.end(call, "other")
    desk.clock.forward(seconds=61)
    desk.run()
    assert desk.state(order) == "notified"


@pytest.mark.parametrize("first", ["the order", "the end"])
def test_an_order_and_the_end_that_declines_it_meet_and_it_is_never_activated(desk, first):
    call, placed = desk.start(), []
    records = desk.engine.store.records
    asked = records.commit

    def meanwhile(commits, *, prove=False):
        records.commit = asked
        if first == "the order":
            placed.append(ordered(desk, call))
        else:
            desk.end(call, "declined", plan=PLAN)
        return asked(commits, prove=prove)

    records.commit = meanwhile
    if first == "the end":
        with pytest.raises(CoolingOff):
            ordered(desk, call)
        return
    desk.end(call, "declined", plan=PLAN)
    desk.run(Lane.SMS)
    desk.say("是")
    desk.clock.forward(seconds=61)
    desk.run()
    assert (desk.state(placed[0]), desk.bss.asked) == ("cancelled", [])


def test_a_call_that_nobody_answered_has_no_order_whatever_its_agent_says_first(desk):
    """Otherwise an agent could end an unrecorded sale this way, and no reviewer would ever hear it."""
    call = desk.start()
    order = ordered(desk, call)
    confirmed(desk, order)
    desk.end(call, "no_answer", recorded=False)
    desk.clock.forward(seconds=2)
    desk.run(Lane.TIMER)
    desk.run()
    cancelled = desk.engine.show(order.id).last(Trigger.CANCELLED).detail
    assert (desk.state(order), cancelled.reason, desk.bss.asked) == ("cancelled", "call_unlawful", [])
    assert (desk.found(call).violations, desk.engine.line(NUMBER).restrictions) == (("no_recording",), ())


def test_a_recorded_call_that_nobody_answered_lets_no_order_go_on(desk):
    """An answering machine may have been recorded: nobody can have agreed to anything."""
    call = desk.start()
    order, other = ordered(desk, call), ordered(desk, call, plan="data-pack-10gb")
    desk.run(Lane.SMS)
    desk.say(f"是{order.doc.code}")
    desk.run(Lane.INBOUND)
    desk.end(call, "no_answer")
    desk.clock.forward(seconds=61)
    desk.run(Lane.ACTIVATION)
    assert (desk.state(order), desk.bss.asked) == ("confirmed", []), "the gate bars it before any timer has run"
    desk.run(Lane.TIMER)
    desk.run()
    for each in (order, other):
        assert (desk.state(each), desk.engine.show(each.id).last(Trigger.CANCELLED).detail.reason) == (
            "cancelled", "call_not_answered"
        )  # fmt: skip
    assert (desk.bss.asked, desk.found(call).violations, desk.engine.line(NUMBER).restrictions) == ([], (), ())


def test_an_order_that_was_agreed_to_after_its_call_ended_is_never_activated_and_is_cancelled(desk):
    """The door compares `agreed_at` with an end that is known; an end that comes later is compared with the orders."""
    call, began = desk.start(), desk.clock()
    within = ordered(desk, call, plan="data-pack-10gb")
    desk.clock.forward(seconds=300)
    order = ordered(desk, call)
    desk.run(Lane.SMS)
    desk.say(f"是{order.doc.code}")
    desk.run(Lane.INBOUND)
    desk.end(call, "agreed", plan=PLAN, ended_at=instant(began + 60_000))
    desk.clock.forward(seconds=61)
    desk.run(Lane.ACTIVATION)
    assert (desk.state(order), desk.bss.asked) == ("confirmed", []), "the gate bars it before any timer has run"
    desk.run(Lane.TIMER)
    desk.run()
    cancelled = desk.engine.show(order.id).last(Trigger.CANCELLED).detail
    assert (desk.state(order), cancelled.reason, desk.bss.asked) == ("cancelled", "agreed_after_call", [])
    assert (desk.found(call).violations, desk.engine.line(NUMBER).restrictions) == ((), ())
    desk.say(f"是{within.doc.code}")
    desk.run()
    assert desk.state(within) == "notified"


def passed_over(desk, *, archived):
    """Return a call and its order, which waits for it though the call's timer is gone."""
    call, began = desk.start(), desk.clock()
    desk.clock.forward(seconds=300)
    order = ordered(desk, call)
    confirmed(desk, order)
    desk.end(call, "agreed", plan=PLAN, ended_at=instant(began + 60_000))
    timers, tries = desk.cell.due[Lane.TIMER], f"o:{order.id}:{WAKE_ACTIVATE}"
    desk.client.hdel(desk.cell.record(Owner.CALL, call.id), f"f:{WAKE_UNLAWFUL}")
    if archived:
        desk.client.zadd(timers, {tries: float("inf")})
        desk.move(hours=49)
        assert desk.engine.store.records.look({Call: [call.id]}).of(Call) == {}
        assert (desk.state(order), desk.bss.asked) == ("confirmed", [])
        desk.client.zadd(timers, {tries: desk.clock()})
    return call, order


def damage(desk, call, *, archived):
    """Make a call's record unreadable; return what puts it right."""
    name = desk.cell.record(Owner.CALL, call.id)
    if not archived:
        kept = desk.client.hget(name, "doc")
        desk.client.hset(name, "doc", "{}")
        return lambda: desk.client.hset(name, "doc", kept)

    def written(text):
        with desk.archive.asking() as connection:
            connection.execute(update(CALLS).where(CALLS.c.id == call.id).values(record=text))

    with desk.archive.asking() as connection:
        kept = connection.execute(select(CALLS.c.record).where(CALLS.c.id == call.id)).scalar_one()
    written("{}")
    return lambda: written(kept)


@pytest.mark.parametrize("archived", [False, True])
def test_an_activation_that_waits_for_a_call_which_cannot_be_read_waits_for_a_person(desk, archived):
    call, order = passed_over(desk, archived=archived)
    mend = damage(desk, call, archived=archived)
    desk.clock.forward(seconds=61)
    desk.run()
    [stuck] = [each for each in desk.engine.stuck() if each.id == order.id]
    assert (stuck.effect, desk.state(order), desk.bss.asked) == (WAKE_ACTIVATE, "confirmed", [])
    assert "read" in stuck.why
    due = desk.client.zscore(desk.cell.due[Lane.TIMER], f"o:{order.id}:{WAKE_ACTIVATE}")
    assert due == float("inf"), "nobody looks again each minute"
    mend()
    desk.engine.retry(order.id, "ops-1")
    desk.run()
    assert (desk.state(order), desk.bss.asked) == ("cancelled", [])
    assert desk.engine.show(order.id).last(Trigger.CANCELLED).detail.reason == "agreed_after_call"


def test_two_clocks_of_a_desk_may_differ_by_a_minute(desk):
    call = desk.start()
    desk.clock.forward(seconds=90)
    order = ordered(desk, call)
    confirmed(desk, order)
    desk.end(call, "agreed", plan=PLAN, ended_at=instant(desk.clock() - 60_000))
    desk.clock.forward(seconds=61)
    desk.run()
    assert desk.state(order) == "notified"


@pytest.mark.parametrize("ended", [False, True])
def test_an_order_that_was_agreed_to_more_than_four_hours_after_its_call_began_is_refused(desk, ended):
    """The question names the day and hour of the call: another one than the subscriber remembers misleads."""
    call = desk.started(ago=4 * 3_600_000).call
    assert desk.engine.place(wanted(desk, call)).created
    desk.clock.forward(milliseconds=1)
    if ended:
        desk.end(call, "agreed", plan=PLAN)
    with pytest.raises(CallMismatch, match="4 hours"):
        ordered(desk, call, plan="data-pack-10gb")


@pytest.mark.parametrize("recorded", [False, True])
def test_no_order_comes_of_a_call_that_nobody_answered(desk, recorded):
    call = desk.start()
    at = desk.clock()
    desk.clock.forward(seconds=30)
    desk.end(call, "no_answer", recorded=recorded)
    with pytest.raises(CallNotPermitted, match="nobody answered"):
        ordered(desk, call, agreed=at + 1_000)
    assert desk.found(call).violations == ()


def test_no_order_comes_of_a_call_with_a_violation_and_the_call_keeps_that_one_was_asked_for(desk):
    call = desk.start()
    desk.end(call, recorded=False)
    asked = wanted(desk, call)
    for _ in range(2):
        with pytest.raises(CallNotPermitted) as refused:
            desk.engine.place(asked)
    assert refused.value.facts == {"violations": "no_recording"}
    [kept] = [each for each in desk.found(call).events if hasattr(each, "code")]
    assert (kept.code, kept.by) == ("call_not_permitted", "desk")


def test_refused_orders_are_kept_with_a_call_within_a_bound(desk):
    call = desk.start()
    desk.end(call, recorded=False)
    for _ in range(25):
        with pytest.raises(CallNotPermitted):
            ordered(desk, call)
    assert len(desk.found(call).events) == 21


def test_of_many_refused_orders_at_once_each_is_told_why_and_an_order_beside_them_is_taken(desk):
    call, other = desk.start(), desk.start(OTHER)
    desk.end(call, recorded=False)
    asked = [*(wanted(desk, call) for _ in range(30)), wanted(desk, other, to=OTHER)]
    *refused, taken = desk.engine.place_many(asked)
    assert {type(each) for each in refused} == {CallNotPermitted}
    assert taken.order.doc.call_id == other.id


def test_an_order_from_another_number_than_the_carriers_own_is_refused_as_before(desk):
    call = desk.start(**{"from": "10086"})
    with pytest.raises(UnofficialNumber):
        ordered(desk, call)


def test_a_refusal_in_between_is_named_before_the_call(desk):
    call = desk.start()
    desk.end(call, "refused")
    with pytest.raises(DoNotCall):
        ordered(desk, call)
    assert [each.code for each in desk.found(call).events if hasattr(each, "code")] == ["do_not_call"]


def test_an_order_of_a_call_that_was_too_long_ago_or_of_another_call_is_refused(desk):
    call, at = desk.start(), desk.clock()
    desk.clock.forward(hours=2, milliseconds=1)
    with pytest.raises(CallTooOld):
        ordered(desk, call, agreed=at)
    assert desk.engine.place(wanted(desk, call, agreed=at + 1_000)).created
    for more in ({"to": OTHER}, {"plan": "fibre-duo-129"}, {"plan": "data-pack-10gb", "agreed": at - 1}):
        with pytest.raises((CallMismatch, CallTooOld)):
            ordered(desk, call, **more)
    with pytest.raises(CallMismatch):
        ordered(desk, "0" * 28)
    desk.end(call, "agreed")
    with pytest.raises(CallMismatch):
        ordered(desk, call, plan="data-pack-10gb", agreed=desk.clock() + 1_000)


@pytest.mark.parametrize("change", [
    {"agreed_at": None}, {"call_id": None}, {"call_id": "x"},
    {"call": {"caller_number": "10085", "recording_id": "r", "started_at": "2025-11-24T15:00:00Z",
              "agreed_at": "2025-11-24T15:01:00Z"}},
])  # fmt: skip
def test_an_order_names_one_call_in_one_form(desk, change):
    body = {"msisdn": NUMBER, "plan": PLAN, "agent": "A1", "call_id": "0" * 28, "agreed_at": "2025-11-24T15:01:00Z"}
    body = {name: value for name, value in {**body, **change}.items() if value is not None}
    with pytest.raises(Malformed):
        PlaceOrder.read(body)


def test_a_call_that_ends_while_an_order_of_it_is_placed_is_looked_at_again(desk):
    """The order waits for the end of the call, or is placed after it: never between the two."""
    call = desk.start()
    records = desk.engine.store.records
    asked = records.commit

    def ended_meanwhile(commits, *, prove=False):
        records.commit = asked
        desk.end(call, "agreed", plan=PLAN)
        return asked(commits, prove=prove)

    records.commit = ended_meanwhile
    order = ordered(desk, call)
    assert desk.engine.line(NUMBER).restrictions == ()
    confirmed(desk, order)
    desk.run()
    assert desk.state(order) == "notified"


def test_an_order_that_is_placed_while_its_call_ends_does_not_wait_for_ever(desk):
    call, placed = desk.start(), []
    records = desk.engine.store.records
    asked = records.commit

    def placed_meanwhile(commits, *, prove=False):
        records.commit = asked
        placed.append(ordered(desk, call))
        return asked(commits, prove=prove)

    records.commit = placed_meanwhile
    desk.end(call, "agreed", plan=PLAN)
    assert desk.engine.line(NUMBER).restrictions == ()
    confirmed(desk, placed[0])
    desk.run()
    assert desk.state(placed[0]) == "notified"
