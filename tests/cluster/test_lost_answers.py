"""A move of all data whose connection to the target breaks: every entry of a journal or a stream is there once."""

from types import SimpleNamespace

import pytest

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.reshard.account import Fact
from consent_engine.adapters.redis.reshard.appended import Appended
from consent_engine.errors import StoreUnavailable
from tests.cluster.moves import restore, snapshot
from tests.cluster.one_server import engine_at, move, place
from tests.durability.servers import server
from tests.fault_proxy import Fault, FaultProxy, Kind, nth
from tests.integration.api_door import OTHER
from tests.memory import a_store


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lost-answers")
    with server(folder / "old", "appendfsync no") as old, server(folder / "new", "appendfsync no") as new:
        yield old, new


def lived_in(old, folder):
    """Make what a move appends: entries of the journal, and messages that answered nothing; return all data."""
    with FaultProxy(f"127.0.0.1:{old.port}") as way:  # its connections end with it: a move waits for no client
        api = engine_at(way.port, folder)
        place(api, "key-1")
        place(api, "key-2", OTHER)
        api.store.inbox.unmatched([f'{{"kind":"reply","n":{n}}}' for n in range(3)])
    with old.client() as client:
        return snapshot(client)


def appended(at):
    """Return the entries of a server's journal and stream, in their order."""
    with at.client() as client:
        return client.lrange("ce:{0}:journal", 0, -1), [row["m"] for _, row in client.xrange("ce:{0}:unmatched")]


@pytest.mark.parametrize("kind", [Kind.SWALLOW, Kind.RESET_AFTER, Kind.CUT])
def test_wherever_the_connection_to_the_target_breaks_the_move_goes_on_and_each_entry_is_there_once(
    servers, tmp_path, kind
):
    old, new = servers
    old.do("FLUSHALL")
    kept = lived_in(old, tmp_path)
    wanted = appended(old)
    assert [len(rows) for rows in wanted] == [4, 3]
    with FaultProxy(f"127.0.0.1:{new.port}") as wire:
        for k in range(1, 200):
            with old.client() as client:
                restore(client, kept)
            new.do("FLUSHALL")
            wire.plan(nth(k, Fault(kind, after=30)))
            move(old, SimpleNamespace(url=f"redis://127.0.0.1:{wire.port}/0"))
            assert appended(new) == wanted, f"at request {k}"
            if not wire.fired():
                break
            wire.calm()
    assert k > 10, "the fault never struck"


class Again(Wire):
    """A wire on which everything is done twice, and once more behind what is sent next: its answers are lost."""

    late = None

    def send(self, calls, **more):
        super().send(calls, **more)
        answers = super().send(calls, **more)
        if self.late is not None:
            super().send(self.late, **more)
        self.late = calls
        return answers


@pytest.mark.parametrize("family", ["journal", "unmatched"])
def test_what_is_sent_again_is_appended_once_however_late_and_a_target_that_lost_something_is_told(family):
    client, moving = a_store(), Appended()
    wires = [Again(client, proves=False, replicas=0)]

    def write(*names):
        for name in names:
            moving.add(0, "there", Fact(family, "", ("7-0", name) if family == "unmatched" else (name,)))
        moving.write(wires)

    write("a", "b")
    write()
    write("c")
    write("d", "e")
    kept = [row["m"] for _, row in client.xrange("there")] if family == "unmatched" else client.lrange("there", 0, -1)
    assert kept == ["a", "b", "c", "d", "e"]
    client.delete("there")
    with pytest.raises(StoreUnavailable, match="lost something that was copied"):
        write("f")
    assert not client.exists("there")
