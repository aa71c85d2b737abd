"""A subscriber ends a service by SMS: 退订 with its code, or the plan's word. A bare 退订 is answered with a query."""

import pytest
from msgspec.structs import replace

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.ending import Cause, Ending, EndingNotFound, EndingState, Retried, ending_id
from consent_engine.domain.effects import (
    ACTIVATE,
    WAKE_ASIDE,
    WAKE_WITHDRAWN,
    Lane,
    Purpose,
    Rejected,
    Unavailable,
    Uncertain,
)
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.inbox import UnreadReply
from consent_engine.domain.interpret.withdrawing import Withdrawal, withdrawal
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.line.line import Unread
from consent_engine.domain.order.order import Order
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.recall import recalled
from consent_engine.engine.round_trips import drive
from consent_engine.engine.timers import MOST_LOST
from consent_engine.engine.withdrawals import MOST_WISHES, TOO_MANY, withdrawing
from consent_engine.errors import ArchiveUnavailable, BrokenRecord
from consent_engine.ports import By, Kept, LiftResult
from consent_engine.ports.archive import MOST_OF_A_LINE
from tests.archive.house import broken
from tests.conftest import NUMBER, OTHER, SECOND
from tests.integration.calls.conftest import desk
from tests.integration.calls.desk import instant
from tests.integration.mishaps import lose_leases

__all__ = ["desk"]
WORD = "QXTC"


def ending(desk, order):
    return desk.engine.endings.show(order.id)


def none(desk, order):
    with pytest.raises(EndingNotFound):
        ending(desk, order)
    return True


def sent(desk, since, purpose=None):
    return [sms for sms in desk.gateway.sent[since:] if purpose in {None, sms.purpose}]


def on(desk, *, archived=False, **more):
    """Return an order whose service is active, and how many SMS had gone out by then."""
    order = desk.archived(**more) if archived else desk.settled(**more)
    return order, len(desk.gateway.sent)


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("text", ["退订{code}", "退订 {code}。", "QUIT{code}", WORD, WORD.lower(), f"{WORD}{{code}}"])
def test_the_code_or_the_plans_word_ends_it_and_the_notice_is_the_answer(desk, archived, text):
    order, before = on(desk, archived=archived)
    desk.say(text.format(code=order.doc.code))
    desk.run()
    assert (ending(desk, order).state, ending(desk, order).doc.cause) == (EndingState.ENDED, Cause.WITHDRAWN)
    assert (ending(desk, order).doc.channel, ending(desk, order).doc.by) == ("sms", "subscriber")
    assert [sms.purpose for sms in sent(desk, before)] == [Purpose.ENDED]
    assert desk.engine.line(NUMBER).refusal("mobile") is not None  # who ended a service is not called again
    desk.say(text.format(code=order.doc.code), message_id="again")
    desk.run()
    assert len(desk.bss.ended) == 1


def test_no_word_of_one_number_ends_or_asks_about_what_another_has_though_both_are_read_at_once(desk):
    """Many lines are read side by side, and their orders are loaded in one answer."""
    theirs, _ = on(desk, msisdn=OTHER)
    desk.settled("不同意")
    for n, text in enumerate((f"退订{theirs.doc.code}", WORD, "退订")):
        before = len(desk.gateway.sent)
        desk.say(text, message_id=f"mine-{n}")
        desk.say("帮助", OTHER, message_id=f"theirs-{n}")
        desk.run()
        assert none(desk, theirs)
        assert sent(desk, before, Purpose.WITHDRAW_ASK) == []
    assert desk.bss.ended == []


def test_another_holder_of_one_number_ends_nothing_of_another_number(desk):
    """The lines of both wait for the same timer, at once."""
    kept, _ = on(desk)
    gone, _ = on(desk, msisdn=OTHER)
    desk.clock.forward(seconds=1)
    desk.engine.line_event(LineEventAsked(NUMBER, LineEvent.ASSIGNED, kept.doc.call.started_at - 1, "ops"))
    desk.engine.line_event(LineEventAsked(OTHER, LineEvent.ASSIGNED, desk.clock(), "ops"))
    desk.run(Lane.TIMER)
    assert none(desk, kept)
    assert ending(desk, gone).doc.cause is Cause.NUMBER_CHANGED


