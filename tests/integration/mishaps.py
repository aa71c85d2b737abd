"""Accidents that tests share: an engine that fails at its commits, a lane whose workers die, and parked effects."""

from consent_engine.domain.decide.decision import PARKED, Put
from consent_engine.domain.effects import Pending
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Change, Commit

QUESTION = "sms.confirmation.1"


def dies_after(engine, commits):
    """Let an engine make so many more commits, and then fail as if killed."""
    save, left = engine.store.records.commit, [commits]

    def commit(some, **more):
        if left[0] < len(some):
            raise StoreUnavailable("killed")
        left[0] -= len(some)
        return save(some, **more)

    engine.store.records.commit = commit
    return engine


def happens_before_the_next_commit(engine, what):
    """Let something happen once between an engine's read and its write."""
    save, todo = engine.store.records.commit, [what]

    def commit(some, **more):
        if todo:
            todo.pop()()
        return save(some, **more)

    engine.store.records.commit = commit


def lose_leases(world, lane, times=1):
    for _ in range(times):
        world.engine.store.lanes.lease(lane, 100)
        world.clock.forward(seconds=61)


def park(engine, order_id, why, effect=QUESTION, at=1_764_000_000_000):
    """Park an effect on the stuck list, as a doubt that could not be settled does."""
    found = engine.show(order_id)
    waits = Pending(attempts=5, doubts=5, first_at=at, last_at=at, parked=1, why=why)
    change = Change.of(found, {}, (Put(effect, PARKED, waits),))
    assert engine.store.records.commit([Commit("", (change,))])[0] == "ok"
