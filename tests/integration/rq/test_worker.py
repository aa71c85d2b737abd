"""The RQ worker believes nothing it reads: what is no wake-up of ours is refused unrun, and the next job is done."""

import os
import pickle
import re
import signal
import tracemalloc
import zlib
from types import SimpleNamespace

import pytest
from rq import Callback, Queue, Retry, Worker
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.job import Dependency, Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from consent_engine.adapters.rq_queue import JOB, RqQueue, connect_rq, lane_queue
from consent_engine.domain.effects import Lane
from consent_engine.engine.slice_result import Tally
from tests.integration.rq_house import server
from workers import jobs
from workers.engine_loop import EngineLoop
from workers.worker import LaneWorker


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with server(tmp_path_factory.mktemp("q")) as running:
        yield running


@pytest.fixture
def redis(started):
    client = connect_rq(started.url, 5.0)
    client.flushall()
    return client


class Played:
    """Slices that remember their lanes, and end as they are told."""

    def __init__(self):
        self.lanes = []
        self.ends = {"performed": 1}

    def perform(self, lane):
        self.lanes.append(lane)
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends


@pytest.fixture
def slices():
    played = Played()
    jobs.serve(played)
    yield played
    jobs.serve(None)


@pytest.fixture
def worker(redis, slices):
    made = LaneWorker(list(Lane), redis, "w-1")
    made.register_birth()
    return made


@pytest.fixture
def wakes(started, redis):
    return RqQueue(started.url)


def fetched(redis, job_id):
    return Job.fetch(job_id, connection=redis, serializer=JSONSerializer)


def test_a_job_is_done_and_says_what_came_of_it(redis, worker, slices, wakes):
    slices.ends = {"performed": 3, "accepted": 2, "retried": 1}
    wakes.wake(Lane.SMS, 3)
    job_id = redis.lindex("rq:queue:sms", 0).decode()
    worker.take()
    job = fetched(redis, job_id)
    assert slices.lanes == [Lane.SMS]
    assert job.is_finished
    assert job.return_value() == {"performed": 3, "accepted": 2, "retried": 1}
    assert FinishedJobRegistry("sms", connection=redis).get_job_ids() == [job_id]
    assert 0 < redis.ttl(job.key) <= 300
    assert redis.zcard("rq:wip:sms") == 0


def test_what_was_parked_fails_the_job_in_counts_and_requeueing_is_one_more_wake_up(redis, worker, slices, wakes):
    slices.ends = jobs.SliceError("sms: performed 3, accepted 2, parked 1")
    wakes.wake(Lane.SMS, 3)
    job_id = redis.lindex("rq:queue:sms", 0).decode()
    worker.take()
    failed = FailedJobRegistry("sms", connection=redis, serializer=JSONSerializer)
    assert failed.get_job_ids() == [job_id]
    assert fetched(redis, job_id).latest_result().exc_string == "sms: performed 3, accepted 2, parked 1"
    assert 80_000 < redis.ttl(f"rq:job:{job_id}") <= 86_400
    slices.ends = {"performed": 1}
    failed.requeue(job_id)
    worker.take()
    assert fetched(redis, job_id).is_finished
    assert len(slices.lanes) == 2


def test_a_defect_fails_the_job_by_its_kind_and_names_nobody(redis, worker, slices, wakes, caplog):
    slices.ends = KeyError("+8613800138000 说是")
    wakes.wake(Lane.SMS, 1)
    job_id = redis.lindex("rq:queue:sms", 0).decode()
    worker.take()
    assert fetched(redis, job_id).latest_result().exc_string == "sms: KeyError"
    kept = b"".join(key + (redis.dump(key) or b"") for key in redis.keys("*"))
    assert b"13800138000" not in kept
    assert "13800138000" not in caplog.text


