"""Admission: orders are put off while they could not be asked about in time; messages never are."""

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace

from consent_engine.api.coalescing import group_commit
from consent_engine.api.http.bodies import USUAL, Bounds
from consent_engine.api.service import service
from consent_engine.api.service.door import most_waiting, room
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.ports import LaneDepth
from tests.integration.api_door import FULL_SECRET, NUMBER, SECRET, Door, is_problem, order, reply, settings_of

EMPTY = LaneDepth(due=0, late=0, parked=0, waiting=0)
BOUND = 3


@pytest.fixture
def door(running):
    """Make a door that reads the depth of the lanes at each request, and lets three orders wait."""
    made = Door(*running, bounds=Bounds(lanes_s=0))
    narrow(made, running)
    yield made
    made.close()


def narrow(made, running, **more):
    environ = {"CONSENT_DATA_DIR": str(running[1]), "CONSENT_SECRET": FULL_SECRET, "CONSENT_SIMULATED__SECRET": SECRET}
    environ |= {"CONSENT_IN_FLIGHT": str(BOUND), "CONSENT_CONFIRM_WITHIN": "20s", "CONSENT_CALL_TIMEOUT": "10s"} | more
    made.settings = settings_of(environ)
    made.installation = dataclasses.replace(made.installation, settings=made.settings)
    made.serve(made.installation.engine)


def fill(door, count, first=0):
    return [
        door.place(order(msisdn=f"+86138001{n:05d}"), key=f"key-{n}").status_code for n in range(first, first + count)
    ]


# -- how much room there is --------------------------------------------------------------------------------------------


def depths(**lanes):
    return {lane: lanes.get(lane.value, EMPTY) for lane in Lane}


def test_the_fullest_lane_says_how_many_may_come_in():
    lanes = depths(sms=replace(EMPTY, waiting=40), activation=replace(EMPTY, waiting=70))
    assert room(lanes, 100, 1_000) == 30


def test_what_is_parked_waits_for_a_person_and_takes_no_room():
    assert room(depths(sms=replace(EMPTY, waiting=100, parked=90)), 100, 1_000) == 90


def test_timers_take_no_room():
    assert room(depths(timer=replace(EMPTY, waiting=1_000_000, late=9_999)), 100, 1_000) == 100


@pytest.mark.parametrize("lane", ["sms", "activation", "inbound"])
def test_nobody_comes_in_while_somebody_waits_too_long(lane):
    assert room(depths(**{lane: replace(EMPTY, due=1, waiting=1, late=1_001)}), 100, 1_000) == 0
    assert room(depths(**{lane: replace(EMPTY, due=1, waiting=1, late=1_000)}), 100, 1_000) == 99


def test_the_bound_is_what_one_worker_at_its_slowest_calls_in_half_of_the_time():
    environ = {"CONSENT_IN_FLIGHT": "64", "CONSENT_CONFIRM_WITHIN": "2h", "CONSENT_CALL_TIMEOUT": "10s"}
    assert most_waiting(Settings.load(environ, None)) == 64 * 360


def test_a_gateway_with_a_rate_lets_in_no_more_than_it_may_get_in_half_of_the_time():
    waiting = depths(sms=replace(EMPTY, waiting=40))
    assert room(waiting, 1_000_000, 60_000, [(10, 2), (30, 1)]) == 30
    assert room(waiting, 50, 60_000, [(10, 2), (30, 1)]) == 10, "and no more than without one"


def test_a_time_shorter_than_two_calls_still_lets_every_place_be_used():
    environ = {"CONSENT_IN_FLIGHT": "8", "CONSENT_CONFIRM_WITHIN": "3s", "CONSENT_CALL_TIMEOUT": "5s"}
    assert most_waiting(Settings.load(environ, None)) == 8


# -- at the door -------------------------------------------------------------------------------------------------------


def test_an_order_that_could_not_be_asked_in_time_is_put_off_and_leaves_nothing(door):
    assert fill(door, BOUND) == [201] * BOUND
    said = is_problem(door.place(key="one-too-many"), 503, "busy")
    assert NUMBER not in str(said)
    assert door.orders() == BOUND
    assert not [key for key in door.redis.keys("ce:key:*") if door.redis.get(key).count("one-too-many")]
    assert len(door.redis.keys("ce:key:*")) == 2 * BOUND, "requests, and the recordings of their calls"


def test_a_crowd_that_a_gateways_rate_could_not_ask_in_time_is_put_off(door, running):
    narrow(door, running, CONSENT_IN_FLIGHT="64", CONSENT_SIMULATED__RATE="1")
    assert fill(door, 11) == [201] * 10 + [503]


def test_replies_reports_and_refusals_come_in_when_orders_do_not(door):
    fill(door, BOUND)
    first = door.redis.keys("ce:*:order:*")[0].rpartition(":")[2]
    report = {"ref": f"{first}.confirmation.1", "message_id": "m-1", "status": "delivered"}
    refusal = {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice", "agent": "A1"}
    is_problem(door.place(key="one-too-many"), 503, "busy")
    assert door.post("inbound", reply()).json()["accepted"] == 1
    assert door.post("receipts", report).json()["accepted"] == 1
    assert door.call("POST", "/v1/refusals", Role.AGENT, refusal).status_code == 201


def test_the_same_request_is_taken_once_there_is_room_again(door):
    fill(door, BOUND)
    is_problem(door.place(key="later"), 503, "busy")
    door.redis.delete("ce:{0}:due:sms:mobile")  # as if all had been asked
    assert door.place(key="later").status_code == 201


def test_a_crowd_that_comes_between_two_looks_does_not_pass_the_bound(running):
    made = Door(*running, bounds=Bounds(lanes_s=3_600))
    try:
        narrow(made, running)

        async def crowd():
            headers = [{"Idempotency-Key": f"crowd-{n}"} for n in range(12)]
            bodies = [order(msisdn=f"+86138002{n:05d}") for n in range(12)]
            return await asyncio.gather(
                *(
                    made.request("POST", "/v1/orders", Role.AGENT, body, headers=each)
                    for body, each in zip(bodies, headers, strict=True)
                )
            )

        answers = made.runner.run(crowd())
        assert sorted(answer.status_code for answer in answers) == [201] * BOUND + [503] * (12 - BOUND)
        assert made.orders() == BOUND
    finally:
        made.close()


def test_whoever_is_under_way_during_a_look_is_counted(door):
    """A look sees only committed orders: the one that is being placed just then must not be let in twice."""

    async def looked():
        gate = door.app.state.front._admission  # noqa: SLF001 - nothing public happens between two commits
        async with gate, gate:
            await gate._look()  # noqa: SLF001 - the same
            assert gate._room == BOUND - 2  # noqa: SLF001 - the same
        await gate._look()  # noqa: SLF001 - the same
        assert gate._room == BOUND  # noqa: SLF001 - the same

    door.runner.run(looked())


def test_orders_alone_cannot_take_all_places_at_the_edge():
    """Orders that wait to be placed count as under way: however many do, a gateway's post must find a place."""
    assert USUAL.most_under_way / 2 > service.MOST_PLACING + group_commit.MOST_IN_BATCH
