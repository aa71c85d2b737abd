"""Rows of the failure matrix: a store that is full, refuses writes, or could forget; a host whose clock jumps."""

import ast
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.doctor.records import Walk
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import WAKE_TOO_LATE, Lane, Rejected
from consent_engine.errors import NotDurable, SettingsError, StoreUnavailable, TooLate
from consent_engine.ports import Owner
from tests.conftest import World
from tests.integration.rq_house import server

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with server(tmp_path_factory.mktemp("f")) as running:
        yield running


@pytest.fixture
def client(started):
    client = connect(started.url)
    client.flushall()
    yield client
    for name, value in (("maxmemory", "0"), ("min-replicas-to-write", "0"), ("maxmemory-policy", "noeviction")):
        client.config_set(name, value)
    client.close()


@pytest.fixture
def real(client):
    made = World(client)
    yield made
    made.runner.close()


REFUSALS = {
    "out of memory": (("maxmemory", "1"), ("maxmemory", "0")),
    "takes no writes": (("min-replicas-to-write", "1"), ("min-replicas-to-write", "0")),
}


@pytest.mark.parametrize(("wrong", "right"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_store_that_takes_no_writes_accepts_nothing_by_halves_and_goes_on_by_itself(real, client, wrong, right):
    order = real.place()
    real.run(Lane.SMS)
    before = {key: client.dump(key) for key in client.scan_iter()}
    client.config_set(*wrong)
    with pytest.raises(StoreUnavailable):
        real.place("13900139000", key="the same key")
    with pytest.raises(StoreUnavailable):
        real.say("是", message_id="mo-again")
    assert real.state(order) == "awaiting_reply"  # existing data can be read
    assert {key: client.dump(key) for key in client.scan_iter()} == before
    client.config_set(*right)
    placed = real.place("13900139000", key="the same key")
    assert real.place("13900139000", key="the same key").id == placed.id
    assert real.say("是", message_id="mo-again")
    real.run()
    assert real.state(order) == "notified"


@pytest.mark.parametrize(("wrong", "right"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_makes_room_is_done_whole_or_not_at_all(real, client, wrong, right):
    """A full server lets a script go on that began by deleting: then all of its writes must be there."""
    order = real.place()
    real.run(Lane.SMS)
    client.config_set(*wrong)
    with suppress(StoreUnavailable):
        real.engine.cancel(order.id, "desk", "no")
    client.config_set(*right)
    walk = Walk(real.engine.store, RedisSurvey(Wire(client, proves=False, replicas=0)), 60_000)
    walk.look(Owner.ORDER, [order.id])
    walk.look(Owner.LINE, [order.line])
    assert {trouble: ids for trouble, ids in walk.found.items() if ids} == {}
    real.run()
    with suppress(TooLate):
        real.engine.cancel(order.id, "desk", "no")
    assert real.state(order) == "cancelled"
    assert real.triggers(order).count("cancelled") == 1


def test_an_answer_of_the_other_side_waits_for_a_store_that_takes_no_writes(real, client, caplog):
    order = real.place()

    def answer(sms):
        client.config_set("min-replicas-to-write", "1")
        return Rejected("no such number")

    real.gateway.answers[:] = [answer]

    async def slices():
        performer = real.engine.performer
        with suppress(StoreUnavailable):
            await performer.perform(Lane.SMS, 0.3)
        await performer.land(0.1)
        client.config_set("min-replicas-to-write", "0")
        await performer.land(5)

    real.runner.run(slices())
    assert "outcomes cannot be recorded now" in caplog.text
    assert len(real.gateway.sent) == 1
    assert real.state(order) == "undeliverable"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_server_that_evicts_is_not_taken(client, policy):
    client.config_set("maxmemory-policy", policy)
    registry = RedisRegistry(Wire(client, proves=False, replicas=0))
    with pytest.raises(SettingsError, match="noeviction"):
        registry.check("a secret", strict=False, cells=1)


def test_without_the_replicas_that_were_asked_for_nothing_is_called_durable(client):
    client.config_set("appendfsync", "always")
    store = redis_store(Wire(client, proves=True, replicas=1, proof_ms=50), lease_ms=60_000)
    with pytest.raises(NotDurable):
        store.inbox.unmatched(["{}"])
    client.config_set("appendfsync", "everysec")


def test_a_host_whose_clock_jumps_moves_nothing(client, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    real = World(client, clock=lambda: 0)
    wire = Wire(client, proves=False, replicas=0)
    real.engine.store, real.engine.registry = redis_store(wire, lease_ms=60_000), RedisRegistry(wire)
    real.engine.catalogue._registry = real.engine.registry  # noqa: SLF001 - the server's clock everywhere
    order = real.engine.place(_placing(real)).order
    seconds, _ = client.time()
    assert abs(order.doc.placed_at - seconds * 1000) < 5_000
    assert client.zscore(Cell().due[Lane.TIMER], f"o:{order.id}:{WAKE_TOO_LATE}") == order.ask_by
    [leased] = real.engine.store.lanes.lease(Lane.SMS, 5)
    assert abs(leased.at - seconds * 1000) < 5_000
    real.runner.close()


def _placing(real):
    now = datetime.fromtimestamp(real.engine.registry.now() / 1000, UTC)
    called = {
        "started_at": (now - timedelta(minutes=4)).isoformat(),
        "agreed_at": (now - timedelta(seconds=9)).isoformat(),
    }
    return Placing("desk", "key", real.request("13800138000", "5g-smart-199", **called))


OF_THE_HOST = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
BY_ITS_CLOCK = {
    "adapters/bss/templated.py", "adapters/bss/subscriber_look_up.py",  # the instant of a signature
    "adapters/gateways/templated.py", "adapters/outbound.py",  # the same
    "cli/outside.py",  # the instants of services that are switched on to try a BSS
    "doctor/setup.py", "api/service/prometheus.py",  # compare the two clocks
    "config/values.py",  # today's offset of a zone
    "adapters/spool.py",  # the order of its files: when a message came is known by the clock of the store
    "adapters/traces.py",  # begin and end of an outside call, for the collector
    "doctor/__init__.py", "adapters/signed_pdf.py",  # the validity of certificates
}  # fmt: skip


def test_nothing_that_decides_reads_the_hosts_clock():
    reading = set()
    for path in (ROOT / "consent_engine").rglob("*.py"):
        name = path.relative_to(ROOT / "consent_engine").as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in OF_THE_HOST:
                reading.add(name)
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not {"time", "time_ns"} & {each.name for each in node.names}, name
    assert {name for name in reading if not name.startswith("simulator/")} == BY_ITS_CLOCK
