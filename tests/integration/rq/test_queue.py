"""Wake-ups in RQ's queues: at most two per lane, cheap to lose, and never an error for code that makes effects due."""

import json
import threading
import zlib

from rq.job import Job
from rq.serializers import JSONSerializer

from consent_engine.adapters.rq_queue import MUCH, RqQueue, connect_rq, lane_queue
from consent_engine.domain.effects import Lane
from tests.waiting import HANGS_S


def test_a_job_names_a_lane_and_shows_how_much_is_due(started, redis):
    RqQueue(started.url).wake(Lane.SMS, 200)
    [job_id] = redis.lrange("rq:queue:sms", 0, -1)
    job = Job.fetch(job_id.decode(), connection=redis, serializer=JSONSerializer)
    assert json.loads(zlib.decompress(redis.hget(job.key, "data"))) == ["workers.jobs.perform", None, ["sms"], {}]
    assert job.description == "sms: 200 due"
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (-1, 300, 86_400)
    assert 0 < redis.ttl(job.key) <= 3_600


def test_at_most_two_wait_a_lane_however_many_wake_it_at_once(started, redis):
    queues = [RqQueue(started.url) for _ in range(8)]
    together, most = threading.Barrier(8), []

    def wake(queue):
        together.wait(HANGS_S)
        for _ in range(40):
            queue.wake(Lane.SMS, 200)
            most.append(redis.llen("rq:queue:sms"))

    threads = [threading.Thread(target=wake, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS_S)
    assert len(most) == 8 * 40
    assert max(most) == 2
    assert len(redis.keys("rq:job:*")) == 2
    assert [queue.failures for queue in queues] == [0] * 8


class Stale:
    """A connection whose first look is older than the second."""

    def __init__(self, client):
        self.pipeline = client.pipeline

    def llen(self, key):
        return 0


def test_the_answer_that_counts_is_the_watched_one(started, redis):
    queue = RqQueue(started.url)
    queue.wake(Lane.SMS, 200)
    queue.wake(Lane.SMS, 200)
    queue._connection = Stale(redis)  # noqa: SLF001
    queue.wake(Lane.SMS, 200)
    assert redis.llen("rq:queue:sms") == 2


def test_a_lane_whose_jobs_were_taken_is_woken_again(started, redis):
    queue = RqQueue(started.url)
    for _ in range(3):
        queue.wake(Lane.TIMER, 200)
    assert redis.llen("rq:queue:timer") == 2
    redis.lpop("rq:queue:timer")
    queue.wake(Lane.TIMER, 200)
    assert redis.llen("rq:queue:timer") == 2
    redis.delete("rq:queue:timer")
    queue.wake(Lane.TIMER, 1)
    assert redis.llen("rq:queue:timer") == 1


def test_one_job_that_waits_is_enough_for_little(started, redis):
    queue = RqQueue(started.url)
    for _ in range(3):
        queue.wake(Lane.SMS, MUCH)
    assert redis.llen("rq:queue:sms") == 1
    queue.wake(Lane.SMS, MUCH + 1)
    assert redis.llen("rq:queue:sms") == 2


def test_ids_are_never_used_again(started, redis):
    queue, seen = RqQueue(started.url), set()
    for _ in range(20):
        queue.wake(Lane.INBOUND, 1)
        seen.add(redis.lpop("rq:queue:inbound"))
    assert len(seen) == 20


def test_trouble_is_counted_told_once_and_raised_never(caplog):
    queue = RqQueue("unix:///nowhere/redis.sock?db=0")
    for lane in Lane:
        queue.wake(lane, 1)
    assert queue.failures == 1  # the clocks take over for a moment, instead of repeated waits for a dead server
    assert [record.message for record in caplog.records] == [
        "wake-ups fail (1 so far), the clocks do without: ConnectionError"
    ]


def test_a_key_that_is_no_queue_raises_nothing(started, redis):
    redis.set("rq:queue:sms", "nonsense")
    queue = RqQueue(started.url)
    queue.wake(Lane.SMS, 1)
    assert queue.failures == 1


def test_the_client_repeats_nothing_and_waits_for_nobody_long(started):
    client = connect_rq(started.url)
    settings = client.connection_pool.connection_kwargs
    assert settings["retry"].get_retries() == 0
    assert settings["socket_timeout"] == 2.0
    assert not connect_rq("redis://127.0.0.1:1/0").connection_pool.maint_notifications_enabled()
    assert lane_queue(Lane.SMS, client).serializer is JSONSerializer
