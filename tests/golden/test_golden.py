"""Kept records are read and written again without a byte's change: of every kind, of earlier commits and of today."""

import json
import tarfile
from collections import Counter

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.domain.lifecycle import State, Trigger
from tests import needs
from tests.golden import FOLDERS, dumped, kept, kind_of, looked_at
from tests.golden.roads import played
from tests.memory import a_store

KINDS = {"order", "line", "inbox", "offers", "archived"}
WAITS = {"sms.confirmation.1", "sms.notification.1", "activate", "wake.reminder", "wake.window_closed",
         "wake.too_late_to_ask", "wake.archive"}  # fmt: skip


def events(records):
    return [json.loads(row) for key, record in records.items() if kind_of(key) == "order"
            for name, row in record.items() if name[0] == "e"]  # fmt: skip


@pytest.fixture(scope="module")
def written():
    return kept()


def test_the_file_holds_every_state_every_trigger_and_every_kind_of_work(written):
    orders = [record for key, record in written.items() if kind_of(key) == "order"]
    assert {order["state"] for order in orders} == set(State)
    assert {event[0] for event in events(written)} == set(Trigger)
    assert {name[2:] for order in orders for name in order if name.startswith("f:")} >= WAITS
    lines = {name.partition(":")[0] for key, line in written.items() if kind_of(key) == "line" for name in line}
    assert lines == {"v", "seen", "msisdn", "o", "r", "f", "a", "m", "c", "e0", "e1", "e2", "e3", "mac"}


def test_what_was_written_then_is_written_now(written):
    assert set(looked_at(written)) == KINDS


def test_what_is_written_now_is_read_and_written_again():
    told = Counter(kind for records in played() for kind in looked_at(records))
    assert set(told) == KINDS
    assert told["order"] > 400


@pytest.fixture(params=FOLDERS, ids=lambda file: file.name)
def folder(request, tmp_path):
    """The records of a data folder that an earlier commit wrote."""
    needs.server()
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    (tmp_path / "data").chmod(0o700)
    with EmbeddedServer.start(tmp_path / "data", "strict") as server:
        client = connect(server.url)
        yield dumped(client)
        client.close()


def test_a_data_folder_of_an_earlier_commit_is_written_as_it_was(folder):
    assert {"order", "line"} <= set(looked_at(folder))


def test_keys_and_plans_are_written_as_they_were(written):
    """Read from the file's own registry, and written into an empty one."""
    shared = {kind: [r for key, r in written.items() if kind_of(key) == kind] for kind in ("apikeys", "plan")}
    before, after = a_store(), a_store()
    registry, again = (RedisRegistry(Wire(each, proves=False, replicas=0)) for each in (before, after))
    [rows] = shared["apikeys"]
    before.hset("ce:apikeys", mapping=rows)
    for key_hash, key in registry.keys().items():
        assert again.add_key(key_hash, key)
        assert after.hget("ce:apikeys", key_hash) == rows[key_hash]
    for row in shared["plan"]:
        code = json.loads(row["1"])["code"]
        for client in (before, after):
            client.delete(f"ce:plan:{code}")
        before.sadd("ce:plans", code)
        before.hset(f"ce:plan:{code}", mapping=row)
        [version] = registry.catalogue()[code]
        assert version.known_at == 0
        again.publish(version.plan, version.sale, None, known_at=0)
        assert after.hgetall(f"ce:plan:{code}") == {**row, "at:1": f"0|{version.sale}"}  # noted from then on
        assert again.catalogue()[code] == (version,)
