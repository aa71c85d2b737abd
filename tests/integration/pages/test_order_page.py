"""An order's page: at an address of its own, for those who may see the order, with all that is known about it."""

import json
import re

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, order, reply
from tests.integration.mishaps import park
from tests.integration.page_door import SAME

NOBODYS = "0" * 28


def life_in(answer):
    """Return the data that the page is given."""
    [told] = re.findall(r'<script type="application/json" id="page">(.*?)</script>', answer.text, re.DOTALL)
    return json.loads(told)["life"]


@pytest.fixture
def placed(door):
    """Place an order whose subscriber was asked and answered with words that cannot be understood."""
    told = door.place().json()["id"]
    door.work(Lane.SMS)
    assert door.post("inbound", reply("嗯 13900139000")).status_code == 200
    door.work(Lane.INBOUND, Lane.SMS)
    return told


@pytest.mark.parametrize("role", list(Role))
def test_who_may_see_an_order_may_open_its_page(door, placed, role):
    may = role in {Role.AGENT, Role.OPS, Role.AUDITOR, Role.ADMIN}
    visitor = door.sign_in(role)
    assert visitor.get(f"/orders/{placed}").status_code == (200 if may else 403)
    assert visitor.get(f"/orders/{placed}/life").status_code == (200 if may else 403)


def test_another_agents_order_and_none_at_all_are_the_same_page(door, placed):
    other = door.sign_in("other")
    for asked in (placed, NOBODYS):
        answer = other.get(f"/orders/{asked}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert placed not in answer.text
        assert other.get(f"/orders/{asked}/life").status_code == 404
    assert door.sign_in(Role.OPS).get("/orders/nonsense").status_code == 404


def test_a_stranger_signs_in_and_comes_back_to_the_order(door, placed):
    away = door.stranger().get(f"/orders/{placed}")
    assert (away.status_code, away.headers["location"]) == (303, f"/?next=%2Forders%2F{placed}")
    visitor = door.stranger()
    back = visitor.post_form("/sign-in", {"key": door.keys[Role.OPS], "next": f"/orders/{placed}"})
    assert back.headers["location"] == f"/orders/{placed}"


def test_the_page_has_all_that_is_known_masked_as_for_the_api(door, placed):
    life = life_in(door.sign_in(Role.OPS).get(f"/orders/{placed}"))
    assert life["order"] == door.call("GET", f"/v1/orders/{placed}", Role.OPS).json()
    assert (life["call"]["to"], life["call"]["from"]) == ("+86138****8000", "10085")
    assert life["call"]["recording"]["ref"] == order()["call"]["recording_id"]
    assert NUMBER not in json.dumps(life)
    assert "13900139000" not in json.dumps(life)
    own = life_in(door.sign_in(Role.AGENT).get(f"/orders/{placed}"))
    assert (own["order"]["msisdn"], own["call"]["to"]) == (NUMBER, NUMBER)
    assert [each["reply"]["text"] for each in own["order"]["timeline"] if "reply" in each] == ["嗯 13900139000"]


def test_every_bubble_is_what_the_gateway_was_handed(door):
    handed = []
    send = door.engine.outside.gateways["simulated"].send

    async def sends(sms):
        handed.append(sms.text)
        return await send(sms)

    door.engine.outside.gateways["simulated"].send = sends
    told = door.place().json()["id"]
    door.work(Lane.SMS)
    for said, name in (("嗯", "m-1"), ("是", "m-2")):
        door.post("inbound", reply(said, message_id=name))
        door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    for role in (Role.AGENT, Role.OPS):
        life = door.sign_in(role).get(f"/orders/{told}/life").json()
        assert [each["sms"]["text"] for each in life["order"]["timeline"] if "sms" in each] == handed
    assert len(handed) == 3


def test_what_its_numbers_record_says_about_an_order_is_told_word_for_word(door):
    """ "Which one?", the notice of an ending, what bars it, a report: none of it is an event of the order."""
    handed = []
    send = door.engine.outside.gateways["simulated"].send

    async def sends(sms):
        handed.append((sms.purpose.value, sms.text))
        return await send(sms)

    door.engine.outside.gateways["simulated"].send = sends
    all_ = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS, Lane.TIMER)
    ids = [door.place(order(plan=plan), key=plan).json()["id"] for plan in ("5g-smart-199", "data-pack-10gb")]
    door.work(Lane.SMS)
    ops = door.sign_in(Role.OPS)
    door.post("inbound", reply("是", message_id="m-1"))
    door.work(Lane.INBOUND)
    assert [each["waits"] for each in life(ops, ids[0])["line_sms"]] == [True]
    door.work(Lane.SMS)
    for told in ids:
        [which] = life(ops, told)["line_sms"]
        assert (which["sms"]["purpose"], which["sms"]["text"], which["waits"]) == (*handed[-1], False)
    code = life(ops, ids[0])["order"]["confirmation"]["code"]
    door.post("inbound", reply(f"是{code}", message_id="m-2"))
    for _ in range(3):
        door.work(*all_)
    door.post("inbound", reply("再打我就投诉", message_id="m-3"))
    door.work(Lane.INBOUND)
    [bar] = life(ops, ids[1])["barred"]
    assert (bar["kind"], bar["until"] > bar["since"]) == ("suspected", True)
    assert life(ops, ids[0])["barred"] == [], "it has settled"
    called = {"caller_number": "10085", "called_at": "2025-08-01T10:00:00+08:00"}
    reported = {"msisdn": NUMBER, "carrier": "mobile", **called}
    number = door.call("POST", "/v1/reports", Role.OPS, reported).json()["number"]
    door.call(
        "POST", f"/v1/orders/{ids[0]}/end", Role.OPS, {"cause": "withdrawn", "channel": "hotline", "reason": "no"}
    )
    for _ in range(2):
        door.work(*all_)
    shown = life(ops, ids[0])
    assert (shown["line_sms"][-1]["sms"]["purpose"], shown["line_sms"][-1]["sms"]["text"]) == handed[-1]
    assert handed[-1][0] == "ended"
    assert [(each["number"], each["decided_at"]) for each in shown["complaints"]] == [(number, None)]
    assert life(door.sign_in(Role.AGENT), ids[0])["complaints"] == []


