"""Cooling-off: for a time after its activation a service is left without the plan's early fee; all texts say so."""

import pytest
from msgspec.structs import replace

from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.effects import Accepted, Lane, Settlement
from consent_engine.domain.lifecycle import Trigger
from tests.integration.calls.conftest import desk

__all__ = ["desk"]
WORD = "QXTC"
WEEK_MS = 7 * 86_400_000
FEE = "提前解约违约金40元×剩余月数，最高960元"


@pytest.fixture
def free(desk):
    """Make a desk whose policy has a free exit of a week."""
    desk.policy = replace(desk.policy, free_exit=WEEK_MS)
    desk.engine = desk.another()
    return desk


def ending(desk, order):
    return desk.engine.endings.show(order.id)


def left(desk, order, text, after_ms):
    """Withdraw so long after the activation; return whether the ending was free, and what the notice says."""
    desk.clock.now = desk.engine.show(order.id).last(Trigger.SERVICE_ACTIVATED).at + after_ms
    desk.say(text.format(code=order.doc.code))
    desk.run()
    return ending(desk, order).doc.free, desk.texts("ended")[-1]


def test_the_notification_says_so_of_a_plan_that_has_an_early_fee(free):
    free.settled()
    assert "开通后7天内退订免违约金，其后提前解约违约金最高960元；" in free.texts("notification")[0]


@pytest.mark.parametrize("text", ["退订{code}", WORD])
def test_a_withdrawal_within_it_is_free_and_says_so(free, text):
    order = free.settled()
    told = left(free, order, text, WEEK_MS)
    assert told[0] == 1
    assert free.bss.ended[0].free_exit
    assert "，费用由10086确认。凭证号" in told[1], "the BSS answered nothing of a fee"


def test_a_millisecond_later_it_is_not_and_the_notice_says_what_the_bss_takes(free):
    order = free.settled()
    free.bss.end_answers = [Accepted("off-1", "2025-12-01", settled=Settlement("960.00"))]
    told = left(free, order, "退订{code}", WEEK_MS + 1)
    assert (told[0], "，收取费用960元。" in told[1], free.bss.ended[0].free_exit) == (0, True, False)


def test_in_time_is_what_reached_us_in_time(free):
    order = free.settled()
    free.clock.now = free.engine.show(order.id).last(Trigger.SERVICE_ACTIVATED).at + WEEK_MS - 10
    free.say(f"退订{order.doc.code}")
    free.clock.forward(hours=1)
    free.run()
    assert ending(free, order).doc.free == 1


def test_a_bare_word_is_told_until_when_it_is_free(free):
    order = free.settled()
    free.say("退订")
    free.run()
    [asked] = free.texts("withdraw_ask")
    assert f"前免违约金，其后{FEE}" in asked
    assert f"请回复“退订{order.doc.code}”：次月1日失效，" in asked
    free.clock.forward(milliseconds=WEEK_MS)
    free.say("退订", message_id="later")
    free.run()
    assert "免违约金" not in free.texts("withdraw_ask")[-1]
    assert free.engine.show(order.id).state == "notified"


def test_ops_withdraw_for_a_subscriber_in_the_same_time(free):
    order = free.settled()
    asked = free.engine.endings.ask(free.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "ops-1", "asked us to"))
    assert asked.ending.doc.free == 1
    free.run(Lane.ACTIVATION)
    assert free.bss.ended[0].free_exit


def test_what_is_archived_keeps_its_policy(free):
    order = free.archived()
    free.say(f"退订{order.doc.code}")
    free.run()
    assert ending(free, order).doc.free == 1


@pytest.mark.parametrize(("cause", "free_exit"), [(Cause.REVIEW_FAILED, 1), (Cause.NUMBER_CHANGED, 0)])
def test_after_a_failed_review_no_early_fee_is_due_at_any_time(free, cause, free_exit):
    order = free.settled()
    free.clock.forward(milliseconds=2 * WEEK_MS)
    taken = free.engine.endings.ask(free.engine.show(order.id), Why(cause, "other", "engine"))
    assert taken.ending.doc.free == free_exit


def test_without_it_all_is_as_the_plan_says(desk):
    order = desk.settled()
    assert "；提前解约违约金最高960元" in desk.texts("notification")[0].replace("，提前", "；提前")
    assert left(desk, order, "退订{code}", 1_000)[0] == 0
