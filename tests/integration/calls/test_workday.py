"""An agent's day in figures: what waits for a person, what failed its review, and what a day is."""

from consent_engine.domain.call.review import SECOND_LOOK_MS
from consent_engine.domain.effects import Lane
from tests.conftest import NUMBER
from tests.integration.calls.reviewing import review, sold


def test_what_waits_for_a_person_and_what_failed_its_review(desk):
    call, _ = sold(desk)
    desk.say("我要投诉你们")
    desk.run()
    [day] = desk.engine.calls.workdays(desk.clock())
    assert (day.placed, day.held, day.failed, day.confirmed) == (1, 1, 0, 0)
    review(desk, call)
    review(desk, call, "r-2", second=True)
    desk.run()
    [day] = desk.engine.calls.workdays(desk.clock())
    assert (day.failed, day.wrong_rate) == (1, 1.0)
    assert day.held == 0, "its order is over"


def test_yesterday_is_not_today_but_what_waits_is(desk):
    desk.place("+8613900139001")
    desk.run(Lane.SMS)
    desk.say("我要投诉你们", "+8613900139001")
    desk.run(Lane.INBOUND)
    [day] = desk.engine.calls.workdays(desk.clock() + 24 * 3_600_000)
    assert (day.agent, day.calls, day.placed, day.held) == ("A1024", 0, 0, 1)


def test_a_number_with_two_orders_waits_once(desk):
    for plan in ("5g-smart-199", "data-pack-10gb"):
        desk.place(NUMBER, plan=plan)
    desk.run(Lane.SMS)
    desk.say("我要投诉你们")
    desk.run(Lane.INBOUND)
    [day] = desk.engine.calls.workdays(desk.clock())
    assert (day.placed, day.held) == (2, 1)


def test_a_call_of_yesterday_that_fails_its_review_today_counts_today(desk):
    call, _ = sold(desk)
    review(desk, call)
    desk.clock.forward(SECOND_LOOK_MS)
    desk.run()
    now = desk.clock()
    [day] = desk.engine.calls.workdays(now)
    assert (day.agent, day.calls, day.failed) == ("A1024", 0, 1)
    assert desk.engine.calls.own_day("desk", 0, now).failed == 1
    assert desk.engine.calls.own_day("other", 0, now).failed == 0
    assert desk.engine.calls.workdays(now + SECOND_LOOK_MS) == [], "nor again tomorrow"
