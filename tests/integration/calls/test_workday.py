"""An agent's day in figures: what waits for a person, what failed its review, and what a day is."""

from consent_engine.domain.effects import Lane
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
