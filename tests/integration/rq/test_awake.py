"""While work flows a process stays awake and is not woken; nothing that was made due meanwhile is left undone."""

import asyncio
from time import monotonic

import pytest

from consent_engine.adapters.rq_queue import AWAKE, BY, PROMISE_S, SOONER_MS, RqQueue
from consent_engine.domain.effects import Lane
from consent_engine.errors import StoreUnavailable
from tests.waiting import HANGS_S, until
from workers.engine_loop import FLOW, LOOKED_AT, RECRUIT, Awake

SOME = [Lane.INBOUND, Lane.SMS]
MUCH = int(FLOW * 2**20)
"""So many effects that work still counts as flowing a second later: a machine may be busy for that long."""


@pytest.fixture
def queues(started, redis):
    """Return the queues of the process that stays awake, and of one that makes something due."""
    return RqQueue(started.url), RqQueue(started.url)


def waiting(redis, lane=Lane.SMS):
    return redis.llen(f"rq:queue:{lane}")


# -- whose word is believed ------------------------------------------------------------------------------------------


def while_promised(act):
    """Return what is seen while a promise lasts; repeat it where this machine was held up for longer than that."""
    for _ in range(50):
        began = monotonic()
        seen = act()
        if monotonic() - began < PROMISE_S - SOONER_MS / 1000:
            return seen
    raise AssertionError("no promise lasted long enough to be looked at")


def test_nobody_is_woken_while_somebody_is_awake_and_everybody_after_it(redis, queues):
    mine, others = queues

    def woken():
        redis.flushall()
        assert mine.stays(SOME)
        others.wake(Lane.SMS, 200)
        others.wake(Lane.ACTIVATION, 200)
        return waiting(redis), waiting(redis, Lane.ACTIVATION)

    assert while_promised(woken) == (0, 1), "who said nothing of a lane is not awake there"
    until("the promise is over", lambda: others.wake(Lane.SMS, 1) or waiting(redis))


def test_a_promise_is_asked_for_once_and_no_longer_believed_than_it_was_given(redis, queues):
    mine, others = queues
    began = monotonic()
    mine.stays(SOME)
    redis.config_resetstat()
    while others.wake(Lane.SMS, 1) is None and not waiting(redis):
        if monotonic() - began > PROMISE_S:
            break
    asked = redis.info("commandstats")["cmdstat_hget"]["calls"]
    assert asked <= 2 * 2  # two looks, each at the instant and at its owner
    until("it is over", lambda: others.wake(Lane.SMS, 1) or waiting(redis))


def test_who_is_awake_may_ask_for_more(redis, queues):
    mine, others = queues
    mine.stays(SOME)
    others.wake(Lane.SMS, 40, more=True)
    assert waiting(redis) == 1


def test_one_promises_at_a_time_again_and_again_until_it_lets_another(redis, queues):
    mine, others = queues

    def promised():
        redis.flushall()
        return mine.stays(SOME), others.stays(SOME), mine.stays(SOME)

    assert while_promised(promised) == (True, False, True)
    mine.leaves(SOME)
    assert others.stays(SOME)


def test_who_was_overtaken_between_look_and_promise_hears_of_it_at_its_next(redis, queues):
    mine, others = queues

    def overtaken():
        redis.flushall()
        mine.stays(SOME)
        redis.hdel(AWAKE, *(lane + BY for lane in SOME))  # as where both had looked before either promised
        return others.stays(SOME), mine.stays(SOME), others.stays(SOME)

    assert while_promised(overtaken) == (True, False, True)


def test_what_was_promised_before_another_may_promise_is_believed_all_the_same(redis, queues):
    mine, others = queues

    def handed_on():
        redis.flushall()
        mine.stays(SOME)
        mine.leaves(SOME)
        others.wake(Lane.SMS, 1)
        return waiting(redis)

    assert while_promised(handed_on) == 0


def test_a_promise_from_a_clock_that_was_set_back_is_none(redis, queues):
    _, others = queues
    seconds, _ = redis.time()
    redis.hset(AWAKE, Lane.SMS, (seconds + 3_600) * 1000)
    others.wake(Lane.SMS, 1)
    assert waiting(redis) == 1


def test_where_rqs_redis_is_gone_nobody_promises_anything():
    gone = RqQueue("unix:///nowhere/redis.sock?db=0")
    assert not gone.stays(SOME)
    gone.leaves(SOME)
    gone.wake(Lane.SMS, 1)


# -- who stays -------------------------------------------------------------------------------------------------------


class Promising:
    """A queue that remembers the promises made to it."""

    def __init__(self):
        self.woken, self.promised, self.left, self.most = [], [], [], 1_000

    def wake(self, lane, due, *, more=False):
        self.woken.append((lane, more))

    def stays(self, lanes):
        if len(self.promised) == self.most:  # another has promised since
            return False
        self.promised.append(list(lanes))
        return True

    def leaves(self, lanes):
        self.left.append(list(lanes))


@pytest.fixture
def staying(world):
    """Return a worker that stays awake, and its queue."""
    queue = world.engine.queue = world.engine.performer._queue = Promising()  # noqa: SLF001 - parts of this world
    return Awake(world.engine, tuple(Lane), awake_s=60), queue


def busy(one):
    """Count much work as done just now; stay until the process is no longer awake."""
    one.did(MUCH)
    return one.stay()


