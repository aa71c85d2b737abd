"""A Redis that cannot write: the answer is 503 before anything is accepted, and the engine recovers by itself."""

import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from benchmarks.ports import free_port
from consent_engine.errors import StoreUnavailable
from tests.acceptance.house import house
from tests.durability.history import Durable, broken
from tests.durability.servers import server
from tests.waiting import HANGS_S, until

SECRET = "a-secret-of-the-tests-0123456789"
UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis") / "r"
    with server(folder, "appendfsync always", "enable-protected-configs yes") as made:
        yield made


@pytest.fixture(scope="module")
def home(running, tmp_path_factory):
    spool = str(tmp_path_factory.mktemp("spooled") / "spool")
    settings = {"CONSENT_REDIS_URL": running.url, "CONSENT_SECRET": SECRET, "CONSENT_SPOOL": spool}
    with house(tmp_path_factory.mktemp("house"), **settings) as made:
        made.numbers = iter(range(1, 1000))
        made.processes = made.children("")
        yield made


def order(home):
    """A number, and a request for its order that is the same each time it is made."""
    number, now = next(home.numbers), datetime.now(UTC)
    call = {"caller_number": "10085", "recording_id": f"rec-{number}"}
    call |= {"started_at": (now - timedelta(minutes=4)).isoformat(), "agreed_at": now.isoformat()}
    return number, lambda: home.place(number, key=f"order-{number}", call=call)


def is_refused(answer):
    status, problem = answer
    assert status == 503, problem
    assert problem["code"] in {"store_unavailable", "not_durable"}, problem


def goes_on(home, running, number, place, seen):
    """Assert that the same request is taken once, earlier records are there, and workers do their work."""
    status, placed = until("it is taken", lambda: (got := place())[0] in {200, 201} and got)
    until("the question is handed over", lambda: home.state(placed["id"]) == "awaiting_reply")
    assert [sms["to"] for sms in home.ledger()["sms"]].count(f"+86138{number:08d}") == 1
    until("its yes is taken", lambda: home.say(seen[0], "是", f"mo-{seen[0]}")[0] == 200)
    until("and goes to its end", lambda: home.state(seen[1]) == "notified")
    with running.client() as client:
        until("nothing is half done", lambda: broken(client, SECRET) == [])
    assert home.children("") == home.processes, "nobody was started anew"
    return status


def full(running):
    running.do("CONFIG", "SET", "maxmemory", "1")
    return lambda: running.do("CONFIG", "SET", "maxmemory", "0")


def a_replica(running):
    running.do("REPLICAOF", "127.0.0.1", free_port())
    return lambda: running.do("REPLICAOF", "NO", "ONE")


def without_its_replicas(running):
    running.do("CONFIG", "SET", "min-replicas-to-write", "1")
    return lambda: running.do("CONFIG", "SET", "min-replicas-to-write", "0")


def that_cannot_save(running):
    """Its snapshots fail: the folder is gone."""
    gone = running.folder / "gone"
    gone.mkdir()
    running.do("CONFIG", "SET", "dir", str(gone))
    gone.rmdir()
    running.do("CONFIG", "SET", "save", "3600 1")
    running.do("BGSAVE")
    until("it has failed", lambda: running.do("INFO", "persistence")["rdb_last_bgsave_status"] == "err")

    def heal():
        running.do("CONFIG", "SET", "dir", str(running.folder))
        running.do("BGSAVE")
        until("it is saved", lambda: running.do("INFO", "persistence")["rdb_last_bgsave_status"] == "ok")
        running.do("CONFIG", "SET", "save", "")

    return heal


def on_a_full_disk(running):
    """`always` ends a server that cannot write its file; it is started again, once there is room."""
    full_at = running.aof().stat().st_size + 300
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (full_at, UNLIMITED))
    return lambda: (running.process.wait(HANGS_S), running.start())


def killed(running):
    running.kill()
    return running.start


@pytest.mark.parametrize("breaks", [full, a_replica, without_its_replicas, that_cannot_save, on_a_full_disk, killed])
def test_a_redis_that_cannot_take_it_is_a_503_and_nothing_is_half_done(home, running, breaks):
    before, placing_before = order(home)
    status, stood = placing_before()
    assert status == 201, stood
    until("asked", lambda: home.state(stood["id"]) == "awaiting_reply")
    number, place = order(home)
    heal = breaks(running)
    try:
        is_refused(place())
        until("it is in the spool", lambda: home.say(before, "是", f"mo-{before}")[0] == 200)
        assert home.ask("GET", "/healthz")[0] == 200
    finally:
        heal()
    goes_on(home, running, number, place, (before, stood["id"]))


def test_replies_kept_while_redis_is_away_are_in_force_though_the_api_is_killed_as_it_keeps_and_as_it_stores(
    home, running
):
    orders = {number: place()[1]["id"] for number, place in (order(home) for _ in range(8))}
    until("all are asked", lambda: {home.state(each) for each in orders.values()} == {"awaiting_reply"})

    def stops(number):  # then says yes: no worker may see that before the STOP
        return [home.say(number, text, f"{text}-{number}")[0] for text in ("TD", "是")]

    def kill_api():
        [killed] = home.children(" api")
        os.kill(killed, signal.SIGKILL)
        until("it is started again", lambda: set(home.children(" api")) - {killed})

    running.kill()
    with ThreadPoolExecutor(8) as posts:
        assert list(posts.map(stops, orders)) == [[200, 200]] * 8
    kill_api()
    running.start()
    kill_api()
    until("all are in force", lambda: is_there(home) and {home.state(each) for each in orders.values()} == {"declined"})
    assert not {each["order_id"] for each in home.ledger()["activations"]} & set(orders.values())
    with running.client() as client:
        until("nothing is half done", lambda: broken(client, SECRET) == [])
    home.processes = home.children("")


def is_there(home):
    try:
        return home.call("GET", "/readyz")[0] == 200
    except OSError:
        return False


def test_a_slow_redis_is_waited_for(home, running):
    before, placing_before = order(home)
    stood = placing_before()[1]
    until("asked", lambda: home.state(stood["id"]) == "awaiting_reply")
    number, place = order(home)
    running.do("CLIENT", "PAUSE", "1500", "ALL")
    assert place()[0] == 201
    assert goes_on(home, running, number, place, (before, stood["id"])) == 200


def test_a_redis_slower_than_we_wait_may_have_done_it_and_the_same_request_is_the_same_order(tmp_path):
    class Impatient(Durable):
        timeout_s = 1.0

    with (
        server(tmp_path / "s", "appendfsync always") as slow,
        closing(Impatient(slow)) as world,
        slow.client() as other,
    ):
        world.place(key="known")
        store = world.engine.store.records
        save, orders = store.commit, lambda: len(other.keys("ce:*:order:*"))

        def commit(commits, **more):
            sleeping = other.connection_pool.get_connection()
            sleeping.send_command("DEBUG", "SLEEP", "4")
            until("it sleeps", lambda: is_silent(slow))
            other.connection_pool.release(sleeping)
            sleeping.disconnect()
            return save(commits, **more)

        store.commit = commit
        with pytest.raises(StoreUnavailable):
            world.place("13900139003", key="once")
        store.commit = save
        until("it has done it all the same", lambda: orders() == 2)
        world.place("13900139003", key="once")
        assert orders() == 2
        assert broken(world.client) == []


def is_silent(running):
    with Redis(port=running.port, socket_timeout=0.5, retry=None) as client:
        try:
            return not client.ping()
        except RedisTimeout:
            return True