@pytest.mark.parametrize("archived", [False, True])
def test_a_bare_word_only_asks_and_names_the_code(desk, archived):
    order, before = on(desk, archived=archived)
    desk.say("退订")
    desk.run()
    assert none(desk, order)
    [asked] = sent(desk, before)
    assert asked.purpose is Purpose.WITHDRAW_ASK
    assert f"请回复“退订{order.doc.code}”" in asked.text
    assert desk.engine.line(NUMBER).refusal("mobile") is not None
    desk.say("退订")  # phones answer by themselves: the question is sent once a day
    desk.run()
    assert len(sent(desk, before)) == 1
    desk.say(f"退订{order.doc.code}")
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    assert [sms.purpose for sms in sent(desk, before)] == [Purpose.WITHDRAW_ASK, Purpose.ENDED]


@pytest.mark.parametrize("text", ["TD", "退订?", "别再打了"])
def test_any_other_stop_is_answered_as_before(desk, text):
    order, before = on(desk)
    desk.say(text)
    desk.run()
    assert none(desk, order)
    assert Purpose.WITHDRAW_ASK not in [sms.purpose for sms in sent(desk, before)]


@pytest.mark.parametrize("text", ["退订{code}", "退订", WORD])
def test_where_nothing_is_on_it_is_a_stop(desk, text):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say(text.format(code=order.doc.code))
    desk.run()
    assert desk.state(order) == "declined"
    assert desk.engine.line(NUMBER).refusal("mobile") is not None
    assert [sms.purpose for sms in desk.gateway.sent][-1] is Purpose.OPTED_OUT
    assert none(desk, order)


def test_a_wrong_code_ends_nothing_and_asks_with_the_right_one(desk):
    order, before = on(desk)
    wrong = "234" if order.doc.code != "234" else "345"
    desk.say(f"退订{wrong}")
    desk.run()
    assert none(desk, order)
    assert [order.doc.code in sms.text for sms in sent(desk, before, Purpose.WITHDRAW_ASK)] == [True]


def test_the_code_ends_the_order_that_it_names_and_no_other(desk):
    first, second = desk.two_asked()
    for order in (first, second):
        desk.say(f"是{order.doc.code}")
        desk.run()
    desk.say(f"退订{second.doc.code}")
    desk.run()
    assert none(desk, first)
    assert [each.order_id for each in desk.bss.ended] == [second.id]
    assert second.doc.plan == SECOND


def test_what_else_is_open_is_refused_with_it(desk):
    order, _ = on(desk)
    waiting = desk.place(plan=SECOND)
    desk.run(Lane.SMS)
    desk.say(f"退订{order.doc.code}")
    desk.run()
    assert (desk.state(waiting), ending(desk, order).state) == ("declined", EndingState.ENDED)


def test_whoever_has_the_number_now_ends_nothing_of_the_holder_before(desk):
    order, _ = on(desk)
    desk.engine.line_event(LineEventAsked(NUMBER, LineEvent.PORTED_OUT, desk.clock(), "ops"))
    desk.say(f"退订{order.doc.code}")
    desk.run()
    assert none(desk, order)


def test_while_the_archive_is_away_who_ends_a_service_waits_and_is_not_forgotten(desk):
    order, before = on(desk, archived=True)
    with broken(desk.archive):
        desk.say(f"退订{order.doc.code}")
        desk.run(Lane.INBOUND)
        assert desk.engine.line(NUMBER).refusal("mobile") is not None
        assert sent(desk, before) == []
    desk.clock.forward(seconds=61)
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    assert [sms.purpose for sms in sent(desk, before)] == [Purpose.ENDED]


def test_after_a_day_without_the_archive_it_is_the_refusal_that_it_is_in_any_case(desk):
    order, before = on(desk, archived=True)
    with broken(desk.archive):
        desk.say(f"退订{order.doc.code}")
        desk.run(Lane.INBOUND)
        desk.clock.forward(hours=25)
        desk.run(Lane.INBOUND, Lane.SMS)
        assert [sms.purpose for sms in sent(desk, before)] == [Purpose.OPTED_OUT]
    assert none(desk, order)