def ordered(world, count):
    return [world.place(f"138{n:08d}") for n in range(count)]


def asked(world, orders):
    return [world.state(order) for order in orders] == ["awaiting_reply"] * len(orders)


async def woken(queue, times=1):
    """Return who was woken, once that happened so many times."""
    async with asyncio.timeout(HANGS_S):
        while len(queue.woken) < times:
            await asyncio.sleep(0.001)
    return list(queue.woken)


def test_what_comes_while_it_is_awake_is_done_and_nobody_is_woken(world, staying):
    one, queue = staying

    async def story():
        shift = asyncio.ensure_future(busy(one))
        await asyncio.sleep(0)
        orders = ordered(world, 3)
        queue.woken.clear()  # placing wakes as well; this test is about the process that is awake
        await shift
        await world.engine.performer.land(5)
        return orders

    assert asked(world, world.runner.run(story()))
    assert queue.promised[0] == list(LOOKED_AT)
    assert queue.woken == []


def test_its_job_ends_after_a_while_and_what_comes_then_is_done_all_the_same(world, staying):
    _, queue = staying
    one = Awake(world.engine, tuple(Lane), awake_s=0.0)

    async def story():
        await busy(one)
        orders = ordered(world, 3)
        queue.woken.clear()
        while not asked(world, orders):
            await asyncio.sleep(0.01)
        await one.stay()  # another job, while it is still awake
        await one.end()

    world.runner.run(asyncio.wait_for(story(), HANGS_S))
    assert [lane for lane, more in queue.woken if not more] == []


def test_after_the_last_effects_it_looks_until_nobody_believes_its_promise(world, staying):
    one, queue = staying

    async def story():
        shift = asyncio.ensure_future(busy(one))
        while one.flows():
            await asyncio.sleep(0.001)
        orders = ordered(world, 1)
        queue.woken.clear()
        await shift
        await world.engine.performer.land(5)
        return orders, one.promised - monotonic()

    orders, left = world.runner.run(story())
    assert asked(world, orders)
    assert left <= 0
    assert queue.woken == []


def test_what_is_made_due_at_the_last_moment_of_a_promise_is_looked_for(world, staying):
    one, queue = staying
    queue.most = 1  # another promises then, and this one ends before its own promise does

    async def story():
        await busy(one)
        ordered(world, 1)
        queue.woken.clear()
        return await woken(queue)

    assert world.runner.run(story()) == [(Lane.SMS, False)]


def test_where_little_comes_nobody_stays(world, staying):
    quiet, queue = staying
    quiet.did(1)
    world.runner.run(quiet.stay())
    assert queue.promised == []


def test_two_do_not_stay_side_by_side(world, staying):
    one, queue = staying
    queue.most = 0
    world.runner.run(busy(one))
    assert one.flows()
    assert world.engine.performer.awake == frozenset()


def test_who_is_to_end_looks_no_more_and_wakes_others_for_what_comes(world, staying):
    one, queue = staying

    async def story():
        shift = asyncio.ensure_future(busy(one))
        await asyncio.sleep(0)
        await one.end()
        await shift

    world.runner.run(story())
    assert queue.left == [list(LOOKED_AT)]
    assert queue.woken == [(lane, True) for lane in LOOKED_AT]


def test_a_store_that_is_gone_ends_it_and_the_promise_is_kept_all_the_same(world, staying):
    one, queue = staying

    def gone(lane, most):
        raise StoreUnavailable("gone")

    lease, world.engine.store.lanes.lease = world.engine.store.lanes.lease, gone

    async def story():
        await busy(one)
        world.engine.store.lanes.lease = lease
        ordered(world, 1)
        queue.woken.clear()
        return await woken(queue)

    assert world.runner.run(story()) == [(Lane.SMS, False)]
    assert world.engine.performer.awake == frozenset()


def test_much_found_at_one_look_is_work_for_others_in_every_lane(world, staying):
    one, queue = staying

    async def story(found):
        world.engine.performer.look = lambda lanes: found
        shift = asyncio.ensure_future(busy(one))
        seen = await woken(queue, len(LOOKED_AT))
        await one.end()
        await shift
        return seen

    assert set(world.runner.run(story(RECRUIT))) == {(lane, True) for lane in LOOKED_AT}


def test_what_it_has_no_place_for_is_work_for_another_process(world, staying):
    one, queue = staying

    async def story():
        performer, world.gateway.hold = world.engine.performer, asyncio.Event()
        ordered(world, performer._flights.free(world.engine.outside.route("mobile")))  # noqa: SLF001
        assert performer.look([Lane.SMS])
        assert performer.full(LOOKED_AT) == [Lane.SMS]
        world.place()
        queue.woken.clear()
        shift = asyncio.ensure_future(busy(one))
        seen = await woken(queue)
        held, world.gateway.hold = world.gateway.hold, None
        held.set()
        await one.end()
        await shift
        return seen

    assert world.runner.run(story()) == [(Lane.SMS, True)]


def test_what_was_made_due_under_the_promise_of_who_is_to_end_is_looked_for_before_it_ends(world, staying):
    one, queue = staying

    async def story():
        shift = asyncio.ensure_future(busy(one))
        await asyncio.sleep(0)
        ended = asyncio.ensure_future(one.end())
        await shift
        ordered(world, 1)
        queue.woken.clear()
        await ended

    world.runner.run(story())
    assert (Lane.SMS, False) in queue.woken