def life(visitor, told):
    return visitor.get(f"/orders/{told}/life").json()


def test_what_an_order_waits_for_is_told_with_its_instant(door):
    told = door.place().json()["id"]
    visitor = door.sign_in(Role.OPS)
    waits = {each["effect"]: each for each in visitor.get(f"/orders/{told}/life").json()["waiting"]}
    assert waits["sms.confirmation.1"].items() >= {"lane": "sms", "purpose": "confirmation", "parked": False}.items()
    door.work(Lane.SMS)
    life = visitor.get(f"/orders/{told}/life").json()
    assert life["order"]["reply_by"] or "wake.reminder" in {each["effect"] for each in life["waiting"]}
    assert all(each["at"] for each in life["waiting"])
    effect = life["waiting"][0]["effect"]
    door.redis.zadd("ce:{0}:due:timer", {f"o:{told}:{effect}": "+inf"})
    assert visitor.get(f"/orders/{told}/life").json()["waiting"][0]["at"] is None


def test_the_other_orders_of_its_call_are_named(door):
    call = {
        "from": "10085",
        "to": NUMBER,
        "carrier": "mobile",
        "agent": "A1024",
        "started_at": "2025-08-01T10:00:00+08:00",
    }
    began = door.call("POST", "/v1/calls", Role.AGENT, call, headers={"Idempotency-Key": "c-1"}).json()["id"]
    body = {"msisdn": NUMBER, "agent": "A1024", "call_id": began, "agreed_at": "2025-08-01T10:04:31+08:00"}
    ids = [door.place(body | {"plan": plan}, key=plan).json()["id"] for plan in ("5g-smart-199", "data-pack-10gb")]
    life = door.sign_in(Role.AGENT).get(f"/orders/{ids[0]}/life").json()
    assert [each["id"] for each in life["related"]] == ids[1:]
    assert life["call"]["id"] == began


@pytest.mark.parametrize("role", [Role.AGENT, Role.OPS, Role.AUDITOR, Role.ADMIN])
def test_what_is_stuck_is_tried_again_from_its_page_by_who_may(door, role):
    told = door.place().json()["id"]
    park(door.engine, told, "no answer within 10.0 s")
    visitor, may = door.sign_in(role), role in {Role.OPS, Role.ADMIN}
    assert ('id="retry"' in visitor.get(f"/orders/{told}").text) == may
    assert [each["parked"] for each in visitor.get(f"/orders/{told}/life").json()["waiting"]].count(True) == 1
    token = visitor.csrf
    assert visitor.ask("POST", f"/v1/orders/{told}/retry", headers=SAME).status_code == 403, "without the page's token"
    answer = visitor.post(f"/v1/orders/{told}/retry", **{"X-CSRF-Token": token})
    assert answer.status_code == (200 if may else 403)
    waiting = visitor.get(f"/orders/{told}/life").json()["waiting"]
    assert any(each["parked"] for each in waiting) != may
    who = [each.by for each in door.engine.show(told).events if each.trigger == "retried"]
    assert who == ([f"the-{role}"] if may else [])
