"""Taking an activated order back over HTTP, as the contract describes it: who may do it, once, and what is shown."""

import pytest

from consent_engine.api.web import board
from consent_engine.api.web.order_page import look
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.ports import ApiKey
from tests.integration.api_door import NUMBER, OTHER, Door
from tests.integration.api_door import order as body_of

BODY = {"cause": "withdrawn", "channel": "hotline", "reason": "found that the old plan was cheaper"}
ALL = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS, Lane.TIMER)


def activated(door):
    order = door.place().json()["id"]
    door.work(Lane.SMS)
    door.post("inbound", {"message_id": "mo-1", "from": NUMBER, "to": "10085", "text": "是"})
    for _ in range(3):
        door.work(*ALL)
    assert door.engine.show(order).state == "notified"
    return order


def end(door, order, role=Role.OPS, **change):
    return door.call("POST", f"/v1/orders/{order}/end", role, BODY | change)


def test_an_activated_order_is_taken_back_once_and_shown(door):
    order = activated(door)
    path = f"/v1/orders/{order}/end"
    assert door.call("GET", path, Role.OPS).json()["code"] == "ending_not_found"
    first, again = end(door, order), end(door, order, Role.AGENT, reason="another word")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["Location"] == path
    assert first.json() == again.json()
    assert {name: first.json()[name] for name in ("state", "cause", "channel", "by", "reason")} == {
        "state": "ending", "cause": "withdrawn", "channel": "hotline", "by": "the-ops", "reason": BODY["reason"],
    }  # fmt: skip
    door.work(*ALL)
    shown = door.call("GET", path, Role.AGENT).json()
    assert (shown["state"], [step["event"] for step in shown["timeline"]]) == ("ended", ["switched_off", "told"])
    assert shown["stops_at"]
    assert shown["ended_at"]
    assert NUMBER[3:] not in str(shown)
    assert door.call("GET", f"/v1/orders/{order}", Role.OPS).json()["state"] == "notified"
    life = look(door.engine, order, ApiKey("the-ops", Role.OPS, 0))
    assert life.ending.model_dump() == shown


def test_who_may_not_sees_nothing_and_what_is_not_on_is_not_taken_back(door):
    order = activated(door)
    assert end(door, order, "other").status_code == 404
    assert door.call("GET", f"/v1/orders/{order}/end", "other").json()["code"] == "order_not_found"
    assert {role: end(door, order, role).status_code for role in (Role.REVIEWER, Role.AUDITOR)} == {
        "reviewer": 403, "auditor": 403,
    }  # fmt: skip
    waits = door.place(body_of(msisdn=OTHER), key="key-2").json()["id"]
    said = end(door, waits)
    assert (said.status_code, said.json()["code"], said.json()["state"]) == (409, "not_activated", "agreed")
    assert end(door, "0" * 28).json()["code"] == "order_not_found"


@pytest.mark.parametrize("wrong", [
    {"cause": "review_failed"}, {"cause": "number_changed"}, {"channel": "pigeon"}, {"reason": ""},
    {"reason": "call 13800138000"}, {"more": 1},
])  # fmt: skip
def test_a_form_that_is_wrong_takes_nothing_back(door, wrong):
    order = activated(door)
    assert end(door, order, **wrong).status_code == 422
    assert door.call("GET", f"/v1/orders/{order}/end", Role.OPS).status_code == 404


@pytest.mark.parametrize(("setting", "free"), [("7d", True), ("off", False)])
def test_a_withdrawal_in_the_cooling_off_period_says_so(running, setting, free):
    door = Door(*running, CONSENT_FREE_EXIT=setting)
    order = activated(door)
    assert end(door, order).json()["free_exit"] is free
    assert end(door, order).json()["free_exit"] is free, "asked again, it is the same ending"
    door.close()


def test_a_stuck_ending_is_named_by_its_order_wherever_people_look_and_is_done_again_by_it(door):
    order = activated(door)
    ending = end(door, order).json()["id"]
    door.redis.hset(f"ce:{{0}}:end:{ending}", "f:deactivate", '[1,0,0,0,0,"","no such service","",1]')
    door.redis.zadd("ce:{0}:due:activation", {f"e:{ending}:deactivate": "inf"})
    [stuck] = board.look(door.engine, None)["stuck"]
    assert (stuck["owner"], stuck["id"], stuck["order"]) == ("e", ending, order)
    [row] = door.engine.stuck()
    assert row.named == order
    assert door.call("POST", f"/v1/orders/{order}/retry", Role.OPS).status_code == 200
    assert door.engine.stuck() == []
