"""The rate of a gateway: no second has more SMS than it allows, whoever leases them, and hardly fewer while more are
due; and no job waits for it.
"""

import asyncio
from bisect import bisect_left
from dataclasses import replace
from random import Random

import pytest

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Lane, Throttled
from consent_engine.domain.order.order import QUESTION
from consent_engine.engine.metrics import gateways_away, health_of, targets_of
from consent_engine.ports import Route
from tests.cluster.celled import Celled
from tests.memory import a_store
from tests.waiting import HANGS_S

SECOND = 1_000
PLACES = 64


class Town:
    """Workers that lease from one gateway, whose SMS are always due. now: by a clock that is never set, beside the
    server's
    """

    def __init__(self, world, rate, orders=PLACES):
        self.world, self.route = world, Route("test", tuple(CARRIERS), rate)
        self.lanes = [world.another().store.lanes for _ in range(2)]
        self.taken, self.now, self.turn = list[int](), 0, 0
        placed = [world.place(f"+861380013{n:04}").id for n in range(orders)]
        self.lanes[0].postpone(QUESTION, dict.fromkeys(placed, 1))  # due whatever the clock is set to

    def passes(self, ms):
        self.now += ms
        self.world.clock.forward(ms)

    def leases(self, n=PLACES, *, throttled=False):
        """Lease as the next worker; what it gets is due again at once. Return how long it is told to wait."""
        self.turn += 1
        lanes = self.lanes[self.turn % 2]
        if throttled:
            lanes.too_many(self.route.gateway)
        leased = lanes.lease_each({self.route: n})
        for each in leased[self.route]:
            self.taken.append(self.now)
            self.lanes[0].postpone(each.effect, {each.record.id: 1})
        return leased.waits.get(self.route, 0)

    def busiest(self):
        """Return the most SMS of any second."""
        return max(n + 1 - bisect_left(self.taken, at - SECOND + 1) for n, at in enumerate(self.taken))

    def between(self, since, until):
        return bisect_left(self.taken, until) - bisect_left(self.taken, since)

    def rate(self):
        return self.lanes[0].rates([self.route]).get(self.route)


@pytest.mark.parametrize("rate", [1, 7, 100])
def test_no_second_has_more_than_the_rate_allows_and_none_much_fewer_for_whoever_waits_as_told(world, rate):
    """With workers that come as told, a little late, and with others that come at random."""
    draw, town = Random(rate), Town(world, rate)  # noqa: S311
    while town.now < 6 * SECOND:
        town.passes(town.leases() + draw.randint(0, 8))
    even = town.between(SECOND, 6 * SECOND) / 5
    assert 0.97 * rate <= even <= rate
    while town.now < 16 * SECOND:
        town.passes(draw.choice((0, 1, 3, 17, 40, 90, 1_100)))
        town.leases(draw.choice((1, 5, PLACES)))
    assert town.busiest() <= rate


@pytest.mark.parametrize("rate", [1, 20])
def test_a_clock_that_is_set_back_neither_stalls_a_gateway_nor_floods_it(world, rate):
    draw, town = Random(rate), Town(world, rate)  # noqa: S311
    for _ in range(12):
        since = town.now
        while town.now < since + 2 * SECOND:
            town.passes(town.leases() + draw.randint(0, 8))
        assert town.between(since + SECOND, town.now) >= 0.9 * rate
        world.clock.now -= draw.choice((30, 5_000, 86_400_000))
        at = town.now
        while not town.taken or town.taken[-1] < at:
            town.passes(max(1, town.leases()))
        assert town.taken[-1] - at <= (SECOND + 20) / rate + 20
    assert town.busiest() <= rate


def test_who_finds_nothing_due_is_told_to_wait_for_nothing(world):
    town = Town(world, 100, orders=1)
    lanes = town.lanes[0]
    first = lanes.lease_each({town.route: 9})
    assert (len(first[town.route]), first.waits) == (1, {})
    assert lanes.lease_each({town.route: 9}).waits == {}
    assert lanes.lease_each({Route("test", tuple(CARRIERS)): 9, Lane.INBOUND: 9}).waits == {}


def test_a_gateway_without_a_rate_has_no_bucket(world):
    world.place()
    world.run(Lane.SMS)
    assert not world.client.exists(world.cell.rates)


def test_cells_have_each_their_share_of_the_rate():
    world = Celled(a_store(), 2)
    draw, town = Random(2), Town(world, 10)  # noqa: S311
    while town.now < 8 * SECOND:
        town.passes(draw.randint(1, 30))
        town.leases()
    assert town.busiest() <= 10
    assert town.between(SECOND, 8 * SECOND) / 7 >= 9.5
    assert town.rate() == 10


def test_cells_share_what_too_many_leave_of_no_rate_too():
    town = Town(Celled(a_store(), 4), 0)
    town.leases(1, throttled=True)
    assert town.rate() == 500


def test_each_cell_hears_of_too_many():
    world = Celled(a_store(), 4)
    town = Town(world, 100)
    town.lanes[0].too_many("test")
    for _ in range(4):
        town.lanes[0].lease_each({town.route: 1})
    assert [cell.lanes.rates([town.route]) for cell in world.stores] == [{town.route: 4 * 12}] * 4


def test_who_asks_for_the_rate_with_another_setting_changes_nothing(world):
    """As `doctor` does where the setting cannot be read."""
    town = Town(world, 100)
    town.leases()
    kept = world.client.hgetall(world.cell.rates)
    assert (town.lanes[0].rates([replace(town.route, rate=0)]), kept) == ({}, world.client.hgetall(world.cell.rates))
    assert kept


