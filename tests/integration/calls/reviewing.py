"""Steps that the tests of reviews share: a call with its order, a verdict, a yes."""

from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.engine.review import Review
from tests.conftest import NUMBER
from tests.integration.calls.desk import audio_of, instant

PLAN = "5g-smart-199"


def ordered(desk, call, plan=PLAN):
    desk.keys += 1
    body = {"msisdn": NUMBER, "plan": plan, "agent": "A1024", "call_id": call.id, "agreed_at": instant(desk.clock())}
    return desk.engine.place(Placing("desk", f"order-{desk.keys}", PlaceOrder.read(body))).order


def review(desk, call, by="r-1", *, passed=False, second=False):
    reasons = () if passed or second else ("price_not_told",)
    return desk.engine.calls.review(Review(call.id, by, passed, reasons, "", second))


def sold(desk):
    """Make a call that ended properly, and its order, whose subscriber was asked."""
    call = desk.start()
    order = ordered(desk, call)
    desk.clock.forward(seconds=60)
    desk.end(call, "agreed", plan=PLAN)
    desk.run(Lane.SMS)
    return call, order


def says_yes(desk):
    desk.clock.forward(seconds=60)
    desk.say("是")
    desk.run()
    desk.clock.forward(seconds=61)
    desk.run()


def recorded(door, agent, n):
    """Make a recorded call of an agent known over HTTP; return its id."""
    now = door.engine.registry.now()
    body = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": agent, "started_at": instant(now - 60_000)}
    key = {"Idempotency-Key": f"call-{agent}-{n}"}
    call = door.call("POST", "/v1/calls", Role.AGENT, body, headers=key).json()["id"]
    recording = {"ref": f"rec-{agent}-{n}", "sha256": audio_of(f"rec-{agent}-{n}"), "seconds": 60}
    ended = {"ended_at": instant(now), "outcome": "other", "recording": recording}
    assert door.call("POST", f"/v1/calls/{call}/end", Role.AGENT, ended).status_code == 200
    return call
