"""A key bound to an agent's number: it acts for that agent alone, and its owner reviews no call of that agent."""

import pytest

from consent_engine.adapters.redis.keys import Cell
from consent_engine.api.web.review import look
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import Malformed
from consent_engine.ports import ApiKey
from tests.conftest import NUMBER
from tests.integration.api_door import order, reply
from tests.integration.calls.desk import instant
from tests.integration.calls.reviewing import PLAN, recorded


def test_a_key_that_is_bound_to_an_agents_number_acts_for_that_agent_and_reviews_no_call_of_it(door):
    bound = door.engine.keys.add("zhang", Role.ADMIN, "A1024")
    as_zhang = {"Authorization": f"Bearer {bound}"}
    own, other = recorded(door, "A1024", 1), recorded(door, "B7", 2)
    for path in (f"/v1/reviews/{own}", f"/v1/reviews/{own}/second"):
        if path.endswith("second"):
            failed = {"verdict": "fail", "reasons": ["pressed"]}
            assert door.call("POST", f"/v1/reviews/{own}", Role.REVIEWER, failed).status_code == 200
        body = {"uphold": False} if path.endswith("second") else {"verdict": "pass"}
        answer = door.call("POST", path, None, body, headers=as_zhang)
        assert (answer.status_code, answer.json()["code"]) == (403, "own_call")
    assert door.call("POST", f"/v1/reviews/{other}", None, {"verdict": "pass"}, headers=as_zhang).status_code == 200

    placing = {**as_zhang, "Idempotency-Key": "bound-1"}
    wrong = door.call("POST", "/v1/orders", None, order(agent="B7"), headers=placing)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "agent_mismatch")
    assert door.call("POST", "/v1/orders", None, order(agent="A1024"), headers=placing).status_code == 201
    start = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "B7", "started_at": instant(0)}
    began = door.call("POST", "/v1/calls", None, start, headers={**as_zhang, "Idempotency-Key": "bound-2"})
    assert (began.status_code, began.json()["code"]) == (422, "agent_mismatch")


def taken_over(door):
    """Begin a call of A1024 in which B7 sells; return its id, the order's, and its instant."""
    bound = door.engine.keys.add("desk-b7", Role.AGENT, "B7")
    now = instant(door.engine.registry.now())
    start = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": now}
    call = door.call("POST", "/v1/calls", Role.AGENT, start, headers={"Idempotency-Key": "taken-over"}).json()["id"]
    sold = {"msisdn": NUMBER, "plan": PLAN, "agent": "B7", "call_id": call, "agreed_at": now}
    placing = {"Authorization": f"Bearer {bound}", "Idempotency-Key": "taken-over"}
    return call, door.call("POST", "/v1/orders", None, sold, headers=placing).json()["id"], now


def test_who_sold_in_another_agents_call_does_not_review_it(door):
    (call, order_id, now), heard = taken_over(door), door.engine.keys.add("li-2", Role.REVIEWER, "B7")
    ended = {"ended_at": now, "outcome": "agreed", "plan": PLAN, "recording": {"ref": "rec-7", "seconds": 60}}
    assert door.call("POST", f"/v1/calls/{call}/end", Role.AGENT, ended).status_code == 200
    assert look(door.engine, call, ApiKey("li-2", Role.REVIEWER, 0, "B7"), "").own

    def own():
        answer = door.call("POST", f"/v1/reviews/{call}", None, {"verdict": "pass"}, headers=as_reviewer)
        return answer.status_code, answer.json()["code"]

    as_reviewer = {"Authorization": f"Bearer {heard}"}
    assert own() == (403, "own_call")
    as_of_now(door.engine.store)
    door.redis.delete(Cell().order(order_id), Cell().line(door.engine.line(NUMBER).id))
    assert own() == (403, "own_call"), "the archive has it"
    assert door.call("POST", f"/v1/reviews/{call}", Role.REVIEWER, {"verdict": "pass"}).status_code == 200


def test_who_has_an_agents_number_decides_no_held_reply_to_an_order_of_that_agent(door):
    """This holds also where a desk's key placed the order, as with sign-in by a provider that gives the number."""
    bound, other = (door.engine.keys.add(name, Role.OPS, agent) for name, agent in (("zhang", "A1024"), ("li", "B7")))
    assert door.place(order(agent="A1024")).status_code == 201
    door.work(Lane.SMS)
    door.post("inbound", reply("我要投诉你们"))
    [row] = door.call("GET", "/v1/refusals?state=held", Role.OPS).json()["held"]
    decision = {"ids": [row["id"]], "refusal": False, "reason": "a question"}
    for key, decided in ((bound, {"decided": 0, "own_call": 1}), (other, {"decided": 1, "own_call": 0})):
        told = door.call("POST", "/v1/refusals/held", None, decision, headers={"Authorization": f"Bearer {key}"})
        assert told.json() == {"gone": 0} | decided


def test_neither_who_called_nor_who_sold_decides_a_held_reply(door):
    taken_over(door)
    door.work(Lane.SMS)
    door.post("inbound", reply("我要投诉你们"))
    [row] = door.call("GET", "/v1/refusals?state=held", Role.OPS).json()["held"]
    decision = {"ids": [row["id"]], "refusal": False, "reason": "a question"}
    for agent in ("A1024", "B7"):
        own = {"Authorization": f"Bearer {door.engine.keys.add(f'ops-{agent}', Role.OPS, agent)}"}
        assert door.call("POST", "/v1/refusals/held", None, decision, headers=own).json()["own_call"] == 1, agent
    assert door.call("POST", "/v1/refusals/held", Role.OPS, decision).json()["decided"] == 1


def test_an_agents_number_of_a_key_is_as_in_orders(door):
    with pytest.raises(Malformed):
        door.engine.keys.add("li", Role.AGENT, "A 1")
    with pytest.raises(Malformed):
        door.engine.keys.add("li", Role.AGENT, "13800138000")
    door.engine.keys.add("li", Role.AGENT, "A1")
    assert [key.agent for key in door.engine.keys.all() if key.name == "li"] == ["A1"]