@pytest.mark.parametrize("text", ["退订{code}", WORD])
def test_after_a_day_without_the_archive_the_wish_waits_on_and_holds_up_nobody(desk, text):
    order, before = on(desk, archived=True)
    with broken(desk.archive):
        desk.say(text.format(code=order.doc.code))
        desk.run(Lane.INBOUND)
        desk.clock.forward(hours=25)
        desk.run(Lane.INBOUND)
        desk.say("帮助")
        desk.run(Lane.INBOUND, Lane.SMS)
        assert [sms.purpose for sms in sent(desk, before)] == [Purpose.OPTED_OUT, Purpose.HELP]
        desk.clock.forward(hours=25)
        desk.run(Lane.TIMER)
    assert none(desk, order)
    desk.clock.forward(seconds=61)
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    assert [sms.purpose for sms in sent(desk, before)][2:] == [Purpose.ENDED]
    assert WAKE_WITHDRAWN not in desk.engine.line(NUMBER).effects


def test_an_activation_that_was_in_doubt_for_days_is_ended_once_a_person_finds_that_it_is_on(desk):
    desk.bss.answers = [Uncertain("timeout")] * 9
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say("是")
    desk.run(Lane.INBOUND)
    for _ in range(9):
        desk.run(Lane.ACTIVATION)
        desk.clock.forward(hours=1)
    assert [each.effect for each in desk.engine.stuck()] == [ACTIVATE]
    desk.say(f"退订{order.doc.code}")
    desk.run(Lane.INBOUND)
    desk.clock.forward(hours=25)
    desk.run(Lane.INBOUND)
    desk.bss.answers = []
    desk.engine.retry(order.id, "ops-1")
    desk.run()
    assert desk.state(order) == "notified"
    desk.clock.forward(seconds=61)
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    assert [each.order_id for each in desk.bss.ended] == [order.id]


@pytest.mark.parametrize("text", ["退订{code}", WORD])
def test_what_is_being_switched_on_is_ended_once_it_is_on(desk, text):
    desk.bss.answers = [Uncertain("timeout")]
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say("是")
    desk.run(Lane.INBOUND, Lane.ACTIVATION)
    desk.say(text.format(code=order.doc.code))
    desk.run(Lane.INBOUND)
    assert (desk.state(order), none(desk, order)) == ("confirmed", True)
    desk.clock.forward(hours=1)
    desk.run()
    desk.clock.forward(seconds=61)
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    assert [each.order_id for each in desk.bss.ended] == [order.id]


@pytest.mark.parametrize("text", ["退订{code}", WORD])
def test_what_turns_out_not_to_be_on_is_refused_with_it(desk, text):
    desk.bss.answers = [Uncertain("timeout")]
    desk.bss.can_ask = True
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say("是")
    desk.run(Lane.INBOUND, Lane.ACTIVATION)
    desk.say(text.format(code=order.doc.code))
    desk.run(Lane.INBOUND)
    desk.clock.forward(hours=1)
    desk.run(Lane.ACTIVATION, Lane.INBOUND)
    desk.clock.forward(seconds=61)
    desk.run()
    assert (desk.state(order), none(desk, order)) == ("declined", True)
    assert len(desk.bss.asked) == 1


def test_each_plans_word_ends_the_service_that_is_ended_by_it(desk):
    orders = desk.two_asked()
    for order in orders:
        desk.say(f"是{order.doc.code}")
        desk.run()
    for order in reversed(orders):
        desk.say(order.doc.offer.tariff.unsubscribe.word)
        desk.run()
    assert [each.order_id for each in desk.bss.ended] == [order.id for order in reversed(orders)]


def test_a_code_that_two_services_have_is_no_guess_and_one_that_has_ended_is_not_meant(desk):
    order, _ = on(desk)
    twin = replace(order, doc=replace(order.doc, id=order.id[:-1] + "x"))
    code = order.doc.code
    body = UnreadReply(
        "test", "mo", NUMBER, "10085", f"退订{code}", None, "mobile", "", Keyword.WITHDRAW, code, None, 0, 1
    )
    message, line = Unread(desk.clock(), "key", body), desk.engine.line(NUMBER)
    asked = desk.place(plan=SECOND)
    asked = replace(asked, doc=replace(asked.doc, code=code))
    assert withdrawal(line, message, (order, asked), lambda _: False) == Withdrawal()  # the code of the newest question
    assert withdrawal(line, message, (order, twin), lambda _: False) == Withdrawal()
    assert withdrawal(line, message, (order, twin), lambda each: each is order) == Withdrawal(ends=twin)
    assert withdrawal(line, message, (order,), lambda _: True) == Withdrawal(ends=order)


