"""Throughput and trouble on /ops: measured by the engine itself, per minute and per ten, without personal data."""

import pytest

from consent_engine.domain.effects import Accepted, Lane, Throttled, Unavailable
from consent_engine.engine.api_keys import Role
from consent_engine.engine.metrics import Measures
from consent_engine.ports import Endpoint
from tests.integration.api_door import order

MOST_BYTES = 50_000
GATEWAY = Endpoint("gateway", "simulated")


def of(told, to, name):
    [found] = [each for each in told["series"] if (each["to"], each["name"]) == (to, name)]
    return found


@pytest.fixture
def measured(door):
    """Measure two calls that were accepted, one that was not, and a lane's work, by a worker's clock."""
    measures = Measures()
    now = door.engine.registry.now()
    for outcome, seconds in ((Accepted("m"), 0.02), (Accepted("m"), 0.02), (Unavailable("503"), 4.0)):
        measures.called(GATEWAY, outcome, seconds, now)
    measures.performed(Lane.SMS, 3)
    measures.late(Lane.SMS, 0.3)
    measures.report(door.engine.registry)
    return measures


@pytest.mark.parametrize(("span", "steps", "step_ms"), [("hour", 60, 60_000), ("day", 144, 600_000)])
def test_the_last_hour_and_day_are_told_for_each_lane_gateway_and_the_bss(door, measured, span, steps, step_ms):
    answer = door.sign_in(Role.OPS).get(f"/ops/flow/{span}")
    told = answer.json()
    assert told["step_ms"] == step_ms
    assert {len(each["calls"]) for each in told["series"]} == {steps}
    gateway, lane = of(told, "gateway", "simulated"), of(told, "lane", "sms")
    assert (sum(gateway["calls"]), sum(gateway["failed"])) == (3, 1)
    assert 10 <= gateway["all_p50"] <= 25
    assert 2500 <= gateway["all_p95"] <= 5000
    assert (sum(lane["calls"]), sum(lane["failed"])) == (3, 0)
    assert 250 <= lane["all_p95"] <= 500
    assert sum(of(told, "bss", "simulated")["calls"]) == 0
    assert len(answer.content) < MOST_BYTES


def test_a_call_that_timed_out_lasted_no_longer_than_its_time_out(door):
    measures = Measures()
    for _ in range(20):
        measures.called(GATEWAY, Unavailable("no_answer:"), 10.004, door.engine.registry.now())
    measures.report(door.engine.registry)
    gateway = of(door.sign_in(Role.OPS).get("/ops/flow/hour").json(), "gateway", "simulated")
    assert (gateway["all_p50"], gateway["all_p95"]) == (10_000, 10_000)


def test_what_was_told_is_not_told_twice_and_goes_by_itself(door, measured):
    measured.report(door.engine.registry)
    assert sum(of(door.sign_in(Role.OPS).get("/ops/flow/hour").json(), "gateway", "simulated")["calls"]) == 3
    keys = door.redis.keys("ce:{0}:flow:*")
    assert len(keys) == 2
    assert all(0 < door.redis.ttl(key) <= 26 * 3600 for key in keys)


def test_only_who_may_open_the_page_sees_it_and_no_other_span_is_told(door):
    assert door.sign_in(Role.AGENT).get("/ops/flow/hour").status_code == 403
    assert door.sign_in(Role.AUDITOR).get("/ops/flow/year").status_code == 422


def test_a_gateway_that_does_not_answer_is_named_with_why_and_how_many_wait(door):
    """At once, without the half minute after which it is an outage."""
    gateway = door.engine.outside.gateways["simulated"]

    async def busy(_sms):
        return Unavailable("gateway:503")

    gateway.send = busy
    for n in range(3):
        assert door.place(order(msisdn=f"+8613800138{n:03d}"), f"k-{n}").status_code == 201
    door.work(Lane.SMS)
    measures = door.engine.performer.measures
    measures.report(door.engine.registry)
    [named] = door.sign_in(Role.OPS).get("/ops/board").json()["retrying"]
    wanted = {"to": "gateway", "name": "simulated", "reason": "gateway:503", "count": 3, "more": False}
    assert named.items() >= wanted.items()
    assert (bool(named["since"]), named["recovered"]) == (True, False)
    measures.called(GATEWAY, Accepted("m"), 0.02, door.engine.registry.now())
    measures.report(door.engine.registry)
    door.app.state.front.recent._known.clear()  # noqa: SLF001 - the newest look-up
    [waits] = door.sign_in(Role.OPS).get("/ops/board").json()["retrying"]
    assert waits.items() >= (wanted | {"recovered": True}).items(), (
        "it answers again: what waits is shown until it is gone"
    )
    del gateway.send
    door.engine.lanes.postpone("sms.confirmation.1", dict.fromkeys(_orders(door), 1))
    door.work(Lane.SMS)
    measures.report(door.engine.registry)
    door.app.state.front.recent._known.clear()  # noqa: SLF001 - the newest look-up
    assert door.sign_in(Role.OPS).get("/ops/board").json()["retrying"] == []


def _orders(door):
    return [key.rpartition(":")[2] for key in door.redis.keys("ce:{0}:order:*")]


def test_a_gateway_that_answers_429_to_everything_is_named_though_that_is_no_failure(door):
    gateway = door.engine.outside.gateways["simulated"]

    async def too_many(_sms):
        return Throttled("gateway:429")

    gateway.send = too_many
    assert door.place(order(), "k-1").status_code == 201
    door.work(Lane.SMS)
    door.engine.performer.measures.report(door.engine.registry)
    [named] = door.sign_in(Role.OPS).get("/ops/board").json()["retrying"]
    assert (named["name"], named["reason"], named["count"], named["recovered"]) == (
        "simulated",
        "gateway:429",
        1,
        False,
    )
