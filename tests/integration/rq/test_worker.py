"""The RQ worker trusts nothing it reads: a job that is no wake-up of ours is refused unrun, and the next is done."""

import os
import re
import signal
import tracemalloc
import zlib

import pytest
from rq import Queue, Worker
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.job import Dependency, Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry
from rq.serializers import JSONSerializer

from consent_engine.adapters.rq_queue import JOB, RqQueue, lane_queue
from consent_engine.domain.effects import Lane
from consent_engine.engine.slice import Tally
from consent_engine.ports import Outside
from tests.integration.rq.attacks import ATTACKS, OUT_OF_THE_WAY, enqueued, put
from tests.integration.rq_house import everything
from workers import jobs
from workers.engine_loop import EngineLoop
from workers.worker import LaneWorker


class Played:
    """Slices that remember their lanes, and end as the test says."""

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
    worker.do_next()
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
    worker.do_next()
    failed = FailedJobRegistry("sms", connection=redis, serializer=JSONSerializer)
    assert failed.get_job_ids() == [job_id]
    assert fetched(redis, job_id).latest_result().exc_string == "sms: performed 3, accepted 2, parked 1"
    assert 80_000 < redis.ttl(f"rq:job:{job_id}") <= 86_400
    slices.ends = {"performed": 1}
    failed.requeue(job_id)
    worker.do_next()
    assert fetched(redis, job_id).is_finished
    assert len(slices.lanes) == 2


def test_a_defect_fails_the_job_by_its_kind_and_names_nobody(redis, worker, slices, wakes, caplog):
    slices.ends = KeyError("+8613800138000 说是")
    wakes.wake(Lane.SMS, 1)
    job_id = redis.lindex("rq:queue:sms", 0).decode()
    worker.do_next()
    assert fetched(redis, job_id).latest_result().exc_string == "sms: KeyError"
    assert b"13800138000" not in everything(redis, "*")
    assert "13800138000" not in caplog.text


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_is_no_wake_up_of_ours_is_refused_unrun(redis, worker, slices, wakes, tmp_path, attack):
    touched = tmp_path / "touched"
    bad = attack(redis, touched)
    good = lane_queue(Lane.SMS, redis).enqueue_call(JOB, args=["sms"]).id
    worker.do_next()
    assert slices.lanes == []
    worker.do_next()
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
    worker.do_next()
    put(redis, {"data": zlib.compress(b"[" * 3_900_000)})
    tracemalloc.start()
    worker.do_next()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


@pytest.mark.parametrize("attack", OUT_OF_THE_WAY.values(), ids=OUT_OF_THE_WAY.keys())
def test_what_is_no_job_at_all_does_not_stand_in_the_way(redis, worker, slices, wakes, attack):
    attack(redis)
    lane_queue(Lane.SMS, redis).enqueue_call(JOB, args=["sms"])
    worker.do_next()
    worker.do_next()
    assert slices.lanes == [Lane.SMS]
    assert redis.type("rq:queue:timer") in {b"none", b"list"}


def test_a_dependent_that_somebody_hung_on_our_job_is_not_enqueued(redis, worker, slices, wakes):
    wakes.wake(Lane.SMS, 1)
    ours = redis.lindex("rq:queue:sms", 0).decode()
    other = Queue("elsewhere", connection=redis, serializer=JSONSerializer)
    other.enqueue("os.system", "true", depends_on=Dependency([fetched(redis, ours)]))
    worker.do_next()
    assert slices.lanes == [Lane.SMS]
    assert redis.llen("rq:queue:elsewhere") == 0


def test_lanes_are_taken_in_turn(redis, worker, slices, wakes):
    for lane in (Lane.SMS, Lane.INBOUND, Lane.TIMER):
        wakes.wake(lane, 200)
        wakes.wake(lane, 200)
    for _ in range(6):
        worker.do_next()
    assert len(slices.lanes) == 6
    assert set(slices.lanes[:3]) == {Lane.SMS, Lane.INBOUND, Lane.TIMER} == set(slices.lanes[3:])


def test_nobody_can_command_it_by_publishing_and_no_alarm_is_set(redis, worker, slices, wakes):
    before = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT)}
    wakes.wake(Lane.SMS, 1)
    worker.do_next()
    assert redis.pubsub_numsub(PUBSUB_CHANNEL_TEMPLATE % worker.name)[0][1] == 0
    assert worker.pubsub is None
    assert worker.scheduler is None
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_it_is_in_rqs_registry_again_after_rq_lost_its_keys(redis, worker, slices, wakes):
    worker.do_next()
    assert [w.name for w in Worker.all(connection=redis)] == ["w-1"]
    redis.flushall()
    wakes.wake(Lane.SMS, 1)
    worker.do_next()  # its bookkeeping leaves half a worker behind
    worker._beat_at = 0.0  # noqa: SLF001 - as if ten seconds later
    worker.do_next()
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
    worker.do_next()
    assert [redis.exists(f"rq:{registry}:sms") for registry in ("finished", "failed", "wip")] == [0, 0, 0]
    assert redis.smembers("rq:workers:sms") == {b"rq:worker:w-1"}


def test_a_job_costs_half_of_what_rqs_own_worker_spends(redis, worker, slices, wakes):
    worker.do_next()
    wakes.wake(Lane.SMS, 1)
    redis.config_resetstat()
    worker.do_next()
    commands = int(redis.info("stats")["total_commands_processed"])
    assert commands <= 35  # 32 with the CONFIG and INFO of this test; SimpleWorker: 58 to 64


class Engine:
    """A stand-in for the engine of a process: a lane with more effects than a slice performs."""

    outside = Outside({})
    due = 7

    def __init__(self, tally):
        self.tally, self.woken = tally, []
        self.performer = self.queue = self.lanes = self

    async def perform_on(self, lane, seconds, lanes):
        return {lane: self.tally}

    def drained(self):
        return {}

    def stays(self, lanes):
        return False

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