# -- who asks again ---------------------------------------------------------------------------------------------------


def asks(desk, order, message_id):
    """Send the withdrawal once more; return the SMS that answer it."""
    before = len(desk.gateway.sent)
    desk.say(f"退订{order.doc.code}", message_id=message_id)
    desk.run()
    return sent(desk, before)


def refused(desk, *, given_up):
    """Return an order whose subscriber wanted it ended, which the BSS refused; a person gave it up where it says so."""
    order, _ = on(desk)
    desk.bss.end_answers = [Rejected("no such service")]
    assert asks(desk, order, "first") == []
    assert ending(desk, order).state is EndingState.ENDING_FAILED
    if given_up:
        desk.engine.give_up(order.id, "ops-1", "not known there")
    return order


def test_who_asks_again_after_it_was_given_up_is_answered_and_the_bss_is_asked_again_under_the_same_key(desk):
    order = refused(desk, given_up=True)
    desk.bss.end_answers = [Rejected("no such service")]
    [answer] = asks(desk, order, "again")
    assert answer.purpose is Purpose.ENDED
    assert "再次收到您停用“5G智享套餐199元档”的要求，已转人工处理" in answer.text
    assert [each.ending_id for each in desk.bss.ended] == [ending_id(order.id)] * 2
    assert [(each.named, each.why) for each in desk.engine.stuck()] == [(order.id, "no such service")]
    assert [each.by for each in ending(desk, order).events if isinstance(each, Retried)] == ["subscriber"]
    assert asks(desk, order, "and again") == []  # once a day: it may be a machine that answers
    desk.clock.forward(hours=25)
    assert len(asks(desk, order, "a day later")) == 1


def test_who_asks_again_and_is_right_gets_the_notice(desk):
    order = refused(desk, given_up=True)
    answers = asks(desk, order, "again")
    assert ending(desk, order).state is EndingState.ENDED
    assert ["已转人工处理" in sms.text for sms in answers] == [True, False]
    assert {sms.purpose for sms in answers} == {Purpose.ENDED}


def test_who_asks_again_while_it_waits_for_a_person_is_told_so(desk):
    order = refused(desk, given_up=False)
    [answer] = asks(desk, order, "again")
    assert "已转人工处理" in answer.text
    assert len(desk.bss.ended) == 1


def test_who_asks_again_while_the_bss_has_been_away_for_an_hour_is_told_so(desk):
    order, _ = on(desk)
    desk.bss.end_answers = [Unavailable("503")] * 99
    assert asks(desk, order, "first") == []
    assert asks(desk, order, "again") == []  # the notice is the answer
    desk.clock.forward(hours=1)
    [answer] = asks(desk, order, "an hour later")
    assert "已转人工处理" in answer.text
    desk.bss.end_answers = []
    desk.clock.forward(hours=1)
    before = len(desk.gateway.sent)
    desk.run()
    desk.run(Lane.TIMER, Lane.SMS)
    assert [sms.purpose for sms in sent(desk, before)] == [Purpose.ENDED]


def test_who_asks_again_for_what_is_off_reads_the_notice_once_more_and_once_a_day(desk):
    order, _ = on(desk)
    [notice] = asks(desk, order, "first")
    [again] = asks(desk, order, "again")
    assert again.text == notice.text
    assert asks(desk, order, "and again") == []
    assert len(desk.bss.ended) == 1


def test_who_asks_again_long_after_it_was_given_up_is_on_the_stuck_list_until_a_person_has_seen_to_it(desk):
    order = refused(desk, given_up=True)
    for _ in range(3):
        desk.clock.forward(hours=24 * 31)
        desk.run(Lane.TIMER)
    assert desk.client.keys("ce:*end:*") == []
    [answer] = asks(desk, order, "again")
    assert "已转人工处理" in answer.text
    [stuck] = desk.engine.stuck()
    assert stuck.effect == WAKE_WITHDRAWN
    assert order.id in stuck.why
    assert len(desk.bss.ended) == 1  # it may not know the key any more
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run()
    assert desk.engine.stuck() == []


