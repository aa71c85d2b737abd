"""An activated service is taken back: once per order, whoever asks, however often, and whichever process dies."""

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.sql.tables import ORDERS
from consent_engine.doctor.records import Wanted, audit, records
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.ending import (
    NO_NUMBER,
    Cause,
    Ending,
    EndingNotFound,
    EndingState,
    Notified,
    NumberErased,
    Why,
    ending_id,
)
from consent_engine.domain.decide.endings import on_retry
from consent_engine.domain.effects import (
    NOTIFICATION,
    Accepted,
    Lane,
    Purpose,
    Rejected,
    Unavailable,
    Uncertain,
    Untaken,
)
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.order.facts import Ended
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.change_order import giving_back
from consent_engine.engine.endings import end_recording
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.review import Review
from consent_engine.engine.round_trips import drive
from consent_engine.engine.scribe import write_out
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, NotActivated, NothingParked
from consent_engine.ports import Only, Owner, Tally
from tests.archive.house import LONG, broken, gone, standing
from tests.conftest import NUMBER, OTHER
from tests.integration.calls import reviewing
from tests.integration.calls.desk import instant

WITHDRAWN = Why(Cause.WITHDRAWN, "hotline", "ops-1", "wants it no more")


def take_back(desk, order, why=WITHDRAWN):
    return desk.engine.endings.ask(desk.engine.show(order.id), why)


def ending(desk, order):
    return desk.engine.endings.show(order.id)


def notices(desk):
    return [sms for sms in desk.gateway.sent if sms.purpose is Purpose.ENDED]


def offs(desk, order):
    return [each for each in desk.bss.ended if each.order_id == order.id]


def happens(desk, event):
    desk.engine.line_event(LineEventAsked(NUMBER, event, desk.clock(), "ops"))


def test_what_is_on_is_switched_off_once_and_the_subscriber_told(desk):
    order = desk.settled()
    first, again = take_back(desk, order), take_back(desk, order, replace(WITHDRAWN, by="somebody"))
    assert (first.is_new, again.is_new, again.ending.doc) == (True, False, first.ending.doc)
    assert ending(desk, order).state is EndingState.ENDING
    desk.run()
    [off] = desk.bss.ended
    assert (off.ending_id, off.order_id, off.activation_id) == (ending_id(order.id), order.id, f"act-{order.id}")
    assert (off.msisdn, off.plan, off.cause, off.asked_at) == (
        NUMBER,
        "5g-smart-199",
        "withdrawn",
        first.ending.doc.asked_at,
    )
    after = ending(desk, order)
    assert (after.state, after.off.ref, after.off.stops) == (EndingState.ENDED, f"off-{off.ending_id}", "2025-12-01")
    [notice] = notices(desk)
    assert "已按您的要求退订“5G智享套餐199元档”，12月1日0时起失效" in notice.text
    assert order.receipt in notice.text
    assert (notice.to, [*after.effects]) == (NUMBER, ["wake.archive"])
    take_back(desk, order)
    desk.run()
    assert (len(desk.bss.ended), len(notices(desk))) == (1, 1)