class Bomb:
    """Pickled: touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def enqueued(redis, func=JOB, args=("sms",), **more):
    queue = Queue("sms", connection=redis, serializer=JSONSerializer)
    return queue.enqueue_call(func, args=list(args), **more).id


def put(redis, fields, job_id="bad"):
    redis.hset(f"rq:job:{job_id}", mapping=fields)
    redis.rpush("rq:queue:sms", job_id)
    return job_id


def changed(redis, **fields):
    job_id = enqueued(redis)
    redis.hset(f"rq:job:{job_id}", mapping=fields)
    return job_id


def call(text):
    return zlib.compress(text.encode())


ATTACKS = {
    "another function": lambda r, p: enqueued(r, "os.system", [f"touch {p}"]),
    "ours with other arguments": lambda r, p: enqueued(r, JOB, ["sms", f"touch {p}"]),
    "ours with no lane": lambda r, p: enqueued(r, JOB, ["moon"]),
    "ours with keywords": lambda r, p: enqueued(r, kwargs={"lane": "sms"}),
    "a method of an instance": lambda r, p: put(r, {"data": call(f'["{JOB}", {{"a": 1}}, ["sms"], {{}}]')}),
    "a pickle": lambda r, p: put(r, {"data": zlib.compress(pickle.dumps((JOB, Bomb(p), ("sms",), {})))}),
    "a pickle, not packed": lambda r, p: put(r, {"data": pickle.dumps(Bomb(p))}),
    "a pickled result": lambda r, p: changed(r, result=pickle.dumps(Bomb(p))),
    "meta": lambda r, p: changed(r, meta=pickle.dumps(Bomb(p))),
    "a success callback": lambda r, p: enqueued(r, on_success=Callback("os.system")),
    "a failure callback": lambda r, p: enqueued(r, on_failure=Callback("os.system")),
    "a stopped callback": lambda r, p: enqueued(r, on_stopped=Callback("os.system")),
    "a webhook": lambda r, p: enqueued(r, webhooks=[Webhook("http://127.0.0.1:1/", "finished")]),
    "a retry": lambda r, p: enqueued(r, retry=Retry(max=3)),
    "a group": lambda r, p: changed(r, group_id="g"),
    "repeats": lambda r, p: changed(r, repeats_left=3, repeat_intervals="[1]"),
    "a rate limit": lambda r, p: changed(r, rate_limit_key="k", rate_limit_concurrency=1),
    "a dependency": lambda r, p: changed(r, dependency_ids='["other"]'),
    "a status nobody knows": lambda r, p: changed(r, status="odd"),
    "an instant nobody can read": lambda r, p: changed(r, created_at="yesterday"),
    "a field of a later RQ": lambda r, p: changed(r, on_whatever="os.system"),
    "no data": lambda r, p: put(r, {"status": "queued"}),
    "garbage": lambda r, p: put(r, {b"\xff\xfe": b"\xff", "data": b"\xff\x00"}),
    "depth": lambda r, p: put(r, {"data": call("[" * 3_000)}),
    "a bomb that unpacks to a gigabyte": lambda r, p: put(r, {"data": zlib.compress(b"[" * 3_000_000)}),
    "a large field": lambda r, p: changed(r, description="x" * 5_000),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_is_no_wake_up_of_ours_is_refused_unrun(redis, worker, slices, wakes, tmp_path, attack):
    touched = tmp_path / "touched"
    bad = attack(redis, touched)
    good = lane_queue(Lane.SMS, redis).enqueue_call(JOB, args=["sms"]).id
    worker.take()
    assert slices.lanes == []
    worker.take()
    assert slices.lanes == [Lane.SMS]
    assert not touched.exists()
    assert fetched(redis, good).is_finished
    sign = fetched(redis, bad)
    assert sign.is_failed
    assert sign.description.startswith("refused: ")
    assert sign.func_name == "refused"
    assert FailedJobRegistry("sms", connection=redis).get_job_ids() == [bad]
    assert 0 < redis.ttl(sign.key) <= 86_400
    assert redis.llen("rq:queue:sms") == 0


def test_a_job_that_unpacks_to_more_than_a_wake_up_is_not_unpacked(redis, worker, slices):
    put(redis, {"data": zlib.compress(b"[" * 3_900_000)})
    worker.take()
    put(redis, {"data": zlib.compress(b"[" * 3_900_000)})
    tracemalloc.start()
    worker.take()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


def no_hash(redis):
    redis.set("rq:job:no-hash", "a text")
    redis.rpush("rq:queue:sms", "no-hash")


OUT_OF_THE_WAY = {
    "a job that is no hash": no_hash,
    "an id that is none": lambda r: r.rpush("rq:queue:sms", b"../\xff:{x}"),
    "an id as long as a book": lambda r: r.rpush("rq:queue:sms", b"x" * 10_000),
    "an id without a job": lambda r: r.rpush("rq:queue:sms", "gone"),
    "a queue that is a set": lambda r: r.sadd("rq:queue:timer", "x"),
}


@pytest.mark.parametrize("attack", OUT_OF_THE_WAY.values(), ids=OUT_OF_THE_WAY.keys())
def test_what_is_no_job_at_all_does_not_stand_in_the_way(redis, worker, slices, wakes, attack):
    attack(redis)
    lane_queue(Lane.SMS, redis).enqueue_call(JOB, args=["sms"])
    worker.take()
    worker.take()
    assert slices.lanes == [Lane.SMS]
    assert redis.type("rq:queue:timer") in {b"none", b"list"}


def test_a_dependent_that_somebody_hung_on_our_job_is_not_enqueued(redis, worker, slices, wakes):
    wakes.wake(Lane.SMS, 1)
    ours = redis.lindex("rq:queue:sms", 0).decode()
    other = Queue("elsewhere", connection=redis, serializer=JSONSerializer)
    other.enqueue("os.system", "true", depends_on=Dependency([fetched(redis, ours)]))
    worker.take()
    assert slices.lanes == [Lane.SMS]
    assert redis.llen("rq:queue:elsewhere") == 0


def test_lanes_are_taken_in_turn(redis, worker, slices, wakes):
    for lane in (Lane.SMS, Lane.INBOUND, Lane.TIMER):
        wakes.wake(lane, 200)
        wakes.wake(lane, 200)
    for _ in range(6):
        worker.take()
    assert len(slices.lanes) == 6
    assert set(slices.lanes[:3]) == {Lane.SMS, Lane.INBOUND, Lane.TIMER} == set(slices.lanes[3:])


def test_nobody_can_command_it_by_publishing_and_no_alarm_is_set(redis, worker, slices, wakes):
    before = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT)}
    wakes.wake(Lane.SMS, 1)
    worker.take()
    assert redis.pubsub_numsub(PUBSUB_CHANNEL_TEMPLATE % worker.name)[0][1] == 0
    assert worker.pubsub is None
    assert worker.scheduler is None
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_it_is_in_rqs_registry_again_after_rq_lost_its_keys(redis, worker, slices, wakes):
    worker.take()
    assert [w.name for w in Worker.all(connection=redis)] == ["w-1"]
    redis.flushall()
    wakes.wake(Lane.SMS, 1)
    worker.take()  # its bookkeeping leaves half a worker behind
    worker._beat_at = 0.0  # noqa: SLF001 - ten seconds later
    worker.take()
    [again] = Worker.all(connection=redis)
    assert (again.name, again.pid) == ("w-1", os.getpid())
    assert redis.ttl("rq:worker:w-1") > 0


def test_what_a_killed_worker_left_is_tidied_without_being_read(redis, worker, slices, wakes):
    bad = enqueued(redis, "os.system", ["true"])
    for registry in ("finished", "failed", "wip"):
        redis.zadd(f"rq:{registry}:sms", {bad: 1, "more": 1})
    redis.sadd("rq:workers", "rq:worker:dead")
    redis.sadd("rq:workers:sms", "rq:worker:dead")
    redis.delete("rq:queue:sms")
    worker.take()
    assert [redis.exists(f"rq:{registry}:sms") for registry in ("finished", "failed", "wip")] == [0, 0, 0]
    assert redis.smembers("rq:workers:sms") == {b"rq:worker:w-1"}


def test_a_job_costs_half_of_what_rqs_own_worker_spends(redis, worker, slices, wakes):
    worker.take()
    wakes.wake(Lane.SMS, 1)
    redis.config_resetstat()
    worker.take()
    commands = int(redis.info("stats")["total_commands_processed"])
    assert commands <= 35  # 32 with the CONFIG and INFO of this test; SimpleWorker: 58 to 64


class Engine:
    """The engine of a process, played: a lane that has more than a slice's worth."""

    outside = SimpleNamespace(gateways={}, bss=None)
    due = 7

    def __init__(self, tally):
        self.tally, self.woken = tally, []
        self.performer = self.queue = self.lanes = self

    async def perform_on(self, lane, seconds, lanes):
        return {lane: self.tally}

    def depths(self):
        return dict.fromkeys(Lane, self)

    def wake(self, lane, due):
        self.woken.append((lane, due))


def test_a_slice_that_leaves_work_queues_its_lane_again_also_when_it_parked_something():
    tally = Tally(left=True)
    tally.counts.update(accepted=197, retried=2, parked=1)
    engine = Engine(tally)
    loop = EngineLoop(lambda: engine)
    with pytest.raises(jobs.SliceError, match=re.escape("sms: performed 200, accepted 197, retried 2, parked 1")):
        jobs.Slices(loop, None).perform(Lane.SMS)
    loop.close()
    assert engine.woken == [(Lane.SMS, 7)]
