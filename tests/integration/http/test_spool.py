"""The webhooks' door while the store is away: with a spool, posts are verified, kept and acknowledged."""

from contextlib import closing

from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from tests.integration.api_door import NUMBER, SECRET, Door, is_problem, reply


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
