"""What befalls an engine at its commits, and a lane whose workers die: shared by replies and promises."""

from consent_engine.errors import StoreUnavailable


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