def test_a_reader_that_dies_after_taking_it_up_again_answers_all_the_same_and_takes_it_up_once(desk):
    order = refused(desk, given_up=True)
    desk.bss.end_answers = [Rejected("no such service")]
    desk.say(f"退订{order.doc.code}", message_id="again")
    [leased] = desk.engine.store.lanes.lease(Lane.INBOUND, 1)
    drive(desk.engine.store, [withdrawing(leased.record, leased.unread[0], leased.at)])
    desk.run(Lane.ACTIVATION)
    before = len(desk.gateway.sent)
    desk.clock.forward(seconds=61)
    desk.run()
    assert ["已转人工处理" in sms.text for sms in sent(desk, before)] == [True]
    assert len([each for each in ending(desk, order).events if isinstance(each, Retried)]) == 1
    assert len(desk.bss.ended) == 2


def test_a_withdrawal_whose_message_lost_every_reader_ends_the_service_all_the_same(desk):
    order, _ = on(desk)
    desk.say(f"退订{order.doc.code}")
    lose_leases(desk, Lane.INBOUND, times=6)
    desk.run()
    assert none(desk, order)
    desk.clock.forward(seconds=61)
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED


MANY = 201


def behind_many(desk):
    """Return an order whose service is on, archived, with many archived orders of its number after it."""
    order, _ = on(desk)
    for _ in range(MANY):
        desk.engine.cancel(desk.place(plan=SECOND).id, "A1024", "again")
    desk.move()
    [kept] = desk.archive.recall(Order, [order.line], By.LINE).values()
    assert len(kept) == MANY + 1
    return order


def test_a_service_is_ended_however_many_orders_came_after_it(desk):
    order = behind_many(desk)
    desk.say(f"退订{order.doc.code}")
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED


def test_a_service_is_taken_back_from_a_number_that_changed_hands_however_many_orders_came_after_it(desk):
    order = behind_many(desk)
    desk.clock.forward(seconds=1)
    desk.engine.line_event(LineEventAsked(NUMBER, LineEvent.ASSIGNED, desk.clock(), "ops-1"))
    desk.run()
    assert ending(desk, order).doc.cause is Cause.NUMBER_CHANGED


def test_nothing_is_decided_by_a_part_of_a_numbers_orders():
    step = recalled(Order, ["its-line"], By.LINE, whole=False)
    next(step)
    with pytest.raises(BrokenRecord, match="by hand"):
        step.send([Kept("an-order", None, {})] * (MOST_OF_A_LINE + 1))


# -- wishes that wait -------------------------------------------------------------------------------------------------


def waiting(desk, order):
    """Have a wish to end an archived order's service wait on its line, a day later; the archive is away meanwhile."""
    desk.say(f"退订{order.doc.code}")
    desk.run(Lane.INBOUND)
    desk.clock.forward(hours=25)
    desk.run(Lane.INBOUND, Lane.SMS)
    assert WAKE_WITHDRAWN in desk.engine.line(NUMBER).effects


def test_a_ninth_wish_that_waits_is_on_the_stuck_list_and_ends_its_service_once_it_is_read_again(desk):
    orders = desk.two_asked()
    for each in orders:
        desk.say(f"是{each.doc.code}")
        desk.run()
    desk.move()
    first, second = orders
    with broken(desk.archive):
        for n in range(MOST_WISHES):
            desk.say(f"退订{first.doc.code}", message_id=f"wish-{n}")
        desk.say(f"退订{second.doc.code}", message_id="the-ninth")
        desk.run(Lane.INBOUND)
        desk.clock.forward(hours=25)
        desk.run(Lane.INBOUND, Lane.SMS)
        [stuck] = desk.engine.stuck()
        assert (stuck.id, stuck.effect, stuck.why) == (first.line, WAKE_ASIDE, TOO_MANY)
        desk.engine.retry_other(stuck.id, "ops-1")
        desk.run(Lane.TIMER)
        assert [each.why for each in desk.engine.stuck()] == [TOO_MANY], "nothing has changed: it waits as it did"
    desk.clock.forward(seconds=61)
    desk.run()
    assert (ending(desk, first).state, none(desk, second)) == (EndingState.ENDED, True)
    [stuck] = desk.engine.stuck()
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run()
    assert (ending(desk, second).state, desk.engine.stuck()) == (EndingState.ENDED, [])


