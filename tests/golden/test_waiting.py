"""An upgrade from commit 7de6331 while orders wait: each of them goes on from where it stood, and ends.

`waiting.tar.gz` was written by `waiting.py` under that commit; it says of each order what it waits for.
"""

import ast
import json
import tarfile
from pathlib import Path

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.doctor import records
from consent_engine.doctor.findings import Level
from consent_engine.doctor.records import Wanted
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Accepted, Lane, Rejected
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Delivery
from consent_engine.engine.engine import Engine
from consent_engine.engine.limits import Pace
from consent_engine.ports import Outside
from tests import needs
from tests.conftest import SENDERS, Clock, World
from tests.golden import FOLDERS

SECRET, LEASE = "test-secret", 60_000
ENDS = {
    "parked activation": "notified",
    "activation in doubt": "notified",
    "activation tried again": "notified",
    "activation due": "notified",
    "notification parked": "notified",
    "notification due": "notified",
    "question in doubt": "expired",
    "question in flight": "expired",
    "question due": "expired",
    "early yes in doubt": "notified",
    "question refused, a reply unread": "expired",  # asked once more, and accepted
    "reply": "notified",
    "reply after a help": "declined",
    "reply, the first of two": "expired",
    "reply, the second of two": "notified",
    "delivery": "expired",
    "window": "expired",
    "settled, still remembered": "declined",
    "inbox: yes": "notified",
    "inbox: no": "declined",
    "inbox: stop": "declined",
    "inbox: report": "undeliverable",
}
"""The end of each order: as its subscriber answers below, or by its window."""


class Since(World):
    """The engine of today over the data of that commit, with a clock and a gateway and BSS that the test sets."""

    def __init__(self, folder, url):
        self.written = json.loads((folder / "written.json").read_text())
        super().__init__(connect(url), Policy.thaw(self.written["policy"]), clock=Clock(self.written["at"]))

    def another(self):
        wire = Wire(self.client, proves=True, replicas=0)
        registry = RedisRegistry(wire, clock=self.clock)
        return Engine(
            redis_store(wire, lease_ms=LEASE, clock=self.clock, seal=Seal(SECRET, registry.sealed_since)),
            registry,
            self.queue,
            Outside({"test": self.gateway}, dict.fromkeys(SENDERS, "test"), SENDERS, self.bss),
            Terms(self.policy, SENDERS, frozenset(), call_age=self.call_age),
            SECRET,
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )

    def order(self, name):
        return self.engine.show(self.written["orders"][name]["id"])

    def answer(self, name, text):
        assert self.say(text, self.written["orders"][name]["number"], message_id=f"since {name} {text}")
        self.run()

    def states(self):
        return {name: self.order(name).state.value for name in self.written["orders"]}

    def troubles(self):
        survey = RedisSurvey(Wire(self.client, proves=False, replicas=0))
        found = records.records(self.engine.store, survey, LEASE, Wanted(all=True), [].append)
        return [(each.level, each.what) for each in found if each.level is not Level.GOOD]


@pytest.fixture
def since(tmp_path):
    needs.server()
    with tarfile.open(FOLDERS[0]) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    (tmp_path / "data").chmod(0o700)
    with EmbeddedServer.start(tmp_path / "data", "strict") as server:
        made = Since(tmp_path / "data", server.url)
        made.clock.forward(seconds=1)
        made.engine.registry.check(SECRET, strict=True, cells=1)
        made.engine.registry.adopt()
        yield made
        made.runner.close()
        made.client.close()


def test_every_order_waits_as_it_waited(since):
    for name, then in since.written["orders"].items():
        order = since.order(name)
        assert (order.state, order.head, order.doc.code) == (then["state"], then["head"], then["code"]), name
        assert sorted(order.effects) == then["effects"], name
    level, what, _ = records.TROUBLES["uncalled"]  # they are of a time when calls were no records
    assert [each for each in since.troubles() if each[0] is not level or not each[1].startswith(what)] == []


def test_every_order_goes_on_and_ends(since):
    """First the effects under way end, then subscribers answer, then the windows of the others close."""
    assert set(ENDS) == set(since.written["orders"])
    since.clock.forward(seconds=61)  # past the lease of the effects in flight
    since.run()
    assert since.order("parked activation").effects["activate"].parked
    assert since.order("early yes in doubt").state == "agreed"
    since.report(since.order("early yes in doubt"), Delivery.DELIVERED, message_id="m-late")
    since.answer("reply", "是")
    since.answer("reply after a help", "否")
    since.answer("reply, the second of two", f"是{since.order('reply, the second of two').doc.code}")
    since.engine.retry(since.order("parked activation").id, "ops-1")
    since.engine.retry(since.order("notification parked").id, "ops-1")
    since.run()
    for _ in range(8):
        since.clock.forward(hours=6)
        since.run()
    assert since.states() == ENDS
    assert since.troubles() == []
    confirmed = {since.order(name).id for name, state in ENDS.items() if state == "notified"}
    assert {asked.order_id for asked in since.bss.asked} <= confirmed
    assert since.due() == dict.fromkeys(Lane, 0)


def test_a_question_that_was_refused_then_is_asked_once_more_and_refused_for_good(since):
    """Its row says so in prose alone, which decides nothing any more. Nothing of it can have been sent."""
    row = since.written["orders"]["question refused, a reply unread"]

    def answer(sms):
        return Rejected("no such number") if sms.ref.startswith(row["id"]) else Accepted(sms.ref)

    since.gateway.answers = [answer] * 50
    since.run()
    asked = [sms.purpose for sms in since.gateway.sent if sms.ref.startswith(row["id"])]
    assert (since.order("question refused, a reply unread").state, asked) == ("undeliverable", ["confirmation"])


def test_what_was_asked_twice_then_is_asked_again_under_the_same_key(since):
    """An activation that may have been made is made with the key it had: a BSS that honours it activates once."""
    since.bss.answers.append(Accepted("act-then"))
    since.clock.forward(hours=1)
    since.run(Lane.ACTIVATION)
    doubtful = since.order("activation in doubt")
    assert [asked.order_id for asked in since.bss.asked].count(doubtful.id) == 1
    assert since.state(doubtful) == "activated"


def test_a_request_of_then_is_the_same_order(since):
    for name in ("reply", "question due", "settled, still remembered"):
        row = since.written["orders"][name]
        placed = since.engine.place(Placing("desk", row["key"], since.request(row["number"], recording_id="rec-1")))
        assert (placed.order.id, placed.created) == (row["id"], False)


def test_the_script_that_wrote_it_names_the_modules_of_that_commit():
    script = Path(__file__).with_name("waiting.py").read_text("utf-8")
    named = {node.module for node in ast.walk(ast.parse(script)) if isinstance(node, ast.ImportFrom)}
    assert {name for name in named if name.startswith(("consent_engine", "tests"))} == {
        "consent_engine.adapters.redis_client", "consent_engine.adapters.redis_server", "consent_engine.domain.effects",
        "consent_engine.domain.msisdn", "consent_engine.domain.policy", "consent_engine.domain.sms", "tests.conftest",
    }  # fmt: skip
