"""Pressure selling in figures: the outcomes of a day's orders, by agent and plan, counted as they happen."""

from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.call.sales_figures import ENOUGH, SalesOutcomes, Sold
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.engine.metrics import Over, PressureWatch
from consent_engine.ports import CallFilter
from tests.integration.api_door import order
from tests.integration.calls.reviewing import review, says_yes, sold


def test_what_became_of_the_orders_is_counted_once_by_agent_and_plan(desk):
    _, first = sold(desk)
    says_yes(desk)
    assert desk.state(first) == "notified"
    refusing = desk.place("+8613900139001")
    desk.run(Lane.SMS)
    desk.say("不要再打电话了", "+8613900139001")
    desk.run()
    assert desk.state(refusing) == "declined"
    failing, _ = (desk.place("+8613900139002"), desk.run(Lane.SMS))
    [call] = [each for each in desk.engine.calls.page(CallFilter()).calls if each.person.msisdn == "+8613900139002"]
    review(desk, call)
    review(desk, call, "r-2", second=True)
    desk.run()
    assert desk.state(failing) == "cancelled"
    day = CHINA.of(desk.clock())
    [row] = desk.engine.calls.pressure([day], "agent")
    assert (row.key, row.counts) == (
        "A1024", {Sold.PLACED: 3, Sold.CONFIRMED: 1, Sold.REFUSED: 1, Sold.REVIEW_FAILED: 1},
    )  # fmt: skip
    assert [each.key for each in desk.engine.calls.pressure([day], "plan")] == ["5g-smart-199"]


def test_what_is_taken_back_within_a_week_is_counted_on_the_day_it_was_switched_on_once(desk):
    first, late, moved = (
        desk.settled(), desk.settled(msisdn="+8613900139001"), desk.settled(msisdn="+8613900139002"),
    )  # fmt: skip
    day = CHINA.of(desk.clock())

    def soon(by="agent"):
        return [(row.key, row.counts.get(Sold.ENDED_SOON, 0)) for row in desk.engine.calls.pressure([day], by)]

    desk.clock.forward(hours=6 * 24)
    why = Why(Cause.WITHDRAWN, "hotline", "ops-1")
    desk.engine.endings.ask(desk.engine.show(first.id), why)
    desk.engine.endings.ask(desk.engine.show(moved.id), Why(Cause.NUMBER_CHANGED, "other", "bss"))
    assert soon() == [("A1024", 0)], "asked for, and not off"
    desk.run()
    desk.engine.endings.ask(desk.engine.show(first.id), why)
    desk.run()
    assert (soon(), soon("plan")) == ([("A1024", 1)], [("5g-smart-199", 1)])
    desk.clock.forward(hours=2 * 24)
    desk.engine.endings.ask(desk.engine.show(late.id), why)
    desk.run()
    assert soon() == [("A1024", 1)], "after a week it says nothing of the call"
    assert desk.engine.store.queries.orders.ended_soon(CHINA.begins(day), CHINA.ends(day)) == 1


def test_who_pressed_is_counted_over_two_weeks_one_day_read_a_look():
    soon = Sold.ENDED_SOON
    days = {
        "2025-11-25": {("p", "B"): {Sold.PLACED: 40, soon: 4}},  # today: 4 of 40 ended soon, which is not too many
        "2025-11-20": {
            ("p", "A"): {Sold.PLACED: 10}, ("q", "A"): {Sold.PLACED: 10, Sold.REFUSED: 2, Sold.CONFIRMED: 9},
        },
        "2025-11-19": {("p", "A"): {Sold.PLACED: 15, Sold.SUSPECT: 6}},
        "2025-11-12": {("p", "C"): {Sold.PLACED: 30, soon: 7}, ("p", "D"): {Sold.PLACED: 30, soon: 6}},
    }  # fmt: skip
    asked = []

    class Counts:
        def sold(self, since, until):
            asked.append(CHINA.of(since))
            assert CHINA.of(until) == asked[-1]
            return days.get(asked[-1], {})

    watch = PressureWatch()
    seen = [watch.look(Counts(), CHINA, "2025-11-25") for _ in range(20)]
    assert len(asked) == len(set(asked)) == 14, "one a look, and none twice within minutes"
    assert seen[0] == {Over.TODAY: 0}, "a week that is not read yet is no zero"
    assert seen[-1] == {Over.TODAY: 0, Over.WEEK: 1, Over.WEEK_BEFORE: 1}
    assert watch.look(Counts(), CHINA, "2025-11-26") == {Over.TODAY: 0, Over.WEEK: 0, Over.WEEK_BEFORE: 0}
    assert asked[14:] == ["2025-11-26"], "a day that is over is known"


def test_a_few_orders_say_nothing_of_an_agent():
    most = SalesOutcomes("A1", {Sold.PLACED: ENOUGH, Sold.REFUSED: ENOUGH // 4})
    assert most.presses
    assert not SalesOutcomes("A1", {Sold.PLACED: ENOUGH - 1, Sold.REFUSED: ENOUGH - 1}).presses
    assert not SalesOutcomes("A1", {Sold.PLACED: ENOUGH, Sold.REFUSED: ENOUGH // 6}).presses


def test_figures_over_http(door):
    before = CHINA.of(door.engine.registry.now())
    assert door.call("POST", "/v1/orders", Role.AGENT, order(), headers={"Idempotency-Key": "p-1"}).status_code == 201
    path = f"/v1/reviews/pressure?from={before}&to={CHINA.of(door.engine.registry.now())}"
    [row] = door.call("GET", path, Role.AUDITOR).json()["rows"]
    assert (row["key"], row["placed"], row["confirm_rate"], row["presses"]) == ("A1024", 1, 0.0, False)
    assert door.call("GET", path, Role.AGENT).status_code == 403
    assert door.call("GET", f"{path}&by=carrier", Role.REVIEWER).status_code == 422
    assert row["ended_soon"] == 0
    metrics = door.call("GET", "/metrics", Role.OPS).text
    assert 'consent_agents_pressing{over="today"} 0.0' in metrics
    assert "consent_services_ended_within_week 0.0" in metrics