def test_a_wish_that_waited_ends_no_service_that_was_sold_after_it(desk):
    order, _ = on(desk, archived=True)
    with broken(desk.archive):
        desk.say(WORD)
        desk.run(Lane.INBOUND)
        desk.clock.forward(hours=25)
        desk.run(Lane.INBOUND, Lane.SMS)
        assert desk.engine.lift(NUMBER, "mobile", "admin", "form 12", desk.clock.now) is LiftResult.OK
        call = {"started_at": instant(desk.clock() - 60_000), "agreed_at": instant(desk.clock()), "recording_id": "new"}
        later = desk.engine.place(Placing("desk", "later", desk.request(**call))).order
        desk.run(Lane.SMS)
        desk.say("是", message_id="yes to the later one")
        desk.run()
        assert desk.state(later) == "notified"
        desk.clock.forward(seconds=61)
        desk.run()
        assert none(desk, later)
    desk.clock.forward(seconds=61)
    desk.run()
    assert none(desk, later)
    assert ending(desk, order).state is EndingState.ENDED


def test_a_wish_that_costs_its_workers_waits_for_a_person(desk):
    order, _ = on(desk, archived=True)
    with broken(desk.archive):
        waiting(desk, order)
    lose_leases(desk, Lane.TIMER, times=MOST_LOST + 1)
    desk.run()
    assert none(desk, order)
    [stuck] = desk.engine.stuck()
    assert (stuck.effect, stuck.id) == (WAKE_WITHDRAWN, order.line)
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run()
    assert (ending(desk, order).state, desk.engine.stuck()) == (EndingState.ENDED, [])


def test_a_timer_that_finds_the_archive_gone_in_the_middle_waits_for_it_and_calls_nobody(desk):
    order, _ = on(desk, archived=True)
    with broken(desk.archive):
        waiting(desk, order)
    recall, asked = desk.archive.recall, []

    def away(kind, names, by=By.ID):
        if kind is Ending:
            asked.append(names)
            if len(asked) % 2 == 0:
                raise ArchiveUnavailable("gone since it was asked for the order")
        return recall(kind, names, by)

    desk.archive.recall = away
    for _ in range(2 * MOST_LOST):
        desk.clock.forward(seconds=61)
        desk.run(Lane.TIMER)
    assert (none(desk, order), desk.engine.stuck()) == (True, [])
    desk.archive.recall = recall
    desk.clock.forward(seconds=61)
    desk.run()
    assert (ending(desk, order).state, desk.engine.stuck()) == (EndingState.ENDED, [])


def test_a_wish_for_what_was_given_up_long_ago_is_on_the_stuck_list_also_after_a_persons_retry(desk):
    order = refused(desk, given_up=True)
    for _ in range(3):
        desk.clock.forward(hours=24 * 31)
        desk.run(Lane.TIMER)
    with broken(desk.archive):
        waiting(desk, order)
    lose_leases(desk, Lane.TIMER, times=MOST_LOST + 1)
    desk.run(Lane.TIMER)
    [stuck] = desk.engine.stuck()
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run()
    [stuck] = desk.engine.stuck()
    assert order.id in stuck.why
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run()
    assert desk.engine.stuck() == []


def test_a_withdrawal_that_may_mean_an_order_which_cannot_be_read_waits_for_a_person_and_bars_at_once(desk):
    order, _ = on(desk)
    name = desk.cell.order(order.id)
    kept = desk.client.hget(name, "doc")
    desk.client.hset(name, "doc", "{}")
    desk.say(f"退订{order.doc.code}")
    assert not desk.engine.dial(NUMBER, "mobile").callable
    for _ in range(12):
        desk.run()
        desk.clock.forward(seconds=61)
    assert (WAKE_WITHDRAWN, order.line) in {(each.effect, each.id) for each in desk.engine.stuck()}
    assert "read" not in desk.engine.line(NUMBER).effects
    desk.client.hset(name, "doc", kept)
    desk.engine.retry_other(order.line, "ops-1")
    desk.run()
    assert ending(desk, order).state is EndingState.ENDED
    assert WAKE_WITHDRAWN not in desk.engine.line(NUMBER).effects
