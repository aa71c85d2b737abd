"""Words over a conversation: each answer is true of the order as it stands, and nobody who wrote is left alone."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.decide.sms_texts import sent
from consent_engine.domain.effects import Accepted, Lane, Restored, Settlement
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.offer.versions import Sale
from tests.conftest import NUMBER, SECOND
from tests.integration.calls.conftest import desk
from tests.integration.calls.reviewing import PLAN, ordered, review, says_yes, sold

__all__ = ["desk"]


def spoken(desk, language, plan=PLAN):
    """Place an order whose texts are in a language."""
    desk.keys += 1
    wanted = desk.request(plan=plan).model_copy(update={"language": language})
    return desk.engine.place(Placing("desk", f"order-{desk.keys}", wanted)).order


def last(desk):
    return desk.gateway.sent[-1]


# -- a yes that led to nothing ----------------------------------------------------------------------------------------


def test_whoever_said_yes_is_told_once_that_the_review_failed(desk):
    call, _ = sold(desk)
    review(desk, call)
    says_yes(desk)
    review(desk, call, "r-2", second=True)
    desk.run()
    [told] = desk.texts("cancelled")
    assert "的办理申请已取消（通话复查未通过），未办理、不收费，您无需回复。" in told
    desk.run()
    assert len(desk.texts("cancelled")) == 1


def test_whoever_said_yes_is_told_once_that_the_call_was_not_recorded(desk):
    call = desk.start()
    ordered(desk, call)
    desk.run(Lane.SMS)
    says_yes(desk)
    desk.end(call, "agreed", plan=PLAN, recorded=False)
    desk.run()
    [told] = desk.texts("cancelled")
    assert "已取消（通话未按规定录音），" in told


def test_whoever_said_yes_is_told_that_an_agent_cancelled_it(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say("是")
    desk.run(Lane.INBOUND)
    desk.engine.cancel(order.id, "desk", "misunderstood")
    desk.run()
    [told] = desk.texts("cancelled")
    assert "已取消（由我公司人员取消），" in told
    assert "misunderstood" not in told


@pytest.mark.parametrize("yes", [True, False])
def test_whoever_said_nothing_yet_is_not_told_unless_the_plan_was_revoked(desk, yes):
    call, order = sold(desk)
    if yes:
        says_yes(desk)
    review(desk, call)
    review(desk, call, "r-2", second=True)
    desk.run()
    assert (desk.state(order), desk.texts("cancelled")) == (("notified", []) if yes else ("cancelled", []))


def test_whoever_wrote_no_is_not_told_of_it_in_other_words(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.say("TD")
    desk.run()
    assert desk.state(order) == "declined"
    assert not desk.texts("cancelled")


# -- a late yes -------------------------------------------------------------------------------------------------------


def late(desk):
    desk.say("是", message_id="late")
    desk.run()
    [told] = desk.texts("late")
    return told


def test_a_late_yes_is_told_that_the_time_is_over_where_it_is(desk):
    desk.place()
    desk.run(Lane.SMS)
    desk.clock.forward(hours=25)
    desk.run()
    assert "的确认时限已过，本次回复不影响办理结果" in late(desk)


def test_a_yes_after_a_no_is_told_so(desk):
    desk.place()
    desk.run(Lane.SMS)
    desk.say("否")
    desk.run()
    assert "】您此前已回复不办理“5G智享套餐199元档”，本次回复不影响办理结果" in late(desk)


def test_a_yes_to_a_revoked_plan_and_to_a_cancelled_order_is_told_so(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    desk.engine.cancel(order.id, "desk", "misunderstood")
    desk.run()
    assert "的办理申请已取消（由我公司人员取消），本次回复不影响办理结果" in late(desk)


def test_a_yes_after_the_call_proved_unlawful_is_told_so(desk):
    call = desk.start()
    ordered(desk, call)
    desk.run(Lane.SMS)
    desk.end(call, "agreed", plan=PLAN, recorded=False)
    desk.run()
    assert "的办理申请已取消（通话未按规定录音），本次回复不影响办理结果" in late(desk)


def test_help_after_the_end_offers_no_answer_that_would_count(desk):
    desk.place()
    desk.run(Lane.SMS)
    desk.say("否")
    desk.run()
    desk.say("帮助")
    desk.run()
    [told] = desk.texts("help")
    assert "】您此前已回复不办理“5G智享套餐199元档”，未开通，不收费。" in told


def test_help_before_it_begins_says_from_when(desk):
    later = (desk.clock.now // 1000) + int(timedelta(days=1).total_seconds())
    desk.bss.answers = [Accepted("act-1", datetime.fromtimestamp(later, UTC).isoformat())]
    desk.settled()
    desk.say("帮助")
    desk.run()
    desk.clock.forward(hours=25)
    desk.say("帮助")
    desk.run()
    first, second = desk.texts("help")
    assert "将于11月26日" in first
    assert "已于11月26日" in second


# -- after an activation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["否", "取消", "我要退掉这个套餐", "不要了"])
@pytest.mark.parametrize("archived", [False, True])
def test_a_no_after_the_activation_is_answered_with_the_code_that_ends_it_once_a_day(desk, text, archived):
    order = desk.archived() if archived else desk.settled()
    for _ in range(2):
        desk.say(text)
        desk.run()
    [told] = desk.texts("withdraw_ask")
    assert (
        f"请回复“退订{order.doc.code}”：次月1日失效，提前解约违约金40元×剩余月数，最高960元；不回复则继续使用。" in told
    )
    assert "拒绝营销" not in told, "nobody refused"
    assert not desk.engine.line(NUMBER).refusal("mobile")
    desk.clock.forward(hours=25)
    desk.say(text)
    desk.run()
    assert len(desk.texts("withdraw_ask")) == 2
    desk.say(f"退订{order.doc.code}")
    desk.run()
    assert len(desk.texts("ended")) == 1


def test_a_no_that_declines_an_open_order_asks_nothing_of_the_one_that_is_on(desk):
    desk.settled()
    other = desk.place(plan=SECOND)
    desk.run(Lane.SMS)
    desk.say(f"否{other.doc.code}")
    desk.run()
    assert desk.state(other) == "declined"
    assert not desk.texts("withdraw_ask")


def test_a_no_with_the_code_of_another_service_asks_of_that(desk):
    first, newest = desk.settled(), desk.place(plan=SECOND)
    desk.run(Lane.SMS)
    desk.say(f"是{newest.doc.code}")
    desk.run()
    assert desk.state(newest) == "notified"
    desk.say(f"否{first.doc.code}")
    desk.run()
    assert f"退订{first.doc.code}" in desk.texts("withdraw_ask")[0]


def test_a_no_of_somebody_without_a_service_gets_no_question(desk):
    desk.place()
    desk.run(Lane.SMS)
    desk.say("否")
    desk.run()
    desk.say("否")
    desk.run()
    assert not desk.texts("withdraw_ask")


@pytest.mark.parametrize("text", ["unsubscribe", "Unsubscribe", "QUIT", "退订"])
def test_unsubscribe_gets_the_code_in_english_as_the_chinese_word_does(desk, text):
    order = spoken(desk, "en")
    desk.run(Lane.SMS)
    desk.say("Y")
    desk.run()
    desk.say(text)
    desk.run()
    [told] = desk.texts("withdraw_ask")
    assert "; sales calls and SMS are stopped. To end 5G Smart 199 itself" in told
    assert f"reply QUIT{order.doc.code}: ends on the 1st of next month; early exit fee CNY 40 x months left" in told


# -- the language of a number -----------------------------------------------------------------------------------------


def test_answers_of_a_line_are_in_the_language_of_its_newest_order(desk):
    spoken(desk, "en")
    spoken(desk, "en", plan=SECOND)
    desk.run(Lane.SMS)
    desk.say("Y")
    desk.run()
    assert last(desk).text.startswith("China Mobile: 2 requests await your reply, none is set up. ")
    assert "5G Smart 199" in last(desk).text


def test_a_question_which_one_about_a_plan_without_english_is_chinese(desk):
    plan = desk.engine.plan(SECOND).newest.plan
    without = replace(plan, tariff=replace(plan.tariff, english=None), version=plan.version + 1)
    desk.engine.registry.publish(without, Sale.ON_SALE, desk.engine.plan(SECOND).newest, known_at=0)
    desk.place(plan=SECOND)
    spoken(desk, "en")
    desk.run(Lane.SMS)
    desk.say("Y")
    desk.run()
    assert last(desk).text.startswith("【中国移动】您有2项业务待确认")


@pytest.mark.parametrize(("language", "stopped", "held"), [
    ("en", "China Mobile: your refusal is recorded.", "China Mobile: we have your reply"),
    ("zh", "【中国移动】已登记您的拒绝", "【中国移动】已收到您的回复"),
])  # fmt: skip
def test_a_refusal_without_an_open_order_is_answered_in_the_language_of_the_last(desk, language, stopped, held):
    order = spoken(desk, language)
    desk.run(Lane.SMS)
    desk.say("N" if language == "en" else "否")
    desk.run()
    assert desk.state(order) == "declined"
    desk.say("我要投诉你们")
    desk.run()
    assert last(desk).text.startswith(held)
    desk.say("TD")
    desk.run()
    assert last(desk).text.startswith(stopped)


def test_a_stranger_is_answered_in_chinese(desk):
    desk.say("TD")
    desk.run()
    assert last(desk).text.startswith("【中国移动】已登记您的拒绝")


# -- what the BSS answered --------------------------------------------------------------------------------------------


def test_the_notice_of_an_ending_says_what_the_bss_answered(desk):
    order = desk.settled()
    settled = Settlement("320.00", "35.00", "2025-12-31", Restored.YES)
    desk.bss.end_answers = [Accepted("off-1", "2025-12-01", settled=settled)]
    desk.say(f"退订{order.doc.code}")
    desk.run()
    [told] = desk.texts("ended")
    assert "，12月1日0时起失效，收取费用320元，退款35元，于12月31日24时前退回，已恢复您原有套餐。凭证号" in told
    assert desk.engine.endings.show(order.id).off.settled == settled


@pytest.mark.parametrize("cause", [Cause.WITHDRAWN, Cause.REVIEW_FAILED])
def test_nothing_is_promised_that_the_bss_did_not_answer(desk, cause):
    order = desk.settled()
    desk.bss.end_answers = [Accepted("off-1", "")]
    desk.engine.endings.ask(desk.engine.show(order.id), Why(cause, "other", "engine"))
    desk.run()
    [told] = desk.texts("ended")
    assert "，失效时间由10086确认，费用由10086确认。" in told
    [off] = desk.bss.ended
    assert off.free_exit is (cause is Cause.REVIEW_FAILED), "after a failed review no early fee is due"


def test_the_texts_as_sent_are_written_again_for_the_evidence(desk):
    order = desk.settled()
    desk.say("帮助")
    desk.run()
    shown = desk.engine.show(order.id)
    assert [each.text for _, each in sent(shown)] == [sms.text for sms in desk.gateway.sent]
    assert shown.last(Trigger.ASKED_HELP) is not None


def test_a_yes_that_may_have_meant_another_order_is_a_yes_to_none(desk):
    orders = desk.two_asked()
    desk.say("是")
    desk.run()
    for order in orders:
        desk.engine.cancel(order.id, "desk", "misunderstood")
    desk.run()
    assert not desk.texts("cancelled")
