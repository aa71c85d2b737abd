"""The data that /desk gets beside the API: the orders that one key placed today."""

import pytest

from consent_engine.api.schemas.views import instant
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, OTHER, order


@pytest.mark.parametrize("role", list(Role))
def test_own_orders_are_for_agents(door, role):
    answer = door.sign_in(role).get("/desk/mine")
    assert answer.status_code == (200 if role in {Role.AGENT, Role.ADMIN} else 403)


def test_own_orders_are_those_of_the_key_that_asks_and_no_others(door):
    mine, theirs = door.place().json()["id"], door.place(order(msisdn=OTHER), key="k-2", role="other").json()["id"]
    listed = {who: door.sign_in(who).get("/desk/mine").json() for who in (Role.AGENT, "other", Role.ADMIN)}
    assert {who: [row["id"] for row in told["orders"]] for who, told in listed.items()} == {
        Role.AGENT: [mine], "other": [theirs], Role.ADMIN: [],
    }  # fmt: skip
    assert listed[Role.AGENT]["orders"][0]["msisdn"] == NUMBER
    assert listed[Role.AGENT]["cut"] is False


def test_a_recording_is_named_without_a_hash_where_nobody_knows_it(door):
    now = instant(door.engine.registry.now())
    began = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1", "started_at": now}
    call = door.call("POST", "/v1/calls", Role.AGENT, began, headers={"Idempotency-Key": "c-1"}).json()["id"]
    told = {
        "ended_at": now,
        "outcome": "other",
        "recording": {"ref": "rec-9", "seconds": 0},
        "disclosures": [{"id": "price", "at": now}],
    }
    ended = door.call("POST", f"/v1/calls/{call}/end", Role.AGENT, told).json()
    assert (ended["recording"]["sha256"], ended["violations"]) == ("", [])
    assert door.call("POST", f"/v1/calls/{call}/end", Role.AGENT, told).json() == ended
