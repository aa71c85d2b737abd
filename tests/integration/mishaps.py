"""What befalls an engine at its commits, a lane whose workers die, and what is parked: shared by many rooms."""

from consent_engine.domain.decide.decision import PARKED, Put
from consent_engine.domain.effects import Pending
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Commit, OrderChange

QUESTION = "sms.confirmation.1"


def dies_after(engine, commits):
    """Let an engine save so many commits more, and then be gone."""
    save, left = engine.store.records.commit, [commits]

    def commit(some, **more):
        if left[0] < len(some):
            raise StoreUnavailable("killed")
        left[0] -= len(some)
        return save(some, **more)

    engine.store.records.commit = commit
    return engine


def happens_before_the_next_commit(engine, what):
    """Let something happen between the reading and the writing of an engine, once."""
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
    """On the stuck list, as a doubt that could not be settled puts it there."""
    found = engine.show(order_id)
    waits = Pending(attempts=5, doubts=5, first_at=at, last_at=at, parked=1, why=why)
    change = OrderChange(found, found.version, found.state, {}, (Put(effect, PARKED, waits),))
    assert engine.store.records.commit([Commit("", (change,))])[0].word == "ok"
