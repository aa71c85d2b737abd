"""A subscriber ends a service by SMS: 退订 with its code, or the plan's word. A bare 退订 is answered with a query."""

import pytest
from msgspec.structs import replace

from consent_engine.domain.call.ending import Cause, EndingNotFound, EndingState
from consent_engine.domain.effects import Lane, Purpose, Uncertain
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.inbox import UnreadReply
from consent_engine.domain.interpret.withdrawing import Withdrawal, withdrawal
from consent_engine.domain.line.entries import Unread
from consent_engine.domain.line.holder import LineEvent
from consent_engine.engine.line_events import LineEventAsked
from tests.archive.house import broken
from tests.conftest import NUMBER, OTHER, SECOND
from tests.integration.calls.conftest import desk

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
