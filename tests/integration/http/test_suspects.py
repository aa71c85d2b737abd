"""A yes that no person can have written, over HTTP: the question asked then, and the entries in the order's history."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from msgspec import structs

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.api.schemas.views import OrderView
from consent_engine.domain.effects import Lane
from consent_engine.domain.seal import Seal
from consent_engine.engine.api_keys import Role
from consent_engine.engine.engine import Engine
from consent_engine.engine.slice import Pace
from consent_engine.wiring import outside, terms
from tests.conftest import Clock, FakeQueue
from tests.integration.api_door import FULL_SECRET, NUMBER, Door, order, reply

USUAL = {"CONSENT_READING_SPEED": "60"}
READING_MS = 5 * 67 * 1000 // 60
"""How long the question of five segments takes at 60 characters a second."""
PAUSES = (1, 4, 2, 6, 3, 9)
"""Seconds between orders, in no cadence. The API accepts a webhook's clock that is five minutes off, at most."""


class Town(Door):
    """The application on a clock that the test drives, so that the time a reply took is exact."""

    def __init__(self, *server, reports=(), **more):
        self.clock = Clock()
        self.reports = frozenset(reports)
        super().__init__(*server, engines=self.driven, **more)
        self.clock.now = int(time.time() * 1000)  # a key owns orders placed after it was made
        self.engine = self.driven()

    def driven(self):
        wire = Wire(connect(self.installation.redis_url), proves=False, replicas=0)
        usual = self.installation.engine()
        store = redis_store(wire, lease_ms=60_000, clock=self.clock, seal=Seal(FULL_SECRET))
        store = replace(store, archive=usual.store.archive, log=usual.store.log)
        told = structs.replace(terms(self.settings, FULL_SECRET), reports=self.reports)
        made = RedisRegistry(wire, clock=self.clock), FakeQueue(), outside(self.settings, FULL_SECRET), told
        return Engine(store, *made, FULL_SECRET, Pace(watch=lambda: self.clock() / 1000))

    def asked(self, msisdn=NUMBER, **changes):
        """Place an order and hand over its question just now; return its id."""
        placed = self.place(order(msisdn=msisdn, **changes), key=f"key-{msisdn}-{self.clock()}")
        assert placed.status_code == 201, placed.text
        self.work(Lane.SMS)
        return placed.json()["id"]

    def hears(self, text="是", msisdn=NUMBER, after_ms=0, name=""):
        """Deliver a reply, `after_ms` from now, and read it."""
        self.clock.forward(after_ms)
        said = reply(text, message_id=name or f"m-{msisdn}-{self.clock()}", **{"from": msisdn})
        assert self.post("inbound", said).json() == {"accepted": 1, "rejected": []}
        self.work(Lane.INBOUND, Lane.SMS)

    def now(self, seconds=0):
        """Return an instant so many seconds from now, as a body writes it."""
        return datetime.fromtimestamp(self.clock() / 1000 + seconds, UTC).isoformat()

    def shown(self, placed):
        """Return the order as ops see it: its state, and the timeline in the document's form."""
        answer = self.call("GET", f"/v1/orders/{placed}", Role.OPS).json()
        OrderView.model_validate(answer)
        return answer["state"], answer["timeline"]


@pytest.fixture
def town(running):
    made = Town(*running, **USUAL)
    yield made
    made.close()


@pytest.fixture
def reporting(running):
    """Make a town whose gateway reports when a question is on the handset."""
    made = Town(*running, reports=["mobile"], **USUAL)
    yield made
    made.close()


def is_asked_for_the_code(town, placed, seen):
    """Check that one SMS asked for the order's code, and that the history has a note of what was seen."""
    state, timeline = town.shown(placed)
    assert (state, [entry["trigger"] for entry in timeline][-2:]) == ("awaiting_reply", ["replied_suspect", "informed"])
    noted, informed = timeline[-2:]
    assert (noted["detail"]["seen"], noted["detail"]["asked"]) == (seen, 1)
    assert informed["detail"]["purpose"] == "prove"
    assert "said_yes" not in [entry["trigger"] for entry in timeline]


def proves(town, placed, msisdn=NUMBER, after_ms=31_000):
    """Answer YES with the code, after a person's time; the order is activated."""
    code = town.engine.show(placed).doc.code
    town.hears(f"是{code}", msisdn, after_ms)
    town.work(Lane.ACTIVATION, Lane.SMS)
    assert town.shown(placed)[0] == "notified"


def test_yes_in_24_ms(town):
    placed = town.asked()
    town.hears(after_ms=24)
    is_asked_for_the_code(town, placed, {"rule": "too_fast", "measured": 24, "least": READING_MS, "edition": 3})
    proves(town, placed)


