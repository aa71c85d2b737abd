"""POST /v1/lines/events: events of a number, sent once or repeatedly."""

from datetime import UTC, datetime, timedelta

import pytest

from consent_engine.api.schemas.lists import LineEventView
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, OTHER, is_problem, order


def at(minutes=0):
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def tell(door, event="assigned", when="", msisdn=NUMBER, **more):
    body = {"msisdn": msisdn, "event": event, "at": when or at(), **more}
    return door.call("POST", "/v1/lines/events", Role.OPS, body)


def test_another_holder_ends_the_open_orders_and_the_same_again_is_200(door):
    placed = door.place().json()["id"]
    when = at()
    first, again = tell(door, when=when), tell(door, when=when)
    assert (first.status_code, again.status_code) == (201, 200)
    LineEventView.model_validate(first.json())
    assert (first.json()["event"], first.json()["ended"], again.json()) == ("assigned", 1, first.json())
    shown = door.engine.show(placed)
    assert (shown.state, shown.events[-1].as_json()["reason"]) == ("cancelled", "number_changed")
    assert shown.events[-1].by == "the-ops"


def test_a_number_without_a_holder_is_callable_by_nobody_and_says_since_when(door):
    said = tell(door, "released", at(-5), msisdn=OTHER).json()
    told = door.call("POST", "/v1/callable", Role.OPS, {"msisdn": OTHER, "carrier": "mobile"}).json()
    assert told == {"callable": False, "reason": "number_changed", "since": said["at"]}
    refused = door.place(order(msisdn=OTHER))
    assert is_problem(refused, 409, "do_not_call")["reason"] == "number_changed"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event": "sold"}, "event"),
        ({"at": "2025-08-01T10:00:00"}, "at"),
        ({"at": "2099-08-01T10:00:00+08:00"}, "at"),
        ({"msisdn": "12345678"}, "msisdn"),
        ({"carrier": "*"}, "carrier"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_event_that_cannot_be_read_changes_nothing(door, change, field):
    body = {"msisdn": OTHER, "event": "assigned", "at": at(), **change}
    answer = door.call("POST", "/v1/lines/events", Role.OPS, body)
    code = "invalid_msisdn" if field == "msisdn" else "malformed"
    assert [error["field"] for error in is_problem(answer, 422, code)["errors"]] == [field]
    assert "12345678" not in answer.text
    assert door.redis.keys("ce:*:line:*") == []


def test_an_event_from_before_what_is_known_is_taken(door):
    tell(door, "assigned", at(-1), msisdn=OTHER)
    assert tell(door, "released", at(-2), msisdn=OTHER).status_code == 201
    assert door.call("POST", "/v1/callable", Role.OPS, {"msisdn": OTHER, "carrier": "mobile"}).json()["callable"]