def test_too_many_halves_the_rate_once_a_second_and_it_rises_again_by_a_tenth_every_ten_seconds(world):
    town = Town(world, 100)
    seen = [town.rate()]
    for passed in (0, 300, 900, 1_000, 9_999, 1, 10_000, 30_000):
        town.passes(passed)
        town.leases(1, throttled=passed < 9_999)
        seen.append(town.rate())
    assert seen == [100, 50, 50, 25, 12, 12, 22, 32, 62]
    for _ in range(20):
        town.passes(SECOND)
        town.leases(throttled=True)
        assert 1 <= town.rate() < 62
    since = town.now
    assert town.rate() == 1
    while town.now < since + 9 * SECOND:
        town.passes(town.leases() or 1)
    assert 7 <= town.between(since, town.now) <= 10
    world.clock.now -= 86_400_000
    town.leases()
    town.passes(99 * SECOND)
    assert town.rate() < 100
    town.passes(SECOND)
    assert town.rate() == 100
    assert town.busiest() <= 100


def test_a_gateway_without_a_rate_has_one_after_too_many_which_rises_by_a_tenth_of_itself_until_it_has_none(world):
    town = Town(world, 0)
    assert town.leases() == 0
    seen = [town.rate()]
    for passed in (0, 300, 700, 1_000, 1_000, 1_000, 1_000, 9_999, 1, 30_000):
        town.passes(passed)
        town.leases(1, throttled=passed <= 1_000)
        seen.append(town.rate())
    assert seen == [None, 500, 500, 250, 125, 62, 31, 15, 15, 17, 22]
    since = town.now
    while town.now < since + 5 * SECOND:
        town.passes(town.leases() or 1)
    assert 5 * 21 <= town.between(since, town.now) <= 5 * 23
    town.passes(400 * SECOND)
    town.leases()
    assert (town.rate(), world.client.exists(world.cell.rates)) == (None, 0)


# -- a process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(world):
    """A world whose gateway takes one SMS a second."""
    world.rates = {"test": 1}
    world.engine = world.another()
    return world


def looks(engine):
    """Return how many SMS each lease of them gets from now on."""
    lease_each, found = engine.store.lanes.lease_each, list[int]()

    def seen(wanted, *more):
        leased = lease_each(wanted, *more)
        found.extend(len(some) for work, some in leased.items() if isinstance(work, Route))
        return leased

    engine.store.lanes.lease_each = seen
    return found


def test_a_slice_ends_when_the_rate_is_used_up_and_what_is_left_goes_out_without_another(slow):
    for n in range(3):
        slow.place(f"+861380013800{n}")
    found = looks(slow.engine)
    performer = slow.engine.performer

    async def story():
        loop = asyncio.get_running_loop()
        time, began = loop.time, loop.time()
        loop.time = lambda: began  # no timer is due until this test says so
        tally = await performer.perform(Lane.SMS, 60)
        assert (tally.left, found) == (False, [1])  # its call may end later than a slice lingers
        slow.queue.woken.clear()
        slow.clock.forward(SECOND)
        await performer.perform(Lane.SMS, 60)
        performer.awake = frozenset(Lane)
        assert (performer.look([Lane.SMS]), performer.full([Lane.SMS])) == (0, [])
        assert found == [1], "nobody asks before it is time"
        slow.clock.forward(20)
        loop.time = lambda: time() + 2
        async with asyncio.timeout(HANGS_S):
            while len(slow.gateway.sent) < 2:
                await asyncio.sleep(0)
        assert (found, slow.queue.woken) == ([1, 1], [])
        await performer.land(HANGS_S)
        assert performer.look([Lane.SMS]) == 0
        slow.clock.forward(2 * SECOND)
        loop.time = time
        return len(slow.gateway.sent)

    assert slow.runner.run(story()) == 2


def test_a_gateway_that_gets_too_many_is_no_gateway_that_fails_and_gets_fewer_of_all_processes(world):
    world.rates = {"test": 100}
    engine, other = world.another(), world.another()
    world.gateway.answers = [Throttled("gateway:429", 20_000)] * 9
    orders = [world.place(f"+861380013800{n}") for n in range(3)]
    for _ in range(3):
        world.run(Lane.SMS, engine=engine)
        world.clock.forward(seconds=700)
        engine.performer.measures.report(engine.registry)
        health, *_ = health_of(engine.registry, targets_of(engine.outside), world.clock())
        assert (health.failing, health.failed_share, gateways_away(engine.registry, engine.outside)) == (0, 0.0, {})
    assert len(world.gateway.sent) == 9
    route = engine.outside.route("mobile")
    assert other.store.lanes.rates([route]) == {route: 100}, "long ago"
    world.run(Lane.SMS, engine=engine)
    assert other.store.lanes.rates([route]) == {route: 50}
    assert {world.state(each) for each in orders} == {"awaiting_reply"}


def test_a_notification_of_a_gateway_with_a_rate_is_leased_and_begins_with_no_commit(slow):
    order = slow.place()
    slow.run(Lane.SMS)
    slow.clock.forward(seconds=2)
    slow.say("是")
    slow.engine.performer.awake = frozenset(Lane)
    slow.run(Lane.INBOUND, Lane.ACTIVATION)
    assert slow.state(order) == "activated"
    slow.run(Lane.SMS)
    assert slow.state(order) == "notified"