def test_yes_before_delivery(reporting):
    placed = reporting.asked()
    reporting.hears(after_ms=60_000)
    is_asked_for_the_code(reporting, placed, {"rule": "not_delivered", "measured": 60_000, "edition": 3})
    for purpose in ("confirmation", "prove"):
        report = {"ref": f"{placed}.{purpose}.1", "message_id": None, "status": "delivered"}
        assert reporting.post("receipts", report).json()["accepted"] == 1
    reporting.work(Lane.INBOUND)
    proves(reporting, placed)


def test_yes_during_the_call(town):
    begun = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": town.now(-60)}
    call = town.call("POST", "/v1/calls", Role.AGENT, begun, headers={"Idempotency-Key": "call-1"}).json()
    body = {
        "msisdn": NUMBER,
        "plan": "5g-smart-199",
        "agent": "A1024",
        "call_id": call["id"],
        "agreed_at": town.now(-5),
    }
    placed = town.call("POST", "/v1/orders", Role.AGENT, body, headers={"Idempotency-Key": "key-1"}).json()["id"]
    town.work(Lane.SMS)
    town.hears(after_ms=90_000)
    is_asked_for_the_code(town, placed, {"rule": "call_up", "measured": 90_000, "edition": 3})
    recording = {"ref": "rec-1", "sha256": "a" * 64, "seconds": 90}
    over = {"ended_at": town.now(-1), "outcome": "agreed", "plan": "5g-smart-199", "recording": recording}
    assert town.call("POST", f"/v1/calls/{call['id']}/end", Role.AGENT, over).status_code == 200
    proves(town, placed)


def number(n):
    return f"+86138001380{n:02}"


def test_yes_by_cadence(town):
    """Six numbers of one agent, each 20 s after its own question; repeated posts of one reply count once."""
    orders = []
    for n, pause_s in enumerate(PAUSES):
        town.clock.forward(seconds=pause_s)
        orders.append(town.asked(number(n)))
        for after_ms in (20_000, 0, 0):
            town.hears(msisdn=number(n), after_ms=after_ms, name=f"mo-{n}")
    assert [town.shown(each)[0] for each in orders] == ["confirmed"] * 5 + ["awaiting_reply"]
    is_asked_for_the_code(town, orders[5], {"rule": "cadence", "measured": 20_000, "edition": 3, "others": 5})
    proves(town, orders[5], number(5))


AIR_MS = (1_100, 4_900, 2_300, 5_700, 3_200, 1_600, 4_100, 2_800, 5_200, 3_700, 3_100)
"""How long questions take to the handset, where no gateway reports it."""


def test_yes_by_cadence_where_no_delivery_is_reported(town):
    """Eleven numbers of one agent, each 12 s after its question was on the handset, which no gateway reports."""
    orders = []
    for n, air_ms in enumerate(AIR_MS):
        town.clock.forward(seconds=PAUSES[n % 6])
        orders.append(town.asked(number(n)))
        town.hears(msisdn=number(n), after_ms=air_ms + 12_000)
    assert [town.shown(each)[0] for each in orders] == ["confirmed"] * 10 + ["awaiting_reply"]
    is_asked_for_the_code(town, orders[10], {"rule": "cadence", "measured": 15_100, "edition": 3, "others": 10})
    proves(town, orders[10], number(10))


def test_yes_in_lockstep(town):
    """Six numbers of one agent, asked at odd moments, that answer one after another every five seconds."""
    orders = []
    for n, pause_s in enumerate(PAUSES):
        town.clock.forward(seconds=pause_s)
        orders.append(town.asked(number(n)))
    town.clock.forward(seconds=30)
    for n in range(6):
        town.hears(msisdn=number(n), after_ms=5_000)
    seen = {"rule": "lockstep", "measured": 60_000, "edition": 3, "others": 5}
    is_asked_for_the_code(town, orders[5], seen)


def test_the_policy_of_the_setting_says_what_becomes_of_a_cadence(running):
    """hold: a person looks, and the list says why · CONSENT_CADENCE=0: no cadence is looked for"""
    for more, state in (({"CONSENT_SUSPECT_REPLIES": "hold"}, "suspected"), ({"CONSENT_CADENCE": "0"}, "said_yes")):
        made = Town(*running, **USUAL, **more)
        for n, pause_s in enumerate(PAUSES):
            made.clock.forward(seconds=pause_s)
            placed = made.asked(number(n))
            made.hears(msisdn=number(n), after_ms=20_000)
        triggers = [entry["trigger"] for entry in made.shown(placed)[1]]
        held = made.call("GET", "/v1/refusals?state=held", Role.OPS).json()["held"]
        made.close()
        assert triggers[2] == state
        assert [row["reason"] for row in held] == ["no_person"] * (state == "suspected")