def test_a_settled_order_is_not_moved_by_its_ending(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run()
    assert replace(desk.engine.show(order.id), effects=order.effects) == order


def test_an_archived_order_is_taken_back_and_stays_where_it_is(desk):
    order = desk.archived()
    assert not desk.engine.line(NUMBER).entries
    take_back(desk, order)
    desk.run()
    assert (len(offs(desk, order)), len(notices(desk))) == (1, 1)
    assert (desk.engine.show(order.id).events, desk.live([order.id])) == (order.events, {})
    desk.clock.forward(hours=24 * 30)
    desk.run(Lane.TIMER)
    assert not desk.names("line:")  # the line existed only for the notice


def test_what_was_never_on_cannot_be_taken_back(desk):
    order = desk.place()
    with pytest.raises(NotActivated):
        take_back(desk, order)
    desk.run(Lane.SMS)
    desk.bss.answers = [Uncertain("timeout")]
    desk.say("是")
    desk.run(Lane.INBOUND, Lane.ACTIVATION)
    assert desk.engine.show(order.id).effects["activate"].doubts == 1
    with pytest.raises(NotActivated):  # the activation is still in doubt
        take_back(desk, order)
    with pytest.raises(EndingNotFound):
        ending(desk, order)


def test_of_an_erased_number_nobody_knows_whose_service_it_was(desk):
    order = desk.archived()
    with pytest.raises(NumberErased):
        desk.engine.endings.ask(replace(order, person=replace(order.person, msisdn="")), WITHDRAWN)


def test_a_bss_that_is_away_is_asked_again_until_it_answers(desk):
    order = desk.settled()
    desk.bss.end_answers = [Unavailable("bss:503")] * 7
    take_back(desk, order)
    for _ in range(8):
        desk.run(Lane.ACTIVATION)
        desk.clock.forward(hours=1)
    assert len(desk.bss.ended) == 8
    assert ending(desk, order).state is EndingState.ENDED
    assert ending(desk, order).off.doubts == 0


def test_a_doubt_is_asked_about_and_the_key_stays_the_same(desk):
    order = desk.settled()
    name = ending_id(order.id)
    desk.bss.can_ask = True
    desk.bss.end_answers = [Uncertain("timeout"), Uncertain("timeout")]
    take_back(desk, order)
    desk.run(Lane.ACTIVATION)
    desk.clock.forward(hours=1)
    desk.run(Lane.ACTIVATION)  # the BSS knows no such ending: it was surely not done, and is asked for again
    assert {each.ending_id for each in desk.bss.ended} == {name}
    assert len(desk.bss.ended) == 2
    desk.bss.knows[name] = Accepted("off-1")
    desk.clock.forward(hours=1)
    desk.run(Lane.ACTIVATION)
    assert (len(desk.bss.ended), ending(desk, order).off.ref) == (2, "off-1")


def test_too_many_doubts_put_it_on_the_stuck_list_and_a_retry_ends_it(desk):
    order = desk.settled()
    desk.bss.end_answers = [Uncertain("timeout")] * desk.policy.max_attempts
    take_back(desk, order)
    for _ in range(desk.policy.max_attempts):
        desk.run(Lane.ACTIVATION)
        desk.clock.forward(hours=1)
    stuck = desk.engine.stuck()
    assert [(each.owner, each.effect, each.plan, each.reason) for each in stuck] == [
        (Owner.ENDING, "deactivate", "5g-smart-199", "timeout")
    ]
    assert ending(desk, order).state is EndingState.ENDING_FAILED
    assert desk.engine.retry_many(stuck, "ops-1").retried == 1
    assert ending(desk, order).state is EndingState.ENDING
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    assert [type(each).__name__ for each in ending(desk, order).events] == [
        "Failed",
        "Retried",
        "SwitchedOff",
        "Notified",
    ]
    with pytest.raises(NothingParked):
        desk.engine.retry(order.id, "ops-1")


@pytest.mark.parametrize("archived", [False, True])
def test_a_refusal_by_the_bss_waits_for_a_person_and_the_orders_retry_does_it_again(desk, archived):
    order = desk.archived() if archived else desk.settled()
    desk.bss.end_answers = [Rejected("no_such_service"), Uncertain("timeout"), Rejected("no_such_service")]
    take_back(desk, order)
    desk.run(Lane.ACTIVATION)
    assert ending(desk, order).effects["deactivate"].why == "no_such_service"
    assert desk.engine.retry(order.id, "ops-1").id == order.id
    desk.run(Lane.ACTIVATION)
    desk.clock.forward(hours=1)
    desk.run(Lane.ACTIVATION)
    assert "refused_after_doubt:" in ending(desk, order).effects["deactivate"].why
    desk.engine.retry(order.id, "ops-1")
    desk.run()
    assert (ending(desk, order).state, len(notices(desk))) == (EndingState.ENDED, 1)


@pytest.mark.parametrize("archived", [False, True])
def test_what_the_bss_refuses_for_good_is_given_up_and_is_on_no_list_any_more(desk, archived):
    order = desk.archived() if archived else desk.settled()
    desk.bss.end_answers = [Rejected("no_such_service")]
    take_back(desk, order)
    desk.run(Lane.ACTIVATION)
    assert [each.owner for each in desk.engine.stuck()] == [Owner.ENDING]
    assert desk.engine.give_up(order.id, "ops-1", "switched off by hand").id == order.id
    after = ending(desk, order)
    given = after.events[-1]
    assert (after.state, given.by, given.reason) == (EndingState.GIVEN_UP, "ops-1", "switched off by hand")
    assert (desk.engine.stuck(), [*after.effects]) == ([], ["wake.archive"])
    assert desk.engine.store.queries.open_endings() == Tally()
    assert desk.engine.give_up(order.id, "ops-1", "again").id == order.id
    assert ending(desk, order).events == after.events
    desk.run()
    assert (len(desk.bss.ended), notices(desk)) == (1, [])
    desk.clock.forward(hours=24 * 30)
    for _ in range(2):  # the order moves first
        desk.move()
    with pytest.raises(NothingParked, match="given up too long ago"):
        desk.engine.retry(order.id, "ops-1")
    assert not desk.client.exists(f"ce:{{0}}:end:{ending_id(order.id)}")


@pytest.mark.parametrize("archived", [False, True])
def test_what_was_given_up_is_taken_up_again_under_the_same_key_and_given_up_once_more(desk, archived):
    order = desk.archived() if archived else desk.settled()
    desk.bss.end_answers = [Rejected("no_such_service"), Rejected("still_none"), Accepted("off-1")]
    take_back(desk, order)
    desk.run(Lane.ACTIVATION)
    stuck = desk.engine.stuck()
    desk.engine.give_up(order.id, "ops-1", "by hand")
    assert desk.engine.retry_many(stuck, "ops-2").gone == 1  # a list read before it was given up retries nothing
    assert ending(desk, order).state is EndingState.GIVEN_UP
    desk.engine.retry(order.id, "ops-2")
    after = ending(desk, order)
    assert (after.state, [*after.effects], after.events[-1].by) == (EndingState.ENDING, ["deactivate"], "ops-2")
    assert desk.engine.store.queries.open_endings() != Tally()
    desk.run(Lane.ACTIVATION)
    assert [each.reason for each in desk.engine.stuck()] == ["still_none"]
    for _ in range(2):
        desk.engine.give_up(order.id, "ops-1", "by hand")
    assert [type(each).__name__ for each in ending(desk, order).events] == [
        "Failed", "GivenUp", "Retried", "Failed", "GivenUp"
    ]  # fmt: skip
    assert [ending(desk, order).events[n].op for n in (0, 3)] == ["deactivate#1", "deactivate#2"]
    desk.engine.retry(order.id, "ops-2")
    desk.run()
    assert (ending(desk, order).state, len(notices(desk))) == (EndingState.ENDED, 1)
    assert [each.ending_id for each in desk.bss.ended] == [ending_id(order.id)] * 3
    with pytest.raises(NothingParked):
        desk.engine.retry(order.id, "ops-2")


def test_an_ending_that_is_under_way_is_not_given_up_and_takes_no_notification_along(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say("是")
    desk.run(Lane.INBOUND)
    desk.run(Lane.ACTIVATION)
    assert desk.state(order) == "activated"
    desk.bss.end_answers = [Unavailable("bss:503"), Rejected("no_such_service")]
    take_back(desk, order)
    desk.run(Lane.ACTIVATION)
    assert desk.engine.endings.given_up(order.id, "ops-1", "impatient") is None
    under_way = ending(desk, order)
    assert on_retry(under_way, "op", "ops-1", desk.clock()).put == (), "it is done again by itself"
    desk.clock.forward(hours=1)
    desk.run(Lane.ACTIVATION)
    for _ in range(2):  # the first answer was lost on its way
        assert desk.engine.give_up(order.id, "ops-1", "switched off by hand").state.value == "activated"
    assert ending(desk, order).state is EndingState.GIVEN_UP
    desk.run()
    assert desk.state(order) == "notified"


def test_a_lost_lease_is_a_doubt_and_no_call(desk):
    order = desk.settled()
    desk.bss.can_ask = True
    take_back(desk, order)
    [held] = desk.engine.lanes.lease(Lane.ACTIVATION, 5)  # the worker dies with the lease
    assert held.record.doc.order == order.id
    desk.clock.forward(seconds=61)
    desk.run(Lane.ACTIVATION)
    assert (desk.bss.ended, ending(desk, order).effects["deactivate"].doubts) == ([], 1)
    desk.clock.forward(hours=1)
    desk.run(Lane.ACTIVATION)  # asked, the BSS knows no such ending
    desk.run()
    assert (len(desk.bss.ended), ending(desk, order).state) == (1, EndingState.ENDED)


def test_an_answer_that_comes_when_the_lease_is_lost_ends_it_all_the_same(desk):
    order = desk.settled()
    take_back(desk, order)
    [held] = desk.engine.lanes.lease(Lane.ACTIVATION, 5)
    desk.clock.forward(seconds=61)
    [again] = desk.engine.lanes.lease(Lane.ACTIVATION, 5)
    steps = [
        end_recording(leased, Ended("deactivate", leased.token, Accepted(ref)), desk.policy, desk.clock())
        for leased, ref in ((held, "off-1"), (again, "off-2"))
    ]
    for step in steps:
        drive(desk.engine.store, [step])
    assert ending(desk, order).off.ref == "off-1"
    assert [each.ref for each in ending(desk, order).events if type(each).__name__ == "SwitchedOffAgain"] == ["off-2"]
    desk.run()
    assert (desk.bss.ended, len(notices(desk))) == ([], 1)


def test_the_notification_of_the_activation_goes_before_the_notice_of_its_end(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.gateway.answers = [Unavailable("gateway:503")] * 3
    desk.say("是")
    desk.run(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    assert desk.state(order) == "activated"
    take_back(desk, order)
    desk.run()
    assert (ending(desk, order).state, notices(desk)) == (EndingState.ENDED, [])
    for _ in range(6):
        desk.clock.forward(seconds=61)
        desk.run()
    assert desk.state(order) == "notified"
    assert [sms.purpose for sms in desk.gateway.sent][-1] is Purpose.ENDED


def test_a_notification_that_waits_for_a_person_holds_no_notice_up(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.gateway.answers = [Rejected("no_route")]
    desk.say("是")
    desk.run()
    assert desk.engine.show(order.id).effects[NOTIFICATION].parked
    take_back(desk, order)
    desk.run()
    assert len(notices(desk)) == 1


def test_each_of_its_events_is_a_leaf_and_a_change_behind_its_seal_is_seen(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run()
    leaves = [Leaf.decode(entry) for entry in standing(desk)]
    ours = [leaf for leaf in leaves if leaf.of is Chained.ENDING]
    assert [leaf.seq for leaf in ours] == [0, 1, 2]
    assert ours[-1].head == ending(desk, order).head
    desk.client.hset(f"ce:{{0}}:end:{ending_id(order.id)}", "line", "f" * 28)
    with pytest.raises(BrokenRecord):
        ending(desk, order)
    with pytest.raises(BrokenRecord):
        desk.engine.endings.ask(order, WITHDRAWN)


def test_nobody_who_has_the_number_now_is_told(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run(Lane.ACTIVATION)
    happens(desk, LineEvent.ASSIGNED)
    desk.run()
    assert (ending(desk, order).state, notices(desk)) == (EndingState.ENDED, [])
    assert [each.why for each in ending(desk, order).events if type(each).__name__ == "Notified"] == ["number_changed"]


def test_a_notice_that_was_written_is_not_sent_to_the_next_holder(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run(Lane.ACTIVATION)
    desk.run(Lane.TIMER)
    assert [effect for effect in desk.engine.line(NUMBER).effects if effect.startswith("sms.ended.")]
    happens(desk, LineEvent.RELEASED)
    desk.run()
    assert notices(desk) == []


def test_unknown_before_is_untaken_and_goes_on(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.bss.end_answers = [Uncertain("timeout")]
    desk.run(Lane.ACTIVATION)
    desk.bss.knows[ending_id(order.id)] = Untaken("asked:bss_unknown:")
    desk.clock.forward(hours=1)
    desk.run(Lane.ACTIVATION)
    assert (ending(desk, order).state, len(desk.bss.ended)) == (EndingState.ENDED, 2)


# -- a failed review --------------------------------------------------------------------------------------------------


def sold(desk):
    """Make a call that ended properly, and its order, which is activated."""
    call = desk.start()
    desk.keys += 1
    body = {"msisdn": NUMBER, "plan": "5g-smart-199", "agent": "A1024", "call_id": call.id}
    wanted = PlaceOrder.read({**body, "agreed_at": instant(desk.clock())})
    order = desk.engine.place(Placing("desk", f"order-{desk.keys}", wanted)).order
    desk.clock.forward(seconds=60)
    desk.end(call, "agreed", plan="5g-smart-199")
    desk.run(Lane.SMS)
    desk.clock.forward(seconds=60)
    desk.say("是")
    return call, order


def fails(desk, call):
    desk.engine.calls.review(Review(call.id, "r-1", passed=False, reasons=("price_not_told",)))
    desk.engine.calls.review(Review(call.id, "r-2", passed=False, second=True))


def test_an_upheld_failed_review_takes_back_what_was_activated_and_says_so(desk):
    call, order = sold(desk)
    other = desk.settled(msisdn=OTHER)
    desk.run()
    assert desk.state(order) == "notified"
    fails(desk, call)
    desk.run()
    [off] = desk.bss.ended
    assert (off.order_id, off.cause) == (order.id, "review_failed")
    assert (ending(desk, order).state, ending(desk, order).doc.by) == (EndingState.ENDED, "r-2")
    [notice] = notices(desk)
    assert "经复查通话录音" in notice.text
    with pytest.raises(EndingNotFound):
        ending(desk, other)
    assert desk.found(call).effects.keys() == {"wake.archive"}


def test_a_review_that_passes_takes_nothing_back(desk):
    call, order = sold(desk)
    desk.run()
    desk.engine.calls.review(Review(call.id, "r-1", passed=False, reasons=("price_not_told",)))
    desk.engine.calls.review(Review(call.id, "r-2", passed=True, second=True))
    desk.run()
    with pytest.raises(EndingNotFound):
        ending(desk, order)


def test_what_may_be_on_when_the_review_fails_is_taken_back_once_that_is_known(desk):
    call, order = sold(desk)
    desk.bss.answers = [Uncertain("timeout")]
    desk.run(Lane.INBOUND, Lane.ACTIVATION)
    fails(desk, call)
    desk.run(Lane.TIMER)
    assert desk.state(order) == "confirmed"
    for _ in range(3):
        desk.clock.forward(seconds=61)
        desk.run()
    assert (desk.state(order), ending(desk, order).state) == ("notified", EndingState.ENDED)
    assert [each.order_id for each in desk.bss.ended] == [order.id]
    assert desk.triggers(order).count("replied_late") == 1


def test_nobody_is_taken_back_whose_activation_did_nothing_after_all(desk):
    call, order = sold(desk)
    desk.bss.answers = [Uncertain("timeout")]
    desk.bss.can_ask = True
    desk.run(Lane.INBOUND, Lane.ACTIVATION)
    fails(desk, call)
    desk.run(Lane.TIMER)
    desk.bss.answers = [Rejected("no_credit")]
    for _ in range(3):
        desk.clock.forward(seconds=61)
        desk.run()
    assert desk.state(order) in {"cancelled", "activation_failed"}
    assert desk.bss.ended == []
    assert "wake.unlawful" not in desk.found(call).effects


# -- another holder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [LineEvent.ASSIGNED, LineEvent.RELEASED])
@pytest.mark.parametrize("archived", [False, True])
def test_another_holder_takes_back_what_the_one_before_had_and_nobody_is_told(desk, event, archived):
    order = desk.archived() if archived else desk.settled()
    before = len(desk.gateway.sent)
    happens(desk, event)
    desk.run()
    [off] = desk.bss.ended
    assert (off.order_id, off.cause, off.msisdn) == (order.id, "number_changed", NUMBER)
    assert (ending(desk, order).state, len(desk.gateway.sent)) == (EndingState.ENDED, before)
    assert "wake.endings" not in desk.engine.line(NUMBER).effects


@pytest.mark.parametrize("damaged", [0, 1])
def test_an_ending_that_nobody_can_read_keeps_no_other_service_on(desk, damaged):
    orders = desk.two_asked()
    for order in orders:
        desk.say(f"是{order.doc.code}")
        desk.run()
    take_back(desk, orders[damaged])
    desk.run()
    name = f"ce:{{0}}:end:{ending(desk, orders[damaged]).id}"
    desk.client.hset(name, "doc", desk.client.hget(name, "doc").replace("withdrawn", "number_changed"))
    happens(desk, LineEvent.ASSIGNED)
    desk.run()
    assert [off.order_id for off in desk.bss.ended] == [orders[damaged].id, orders[1 - damaged].id]
    assert "wake.endings" in desk.engine.line(NUMBER).effects  # a person must take care of the other order


def test_what_the_holder_of_now_has_stays_on_and_another_event_takes_nothing_back(desk):
    happens(desk, LineEvent.ASSIGNED)
    desk.clock.forward(seconds=60)
    _, order = sold(desk)
    desk.run()
    assert desk.state(order) == "notified"
    desk.clock.forward(seconds=60)
    for event in (LineEvent.SUSPENDED, LineEvent.RESUMED, LineEvent.PORTED_OUT):
        happens(desk, event)
        desk.run()
    assert desk.bss.ended == []


def test_what_may_be_on_when_the_number_changes_hands_is_taken_back_once_that_is_known(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say("是")
    desk.bss.answers = [Uncertain("timeout")]
    desk.run(Lane.INBOUND, Lane.ACTIVATION)
    happens(desk, LineEvent.ASSIGNED)
    desk.run(Lane.TIMER)
    for _ in range(3):
        desk.clock.forward(seconds=61)
        desk.run()
    assert (desk.state(order), ending(desk, order).doc.cause) == ("unnotified", Cause.NUMBER_CHANGED)
    assert (len(desk.bss.ended), notices(desk)) == (1, [])


def test_while_the_archive_is_away_nothing_is_forgotten(desk):
    order = desk.archived()
    with broken(desk.archive):
        happens(desk, LineEvent.ASSIGNED)
        desk.run(Lane.TIMER)
        assert desk.bss.ended == []
        assert "wake.endings" in desk.engine.line(NUMBER).effects
    desk.clock.forward(seconds=61)
    desk.run()
    assert [each.order_id for each in desk.bss.ended] == [order.id]


# -- what people see --------------------------------------------------------------------------------------------------


def test_what_is_not_off_is_counted_and_listed_until_it_is(desk):
    order = desk.settled()
    desk.bss.end_answers = [Unavailable("bss:503")]
    asked = take_back(desk, order).ending.doc.asked_at
    desk.run(Lane.ACTIVATION)
    assert desk.engine.store.queries.open_endings() == Tally(1, asked)
    assert desk.engine.store.queries.places(Owner.ENDING, Only.PRESENT, None, 9) == [(asked, ending_id(order.id))]
    desk.clock.forward(hours=1)
    desk.run()
    assert desk.engine.store.queries.open_endings() == Tally()


def found_by_doctor(desk, *, mend=False):
    wire = Wire(desk.client, proves=False, replicas=0)
    wanted = Wanted(all=True, mend=mend)
    return [each.what for each in records(desk.engine.store, RedisSurvey(wire), 60_000, wanted, lambda _: None)]


def test_doctor_finds_an_ending_that_nobody_would_ever_do_and_puts_it_back(desk):
    order = desk.settled()
    take_back(desk, order)
    assert not [said for said in found_by_doctor(desk) if "ending" in said or "due-sets" in said]
    desk.client.hdel(f"ce:{{0}}:end:{ending_id(order.id)}", "f:deactivate")
    desk.client.zrem("ce:{0}:due:activation", f"e:{ending_id(order.id)}:deactivate")
    assert [said for said in found_by_doctor(desk) if "would stay on" in said]
    assert [said for said in found_by_doctor(desk, mend=True) if "put back" in said]
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    desk.client.hset(f"ce:{{0}}:end:{ending_id(order.id)}", "head", "x")
    assert not [said for said in found_by_doctor(desk) if "would stay on" in said]


def test_an_ending_follows_its_order_to_the_archive_and_is_the_same_one_asked_again(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run()
    told = ending(desk, order)
    write_out(desk.engine.store, "one")
    for _ in range(2):  # the order moves first
        desk.move()
    assert not desk.client.exists(f"ce:{{0}}:end:{ending_id(order.id)}")
    assert [member for member in desk.client.zrange("ce:{0}:due:timer", 0, -1) if member.startswith("e:")] == []
    kept = ending(desk, order)
    assert (kept.head, kept.events, kept.person) == (told.head, told.events, told.person)
    again = desk.engine.endings.ask(desk.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "desk"))
    assert (again.is_new, again.ending.head) == (False, told.head)
    assert audit(desk.engine.store, 0, (0, 2**62)).wrong == []
    assert desk.engine.store.records.look({Ending: [ending_id(order.id)]}).all == {}


def test_an_ending_stays_while_its_order_is_in_the_store_and_while_the_archive_is_away(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run()
    desk.clock.forward(hours=LONG)
    with broken(desk.archive):
        desk.run(Lane.TIMER)
        assert ending(desk, order).state is EndingState.ENDED
    assert desk.client.exists(f"ce:{{0}}:end:{ending_id(order.id)}")
    for _ in range(2):
        desk.move()
    with broken(desk.archive), pytest.raises(ArchiveUnavailable):
        desk.engine.endings.ask(order, Why(Cause.WITHDRAWN, "hotline", "desk"))


def test_an_ending_that_is_given_back_wakes_its_lane(desk):
    order = desk.settled()
    take_back(desk, order)
    [leased] = [each for each in desk.engine.store.lanes.lease(Lane.ACTIVATION, 9) if each.owner is Owner.ENDING]
    assert drive(desk.engine.store, [giving_back(leased, desk.clock.now)]).due == {Lane.ACTIVATION: 1}
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED


def test_an_ending_is_kept_as_long_as_what_it_took_back_and_no_longer(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run()
    for _ in range(2):
        desk.move()
    day = 24 * 3_600_000
    desk.archive.expire(desk.clock() + 1080 * day, 10)
    assert ending(desk, order).person.msisdn == NUMBER
    assert desk.archive.expire(desk.clock() + 1097 * day, 10).records == 1
    assert gone(desk.archive, Ending, ending_id(order.id)) == {}


def test_the_audit_looks_at_endings_as_at_orders(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.run()
    write_out(desk.engine.store, "one")
    assert audit(desk.engine.store, 0, (0, 2**62)).wrong == []
    name = f"ce:{{0}}:end:{ending_id(order.id)}"
    kept = desk.client.hgetall(name)
    desk.client.delete(name)
    assert {record for record, _ in audit(desk.engine.store, 0, (0, 2**62)).wrong} == {ending_id(order.id)}
    assert audit(desk.engine.store, desk.clock() + 1, (0, 2**62)).expired >= 3
    desk.client.hset(name, mapping=kept)
    assert audit(desk.engine.store, 0, (0, 2**62)).wrong == []


# -- whose number is erased -------------------------------------------------------------------------------------------


def without_number(desk):
    """An order whose service is on and whose number is erased, and the review of its call that failed."""
    call, order = sold(desk)
    desk.run()
    desk.client.hdel(f"ce:{{0}}:order:{order.id}", "who")
    fails(desk, call)
    desk.run()
    return order


def test_a_failed_review_of_somebody_whose_number_is_erased_takes_back_by_a_person_and_is_not_forgotten(desk):
    order = without_number(desk)
    found = ending(desk, order)
    assert (found.state, found.doc.cause) == (EndingState.ENDING_FAILED, Cause.REVIEW_FAILED)
    assert (found.doc.activation, found.doc.order) == (f"act-{order.id}", order.id)
    [stuck] = desk.engine.stuck()
    assert (stuck.named, stuck.why) == (order.id, NO_NUMBER)
    assert desk.engine.store.queries.open_endings().count == 1
    assert (desk.bss.ended, notices(desk)) == ([], [])
    desk.engine.retry(order.id, "ops-1")
    desk.run()
    assert (desk.bss.ended, [each.why for each in desk.engine.stuck()]) == ([], [NO_NUMBER])
    desk.engine.give_up(order.id, "ops-1", "switched off by hand")
    assert (ending(desk, order).state, desk.engine.stuck()) == (EndingState.GIVEN_UP, [])
    assert desk.engine.store.queries.open_endings().count == 0


def test_what_a_person_had_switched_off_under_its_ending_is_off_and_nobody_is_told(desk):
    order = without_number(desk)
    desk.bss.knows = {ending_id(order.id): Accepted("off-by-hand", "2025-12-01")}
    desk.engine.retry(order.id, "ops-1")
    desk.run()
    after = ending(desk, order)
    assert (after.state, after.off.ref, desk.engine.stuck()) == (EndingState.ENDED, "off-by-hand", [])
    assert [each.why for each in after.events if isinstance(each, Notified)] == ["number_erased"]
    assert (notices(desk), desk.engine.endings.notice(after)) == ([], "number_erased")


def test_another_holder_ends_the_service_of_one_whose_number_is_erased_by_a_person_too(desk):
    order = desk.settled()
    desk.client.hdel(f"ce:{{0}}:order:{order.id}", "who")
    with pytest.raises(NumberErased):  # anybody may say that it is theirs
        take_back(desk, order)
    desk.clock.forward(seconds=1)
    happens(desk, LineEvent.ASSIGNED)
    desk.run()
    assert [(each.named, each.why) for each in desk.engine.stuck()] == [(order.id, NO_NUMBER)]


def test_a_review_whose_orders_ending_cannot_be_read_waits_for_a_person_and_is_done_once_it_can(desk):
    call, order = sold(desk)
    desk.run()
    take_back(desk, order)
    name = f"ce:{{0}}:end:{ending_id(order.id)}"
    kept = desk.client.hget(name, "doc")
    desk.client.hset(name, "doc", "{}")
    fails(desk, call)
    desk.run(Lane.TIMER)
    assert (Owner.CALL, call.id, "wake.unlawful") in {(n.owner, n.id, n.effect) for n in desk.engine.stuck()}
    desk.client.hset(name, "doc", kept)
    desk.engine.retry_other(call.id, "ops-1")
    desk.run()
    assert call.id not in {each.id for each in desk.engine.stuck()}


def damage(desk, order, *, archived):
    """Make an order's record unreadable; return what puts it right."""

    def written(text):
        if not archived:
            desk.client.hset(f"ce:{{0}}:order:{order.id}", "head", text)
            return
        with desk.archive.asking() as connection:
            connection.execute(update(ORDERS).where(ORDERS.c.id == order.id).values(record=text))

    if archived:
        with desk.archive.asking() as connection:
            kept = connection.execute(select(ORDERS.c.record).where(ORDERS.c.id == order.id)).scalar_one()
    else:
        kept = order.head
    written("{}")
    return lambda: written(kept)


@pytest.mark.parametrize("archived", [False, True])
def test_a_service_whose_order_cannot_be_read_when_its_number_changes_hands_waits_for_a_person(desk, archived):
    order, other = desk.two_asked()
    for each in (order, other):
        desk.say(f"是{each.doc.code}")
        desk.run()
    if archived:
        desk.move()
    mend = damage(desk, desk.engine.show(order.id), archived=archived)
    desk.clock.forward(seconds=1)
    happens(desk, LineEvent.ASSIGNED)
    desk.run()
    assert [each.order_id for each in desk.bss.ended] == [other.id]
    [stuck] = desk.engine.stuck()
    assert (stuck.owner, stuck.effect) == (Owner.LINE, "wake.endings")
    assert stuck.why == "unreadable:"
    mend()
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run()
    assert {each.order_id for each in desk.bss.ended} == {order.id, other.id}
    assert desk.engine.stuck() == []


def test_an_order_of_a_failed_review_that_cannot_be_read_is_cancelled_once_it_can(desk):
    call = desk.start()
    order = reviewing.ordered(desk, call)
    desk.clock.forward(seconds=60)
    desk.end(call, "agreed", plan="5g-smart-199")
    fails(desk, call)
    desk.client.hset(f"ce:{{0}}:order:{order.id}", "head", "changed")
    desk.run(Lane.TIMER)
    [stuck] = [each for each in desk.engine.stuck() if each.owner is Owner.CALL]
    assert stuck.why == "unreadable:"
    desk.client.hset(f"ce:{{0}}:order:{order.id}", "head", order.head)
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run(Lane.TIMER)
    assert desk.state(order) == "cancelled"


def test_a_notice_that_the_gateway_refuses_waits_for_a_person_and_goes_out_when_it_is_tried_again(desk):
    order = desk.settled()
    take_back(desk, order)
    desk.gateway.answers = [Rejected("no such template")]
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    [stuck] = desk.engine.stuck()
    assert (stuck.effect.split(".")[1], stuck.why) == ("ended", "no such template")
    assert desk.engine.endings.notice(ending(desk, order)) == "stuck"
    before = len(notices(desk))
    desk.engine.retry(order.id, "ops-1")
    assert desk.engine.endings.notice(ending(desk, order)) == "waits"
    desk.run()
    assert desk.engine.endings.notice(ending(desk, order)) == ""
    with pytest.raises(NothingParked):
        desk.engine.retry(order.id, "ops-1")
    assert (len(notices(desk)) - before, desk.engine.stuck()) == (1, [])
