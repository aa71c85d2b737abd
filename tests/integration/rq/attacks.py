"""Entries that an attacker may write to RQ's Redis: jobs that are no wake-ups, and data that are no job at all."""

import os
import pickle
import zlib

from rq import Callback, Queue, Retry
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from consent_engine.adapters.rq_queue import JOB


class Bomb:
    """A pickle that touches a file when it is unpickled."""

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
