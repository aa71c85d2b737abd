"""Rows of the failure matrix and of RQ's pitfalls: whatever becomes of jobs, each order is processed once."""

import re
import socket
import subprocess
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.rq_queue import RqQueue
from consent_engine.domain.effects import Lane, Unavailable
from consent_engine.domain.offer.offer import Policy
from consent_engine.process import Stop
from tests import needs
from tests.conftest import World
from tests.integration.rq_house import Works, works
from tests.waiting import HANGS_S, until
from workers import jobs
from workers.worker import WORKER_TTL_S, LaneWorker


@pytest.fixture
def place_of_work(started, tmp_path):
    # Calls wait for the test, however slow this machine is: none of them may end in doubt.
    with works(started, tmp_path, CONSENT_CALL_TIMEOUT="20s", CONSENT_LEASE="25s") as made:
        yield made


def ticks(place_of_work, n):
    """Wait until every worker's clock has ticked so often."""
    heard = place_of_work.redis.hgetall("ce:workers")
    for _ in range(n):
        before = heard
        until("the clocks tick", lambda: all(_heard(place_of_work, name) != at for name, at in before.items()))  # noqa: B023
        heard = place_of_work.redis.hgetall("ce:workers")


def _heard(place_of_work, name):
    return place_of_work.redis.hget("ce:workers", name)


def asked_once(place_of_work, orders):
    """Check that each question went out while its answer was held back; then release the answers."""
    refs = [place_of_work.call()["ref"] for _ in orders]
    until("the doubled jobs are gone", lambda: not place_of_work.redis.llen("rq:queue:sms"))
    ticks(place_of_work, 1)
    place_of_work.gateway.hold.set()
    for order in orders:
        place_of_work.becomes(order, "awaiting_reply")
    assert sorted(refs) == sorted(f"{each}.confirmation.1" for each in orders)
    assert place_of_work.gateway.calls.empty()


def test_jobs_that_are_doubled_ask_nobody_twice(place_of_work: Works):
    orders = [place_of_work.place() for _ in range(5)]
    ids = place_of_work.redis.lrange("rq:queue:sms", 0, -1)
    assert ids
    for _ in range(20):
        place_of_work.redis.rpush("rq:queue:sms", *ids)
    place_of_work.gateway.hold.clear()
    place_of_work.work()
    place_of_work.work()
    asked_once(place_of_work, orders)


def test_two_clocks_at_once_ask_nobody_twice(place_of_work: Works):
    place_of_work.redis.delete("rq:queue:sms")
    orders = [place_of_work.place() for _ in range(20)]
    place_of_work.redis.delete("rq:queue:sms")
    place_of_work.gateway.hold.clear()
    for _ in range(2):
        place_of_work.work(CONSENT_RQ_URL="unix:///nowhere/redis.sock?db=0")
    asked_once(place_of_work, orders)


def test_what_is_due_later_waits_with_us_and_nothing_in_rqs_scheduler(started, redis):
    client = connect(started.url)
    world = World(client)
    world.engine.queue = world.engine.performer._queue = RqQueue(started.url)  # noqa: SLF001 - the real one
    world.gateway.answers[:] = [Unavailable("503")]
    order = world.place()
    world.run(Lane.SMS)
    assert client.zscore(Cell().due["mobile"], f"o:{order.id}:sms.confirmation.1") > world.clock() - 20
    assert client.zscore(Cell().due[Lane.TIMER], f"o:{order.id}:wake.too_late_to_ask") == order.ask_by
    assert redis.llen("rq:queue:sms") >= 1
    assert [key for key in redis.scan_iter("rq:*") if re.match(rb"rq:(scheduler|scheduled|cron)", key)] == []
    world.runner.close()


class Watching:
    """Slices that look at RQ's registry while they run."""

    def __init__(self, redis):
        self.redis, self.seen = redis, []

    def perform(self, lane):
        self.seen += self.redis.zrange(f"rq:wip:{lane}", 0, -1, withscores=True)
        return {"performed": 0}


