"""The webhooks' door while the store is away: with a spool, posts are verified, kept and acknowledged."""

from contextlib import closing

import pytest

from benchmarks.ports import free_port
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from tests.integration.api_door import NUMBER, SECRET, Door, is_problem, reply


def full(redis):
    redis.config_set("maxmemory", "1")
    return lambda: redis.config_set("maxmemory", "0")


def a_replica(redis):
    redis.replicaof("127.0.0.1", free_port())
    return lambda: redis.replicaof("NO", "ONE")


def without_its_replicas(redis):
    redis.config_set("min-replicas-to-write", "1")
    return lambda: redis.config_set("min-replicas-to-write", "0")


@pytest.mark.parametrize(
    ("breaks", "code"),
    [(full, "store_unavailable"), (a_replica, "not_durable"), (without_its_replicas, "store_unavailable")],
)
def test_without_a_spool_a_reply_is_503_while_redis_takes_no_writes_and_is_taken_once_it_comes_again(
    running, breaks, code
):
    with closing(Door(*running)) as door:
        heal = breaks(door.redis)
        try:
            is_problem(door.post("inbound", reply()), 503, code)
        finally:
            heal()
        assert door.post("inbound", reply()).json()["accepted"] == 1
        assert door.redis.llen(*door.redis.keys("ce:*:inbox:*")) == 1


def test_posts_are_kept_while_the_store_is_away_and_stored_once_it_is_back(running, tmp_path):
    with closing(Door(*running, CONSENT_SPOOL=str(tmp_path / "spool"))) as door:
        post = door.post

        def signed(text, n, secret=SECRET):
            return post("inbound", reply(text, message_id=f"m-{n}"), secret=secret)

        door.serve(door.nowhere())
        spooling = door.app.state.front.spool
        spooling.turn(door.engine)
        is_problem(signed("TD", 1), 503, "store_unavailable")
        spooling.usable_from = 0.0
        is_problem(signed("TD", 1, "another-secret-another-secret"), 401, "unauthenticated")
        assert spooling.spool.waiting == 0
        came = door.engine.registry.now()
        spooling.keep(door.engine, [Reply("simulated", "m-0", Msisdn(NUMBER), "10085", "?", came=came)])
        assert spooling.in_force, "no post is acknowledged before"
        spooling.in_force = 0.0
        assert signed("TD", 1).json() == {"accepted": 1, "rejected": []}
        assert post("inbound", {"message_id": "m"}).json()["accepted"] == 0
        assert signed("是", 2).json()["accepted"] == 1
        assert spooling.spool.waiting == 3
        spooling.turn(door.engine)
        [refused] = door.engine.line(Msisdn(NUMBER)).restrictions
        assert (refused.kind, refused.ref) == (Kind.REFUSED, "m-1")
        assert door.redis.llen(*door.redis.keys("ce:*:inbox:*")) == 3
