"""A slice performs the few effects that it made due in other lanes itself: one reply needs no second wake-up."""

import asyncio

import pytest

from consent_engine.domain.effects import Lane, Rejected
from consent_engine.engine.slice import FEW
from consent_engine.errors import StoreUnavailable
from workers.jobs import Slices


def slice_of(world, lane, lanes=tuple(Lane), seconds=5):
    return world.runner.run(world.engine.performer.perform_on(lane, seconds, lanes))


def asked(world, count=1):
    orders = [world.place(f"138{n:08d}") for n in range(count)]
    world.run()
    for n in range(count):
        world.say("是", f"+86138{n:08d}")
    world.queue.woken.clear()
    return orders


def test_a_reply_is_read_and_its_service_activated_in_one_slice(world):
    [order] = asked(world)
    tallies = slice_of(world, Lane.INBOUND)
    assert len(world.bss.asked) == 1
    assert {lane: dict(tally.counts) for lane, tally in tallies.items()} == {
        Lane.INBOUND: {"performed": 1, "messages": 1}, Lane.ACTIVATION: {"accepted": 1},
    }  # fmt: skip
    assert world.queue.woken == [Lane.SMS], "its notification was made due by a call: whoever is free sends it"
    world.run()
    assert world.state(order) == "notified"


def test_who_does_not_serve_the_lane_wakes_who_does(world):
    asked(world)
    assert slice_of(world, Lane.INBOUND, (Lane.INBOUND, Lane.SMS)).keys() == {Lane.INBOUND}
    assert world.queue.woken == [Lane.ACTIVATION]
    assert world.bss.asked == []


def test_more_than_little_is_work_for_others_too(world):
    asked(world, FEW + 1)
    slice_of(world, Lane.INBOUND)
    assert world.queue.woken == [Lane.ACTIVATION]
    assert world.bss.asked == []


def test_a_slice_without_time_left_wakes_others(world):
    asked(world)
    assert slice_of(world, Lane.INBOUND, seconds=0).keys() == {Lane.INBOUND}
    assert world.queue.woken == [Lane.ACTIVATION]


def test_what_a_slice_made_due_before_the_store_failed_is_not_forgotten(world):
    asked(world)
    performer = world.engine.performer
    lease = world.engine.store.lanes.lease

    def once(lane, most):
        world.engine.store.lanes.lease = broken
        return lease(lane, most)

    def broken(lane, most):
        raise StoreUnavailable("gone")

    world.engine.store.lanes.lease = once
    with pytest.raises(StoreUnavailable):
        world.runner.run(performer.perform_on(Lane.INBOUND, 5, Lane))
    assert world.queue.woken == [Lane.ACTIVATION]


def test_what_was_done_is_told_though_the_store_fails_in_the_next_lane(world):
    asked(world)
    lease_each = world.engine.store.lanes.lease_each

    def gone(wanted, *more):
        if Lane.ACTIVATION in wanted:
            raise StoreUnavailable("gone")
        return lease_each(wanted, *more)

    world.engine.store.lanes.lease_each = gone
    tallies = slice_of(world, Lane.INBOUND)
    assert dict(tallies[Lane.INBOUND].counts) == {"performed": 1, "messages": 1}
    assert world.queue.woken == [Lane.ACTIVATION]


def test_what_is_parked_when_no_job_is_there_makes_one_that_tells_it(world):
    asked(world)
    world.run(Lane.INBOUND)
    world.run(Lane.ACTIVATION)
    hold = asyncio.Event()

    async def refused_late(_sms):
        await hold.wait()
        return Rejected("no such number")

    world.gateway.send = refused_late
    performer = world.engine.performer

    async def story():
        told = [await performer.perform_on(Lane.SMS, 0.01, Lane)]
        world.queue.woken.clear()
        hold.set()
        await performer.land(5)
        woken = list(world.queue.woken)
        told.append(await performer.perform_on(Lane.SMS, 0.01, Lane))
        return told, woken

    (before, after), woken = world.runner.run(story())
    assert not before[Lane.SMS].counts
    assert woken == [Lane.SMS]
    assert after[Lane.SMS].counts == {"parked": 1}


def test_a_job_tells_what_it_did_in_each_lane(world):
    asked(world)

    class Loop:
        def perform(self, lane, seconds, bound_s):
            return slice_of(world, lane)

    assert Slices(Loop(), None).perform(Lane.INBOUND) == {
        "performed": 1, "messages": 1, "activation": {"performed": 1, "accepted": 1},
    }  # fmt: skip


def test_what_a_call_makes_due_waits_for_no_other_call(world):
    asked(world)
    world.run(Lane.INBOUND)
    world.queue.woken.clear()
    assert slice_of(world, Lane.ACTIVATION).keys() == {Lane.ACTIVATION}
    assert world.queue.woken == [Lane.SMS]
