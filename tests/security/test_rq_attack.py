"""An attacker who can write to RQ's Redis can lose wake-ups, no more: no code runs, no worker stops."""

import pickle
import zlib
from base64 import b64encode

import pytest
from rq.serializers import JSONSerializer, resolve_serializer
from rq.webhook import Webhook

from consent_engine.adapters.rq_queue import JOB, connect_rq, lane_queue
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from tests.integration.page_door import SAME, PageDoor
from tests.integration.rq.attacks import ATTACKS, OUT_OF_THE_WAY, Bomb, enqueued
from tests.integration.rq_house import Gateway, works
from tests.waiting import until

LANES = [lane.value for lane in Lane]


@pytest.fixture
def listening():
    """A server that a webhook would call."""
    made = Gateway()
    yield made
    made.close()


def made_ready(redis, touched):
    """Make the hash of every attack, under a name of its own for every lane. No worker may run yet: one that takes a
    job before it is changed runs it, and it is an attack no longer.
    """
    names = []
    for attack in ATTACKS.values():
        bad = attack(redis, touched)
        for lane in LANES:
            names.append((lane, f"bad-{len(names)}"))
            redis.copy(f"rq:job:{bad}", f"rq:job:{names[-1][1]}")
    return names


def poison(redis, touched, url, ready):
    """Do everything at once, in every lane."""
    redis.delete("rq:queue:timer")
    for attack in OUT_OF_THE_WAY.values():
        attack(redis)
    until("a queue that is none is mended", lambda: redis.type("rq:queue:timer") != b"set")
    for lane, name in ready:
        redis.lpush(f"rq:queue:{lane}", name)
    told = [Webhook(f"{url}/{kind}", kind) for kind in ("finished", "failed")]
    enqueued(redis, JOB, ["sms"], webhooks=told)
    enqueued(redis, "os.system", [f"touch {touched}"], webhooks=told)
    redis.publish("rq:pubsub:anybody", b'{"command": "shutdown"}')


def refused(redis):
    failed = [row for lane in LANES for row in redis.zrange(f"rq:failed:{lane}", 0, -1)]
    return sum(row.startswith(b"bad-") for row in failed)


def test_workers_under_attack_run_nothing_stop_never_and_do_their_work(started, tmp_path, listening):
    touched = tmp_path / "touched"
    with works(started, tmp_path) as house:
        ready = made_ready(house.redis, touched)
        workers = [house.work(), house.work()]
        until("both are in RQ's registry", lambda: house.redis.scard("rq:workers") == len(workers))
        poison(house.redis, touched, listening.url, ready)
        for name in house.redis.smembers("rq:workers"):
            house.redis.publish(f"rq:pubsub:{name.decode().removeprefix('rq:worker:')}", b'{"command": "shutdown"}')
        order = house.place()
        house.becomes(order, "awaiting_reply")
        until("every lane is empty", lambda: not any(house.redis.llen(f"rq:queue:{lane}") for lane in LANES))
        again = house.place()
        house.becomes(again, "awaiting_reply")
        until("all of them were refused", lambda: refused(house.redis) == len(ready))
        assert all(worker.process.poll() is None for worker in workers)
        assert not any("Traceback" in worker.said() for worker in workers)
    assert not touched.exists()
    assert listening.calls.empty()


READS = (
    "/rq/0/view/job/{bad}", "/rq/0/data/job/{bad}.json", "/rq/0/data/queues.json", "/rq/0/data/workers.json",
    "/rq/0/data/jobs/sms/queued/8/asc/1.json", "/rq/0/data/jobs/sms/failed/8/asc/1.json",
)  # fmt: skip
ACTS = (
    "/rq/queue/sms/compact", "/rq/job/{bad}/requeue", "/rq/requeue/sms", "/rq/job/{bad}/delete",
    "/rq/queue/sms/failed/empty", "/rq/queue/sms/queued/empty",
)  # fmt: skip


@pytest.fixture(scope="module")
def door(running):
    made = PageDoor(*running)
    made.rq = connect_rq(running[0])
    made.ops = made.sign_in(Role.OPS)
    yield made
    made.rq.close()
    made.close()


def poisoned(door, name, touched):
    """Fill RQ with one bad job and one good one, both queued and failed; return their ids."""
    for key in door.rq.scan_iter("rq:*"):
        door.rq.delete(key)
    bad = ATTACKS[name](door.rq, touched)
    good = lane_queue(Lane.SMS, door.rq).enqueue_call(JOB, args=["sms"], description="sms: 3 due").id
    door.rq.zadd("rq:failed:sms", dict.fromkeys((bad, good), 10**11))
    return bad, good


@pytest.mark.parametrize("name", ATTACKS)
def test_to_look_at_a_poisoned_job_or_to_act_on_it_runs_nothing(door, tmp_path, name):
    """The dashboard's own way of fetching a job unpickles its data. A page may fail until the job is gone."""
    bad, _ = poisoned(door, name, tmp_path / "touched")
    for path in READS:
        door.ops.get(path.format(bad=bad))
    for path in ACTS:
        bad, _ = poisoned(door, name, tmp_path / "touched")
        door.ops.ask("POST", path.format(bad=bad), headers=SAME)
    assert not (tmp_path / "touched").exists()


def test_what_came_of_a_job_of_ours_is_shown(door, tmp_path):
    _, good = poisoned(door, "a retry", tmp_path / "touched")
    redis = door.rq
    redis.xadd(f"rq:results:{good}", {"type": 2, "exc_string": b64encode(zlib.compress(b"sms: performed 3, parked 1"))})
    assert door.ops.get(f"/rq/0/data/job/{good}.json").json()["exc_info"] == "sms: performed 3, parked 1"


def test_nothing_in_this_process_unpickles_a_job(door):
    """A queue that names no serializer would otherwise get pickle."""
    for named in (None, "pickle", "json"):
        assert resolve_serializer(named) is JSONSerializer


def test_the_attack_is_one(tmp_path):
    """Unpickled, it would have touched the file."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "touched")))  # noqa: S301 - our own
    assert (tmp_path / "touched").exists()