def test_a_slice_whose_worker_dies_is_forgotten_within_a_minute(started, redis):
    watching = Watching(redis)
    jobs.serve(watching)
    worker = LaneWorker(list(Lane), redis, "w-1")
    RqQueue(started.url).wake(Lane.SMS, 1)
    worker.do_next()
    now = int(redis.time()[0])
    assert [score - now <= WORKER_TTL_S + 1 for _, score in watching.seen] == [True]
    assert WORKER_TTL_S <= 60
    jobs.serve(None)


def test_no_job_passes_through_an_intermediate_list_that_somebody_would_have_to_clean(started, redis):
    watching = Watching(redis)
    jobs.serve(watching)
    watching.perform = lambda lane: watching.seen.extend(redis.scan_iter("rq:queue:*")) or {"performed": 0}
    RqQueue(started.url).wake(Lane.SMS, 1)
    LaneWorker(list(Lane), redis, "w-1").do_next()
    assert watching.seen == []
    jobs.serve(None)


def test_tries_are_spread_over_the_whole_pause_and_grow():
    policy = Policy(retry_base=1_000, retry_max=60_000)
    first = [policy.backoff(1, roll / 100) for roll in range(101)]
    assert (min(first), max(first)) == (100, 1_000)
    assert len(set(first)) > 90
    assert [policy.backoff(n, 1.0) for n in range(1, 9)] == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]


def test_the_stores_client_repeats_nothing_by_itself_and_leaves_no_answer_for_the_next():
    pool = connect("redis://127.0.0.1:1/0").connection_pool
    assert pool.connection_kwargs["retry"].get_retries() == 0
    assert pool.connection_kwargs["retry_on_error"] == []
    assert 0 < pool.connection_kwargs["socket_timeout"] <= 5
    assert not pool.maint_notifications_enabled()


@pytest.fixture
def cluster(tmp_path):
    """Start a Redis that checks slots: a cluster of one."""
    binary = needs.server()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, bus = one.getsockname()[1], other.getsockname()[1]
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "",
         "--cluster-port", str(bus), "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    client = connect(f"redis://127.0.0.1:{port}/0")

    try:
        until("it answers", lambda: _taken(client, "PING"))
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until("it serves", lambda: _taken(client, "SET", "ready", "1"))
        yield client
    finally:
        client.close()
        process.kill()
        process.wait(HANGS_S)


def test_every_script_keeps_to_one_slot(cluster):
    world = World(cluster, cell=Cell(alone=False))
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run()
    assert world.state(order) == "notified"
    stopped = world.place("13900139000")
    world.run(Lane.SMS)
    world.say("TD", "+8613900139000")
    world.run()
    assert world.state(stopped) == "declined"
    world.runner.close()


def _taken(client, *command):
    try:
        return client.execute_command(*command)
    except RedisError:
        return None


def test_whatever_kills_a_process_or_a_server_is_tried_on_a_real_server():
    """A database that `a_store` lends is one of a server that other tests use, and that keeps nothing on disk."""
    here = Path(__file__).parents[2]
    deadly = [path for path in here.rglob("*.py") if re.search(r"SIGKILL|\.kill\(|os\._exit", path.read_text("utf-8"))]
    assert len(deadly) >= 5
    deadly += [here / "integration" / "rq" / name for name in ("test_worker.py", "test_queue.py", "test_processes.py")]
    # The first runs its cases on both, the second is this file, the third stops a real PostgreSQL, the fourth a process
    # that posts from SQL: it has the turn in Redis and nothing else there.
    allowed = {"test_scripts.py", "test_lost_jobs.py", "test_archive_databases.py", "test_feeding_killed.py"}
    using = [path.name for path in deadly if re.search(r"FakeRedis|\b(fake|a_store)\b", path.read_text("utf-8"))]
    using = [name for name in using if name not in allowed]
    assert using == []


class Hanging:
    """An engine's loop in which a slice does not end in time."""

    def perform(self, lane, seconds, bound):
        raise TimeoutError


def test_a_slice_that_hangs_ends_its_process_and_names_nobody():
    stop = Stop()
    slices = jobs.Slices(Hanging(), stop)
    jobs.serve(slices)
    with pytest.raises(jobs.SliceError, match=r"^sms: the slice hangs$"):
        jobs.perform("sms")
    assert stop.is_set
    assert slices.hung
    jobs.serve(None)
