"""Failovers behind Sentinel under load, checked by rules: a bounded run of `benchmarks/promises/failovers.py`."""

import pytest

from benchmarks.promises import failovers
from benchmarks.promises.load import Load
from benchmarks.promises.rules import UNDER_WAY_S
from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.topology import replicas_known
from consent_engine.config.settings import Settings
from consent_engine.doctor import server
from consent_engine.doctor.findings import Level
from tests.waiting import until


@pytest.fixture(scope="module")
def trio():
    with failovers.servers() as made:
        yield made


@pytest.mark.parametrize("fault", ["killed", "frozen 2 s"])
def test_where_every_replica_proves_no_failover_undoes_what_was_acknowledged(trio, fault):
    one = failovers.run(trio, fault, replicas=2, before_s=1, after_s=1)
    assert one.broken == {}
    assert one.orders > 0
    print(one)  # noqa: T201 - the figures are the purpose


def test_the_rules_see_what_is_lost(trio):
    """Without this they might find nothing whatever happened: orders and refusals are deleted unnoticed."""
    trio.calm(2)
    trio.master().do("FLUSHALL")
    load = Load(trio.url, 2).begin()
    try:
        until("somebody refused, and the BSS was called", lambda: load.notes.stops and load.notes.called)
    finally:
        load.close()
    engine = load.engine()
    assert load.notes.broken(engine) == {}
    late = load.notes.called.copy()
    for order, number in load.notes.orders.items():
        if number in load.notes.stops:
            load.notes.called[order] = load.notes.stops[number] + UNDER_WAY_S + 0.1
    assert load.notes.broken(engine)["called after a STOP"] == len(load.notes.stops)
    load.notes.called = late
    trio.master().do("FLUSHALL")
    assert load.notes.broken(engine) == {
        "orders lost": len(load.notes.orders), "refusals lost": len(load.notes.refused)
    }  # fmt: skip


@pytest.mark.parametrize(("replicas", "level"), [("0", Level.BAD), ("1", Level.BAD), ("2", Level.GOOD)])
def test_the_doctor_says_which_setting_a_failover_may_lose_by(trio, replicas, level):
    trio.calm(2)
    assert replicas_known(trio.url) == 2
    named = {"REDIS_URL": trio.url, "SECRET": "s" * 32, "GATEWAY": "simulated", "BSS": "simulated"}
    named |= {"REPLICAS": replicas}
    settings = Settings.load({f"CONSENT_{name}": value for name, value in named.items()}, None)
    with connect(trio.url) as client:
        told = RedisSurvey(Wire(client, proves=False, replicas=0)).server()
    found = server.server(told, settings, "redis-cli", replicas_known(trio.url))
    assert [each.level for each in found if "may be promoted" in each.what] == [level]


def test_what_is_connected_to_a_master_of_before_is_closed_when_another_is_named(trio):
    """A server that stood still closes nothing, and whatever is written there is thrown away."""
    trio.calm(2)
    old = trio.master()
    with connect(trio.url) as client:
        client.set("here", "1")
        pool = client.connection_pool
        [idle] = pool._available_connections  # noqa: SLF001 - an idle connection is seen there only
        assert idle._sock is not None  # noqa: SLF001 - the same
        assert pool.master_address[1] == old.port
        [other, *_] = trio.replicas()
        for asked in (pool.lookout, pool.sentinel_manager):
            asked.sentinels = [Says(other.port)]
        until("it is closed", lambda: idle._sock is None)  # noqa: SLF001 - the same


class Says:
    """A sentinel that names another server."""

    def __init__(self, port):
        self.port = port

    def sentinel_masters(self):
        state = {"ip": "127.0.0.1", "port": self.port, "config-epoch": 99, "num-other-sentinels": 2}
        return {"mymaster": state | {"is_master": True, "is_sdown": False, "is_odown": False}}

    def close(self):
        """Nothing."""
