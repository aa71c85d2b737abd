"""Moves between stores, and the points at which they die."""

import pytest

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.reshard.move import Move
from tests.cluster.celled import Celled
from tests.memory import a_store


class Died(BaseException):
    """The process is gone."""


class Quiet(Move):
    """A move between stores that share a server: its list of clients says nothing about one of them."""

    def rest(self):
        self.rested = True


WORLDS = []


def fake(count, clock=None, **more):
    WORLDS.append(Celled(a_store(), count, clock=clock, **more))
    return WORLDS[-1]


def moved(old, new):
    return Quiet(old.side(), new.side(), lambda told: None).run()


def target(count, clock, **more):
    """An empty Redis, and the world that will be there."""
    made = fake(count, clock, **more)
    made.client.flushdb()
    return made


def aside(world):
    rows = [row for key in world.client.keys("*:unmatched") for row in world.client.xrange(key)]
    return sorted(fields["m"] for _, fields in rows)


def dying(at, after):
    """Wires that all die at the same round trip: before it, or after it was done."""
    count = [0]

    class Dies(Wire):
        def send(self, calls, **more):
            count[0] += 1
            if count[0] == at and not after:
                raise Died
            answers = super().send(calls, **more)
            if count[0] == at:
                raise Died
            return answers

    return count, lambda client, n: Dies(client, proves=False, replicas=0)


def dead_on_the_way(old, new, at=12):
    _, dies = dying(at, after=True)
    with pytest.raises(Died):
        Quiet(old.side(dies), new.side(dies), lambda told: None).run()


def snapshot(client):
    return {key: client.dump(key) for key in client.keys("*")}


def restore(client, kept):
    client.flushdb()
    for key, value in kept.items():
        client.restore(key, 0, value)
