"""A lane or a gateway stopped by a person: nothing new begins, nothing is lost, all goes on where it was."""

import pytest

from consent_engine.adapters.redis.lanes import BROUGHT
from consent_engine.domain.effects import Lane, Unavailable, Uncertain
from consent_engine.domain.sms import Delivery
from consent_engine.engine.change_order import giving_back
from consent_engine.engine.pausing import LOOK_S, Desk, Gate, NothingSo, NotPaused
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Endpoint, Owner
from consent_engine.ports.registry import Pause
from tests.conftest import World

REASON = "its operator works on it"


@pytest.fixture
def stop(world):
    """Return a function that stops a target and lets every process look again; it returns one that resumes it."""

    def stopped(to, name):
        target = Endpoint(to, name)
        assert world.engine.pauses.pause(target, "ops-1", REASON)
        world.clock.forward(int(LOOK_S * 1000))

        def go_on():
            world.queue.woken.clear()
            world.engine.pauses.resume(target, "ops-2", "done")
            assert world.queue.woken == [Lane.SMS if to == "gateway" else Lane(name)]

        return go_on

    return stopped


def performed(world: World, lane):
    """Perform one slice of a lane."""
    return world.runner.run(world.engine.performer.perform(lane, 1))


@pytest.mark.parametrize("lane", list(Lane))
def test_a_lane_that_stands_still_leases_nothing_and_goes_on_where_it_was(world, stop, lane):
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    if lane in {Lane.ACTIVATION, Lane.SMS}:
        world.run(Lane.INBOUND)
    if lane is Lane.SMS:
        world.run(Lane.ACTIVATION)
    if lane is Lane.TIMER:
        world.clock.now = world.engine.show(order.id).reply_by + 1
    go_on = stop("lane", lane.value)
    before = world.client.zrange(f"ce:{{0}}:due:{lane}", 0, -1, withscores=True)
    assert not performed(world, lane).left
    assert world.client.zrange(f"ce:{{0}}:due:{lane}", 0, -1, withscores=True) == before
    go_on()
    world.run()
    assert world.state(order) == "notified"


def test_what_is_due_at_a_gateway_that_stands_still_stays_where_it_is_and_goes_out_in_the_next_slice(world, stop):
    """It is not leased: nothing of it changes, and no worker is woken for it, nor is it late."""
    go_on = stop("gateway", "test")
    orders = [world.place(f"+861380013800{n}") for n in range(3)]
    world.say("TD", "+8613800138009")
    world.run(Lane.INBOUND)
    world.clock.forward(seconds=90)
    due = world.client.zrange("ce:{0}:due:sms:mobile", 0, -1, withscores=True)
    before = [world.engine.show(each.id) for each in orders]
    tally = performed(world, Lane.SMS)
    assert (tally.counts, tally.left, world.gateway.sent) == ({}, False, [])
    assert world.client.zrange("ce:{0}:due:sms:mobile", 0, -1, withscores=True) == due
    assert [world.engine.show(each.id) for each in orders] == before
    depth = world.engine.depths()[Lane.SMS]
    assert (depth.due, depth.late, depth.waiting, world.due()[Lane.SMS]) == (0, 0, 4, 4)
    world.engine.performer.awake = frozenset(Lane)
    assert world.engine.performer.look([Lane.SMS]) == 0
    assert world.engine.performer.full([Lane.SMS]) == [], "no other process could do more"
    go_on()
    performed(world, Lane.SMS)
    assert {world.state(each) for each in orders} == {"awaiting_reply"}
    assert sorted(sms.purpose for sms in world.gateway.sent) == ["confirmation"] * 3 + ["opted_out"]


def test_a_notification_does_not_begin_with_its_commit_while_its_gateway_stands_still(world, stop):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    go_on = stop("gateway", "test")
    world.engine.performer.awake = frozenset(Lane)
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    assert world.state(order) == "activated"
    go_on()
    performed(world, Lane.SMS)
    assert world.state(order) == "notified"


def test_a_yes_to_a_question_in_doubt_counts_though_that_was_leased_again_and_not_begun(world):
    world.gateway.answers = [Uncertain("timeout")]
    order = world.place()
    world.run(Lane.SMS)
    asked = world.engine.show(order.id).question
    world.clock.forward(seconds=30)
    world.say("是")
    world.run(Lane.INBOUND)
    for _ in range(3):
        world.clock.forward(seconds=601)
        [leased] = world.engine.store.lanes.lease(Lane.SMS, 9)
        world.engine.run(giving_back(leased, world.clock()))
    waits = world.engine.show(order.id).question
    assert (waits.attempts, waits.first_at, waits.last_at) == (1, asked.first_at, asked.last_at)
    world.report(order, Delivery.DELIVERED)
    world.run(Lane.INBOUND)
    assert (world.state(order), len(world.gateway.sent)) == ("confirmed", 1)


def test_what_waits_for_a_gateway_goes_out_once_it_goes_on_and_nothing_else_does(world, stop):
    early = world.place("+8613800138001")
    world.gateway.answers = [Unavailable("503", after=20_000)]
    world.run(Lane.SMS)
    go_on = stop("gateway", "test")
    order = world.place()
    world.run(Lane.SMS)
    go_on()
    world.run(Lane.SMS)
    assert [world.state(each) for each in (order, early)] == ["awaiting_reply", "agreed"]
    world.clock.forward(seconds=20)
    world.run(Lane.SMS)
    assert world.state(early) == "awaiting_reply"


def test_more_than_one_script_brings_forward_are_all_due_and_what_is_in_hand_is_not(world):
    lanes, now = world.engine.store.lanes, world.clock()
    own = [world.place(f"+86138001{n:05d}").id for n in range(3)]
    for n in range(2 * BROUGHT + 7):
        world.client.zadd("ce:{0}:due:sms:mobile", {f"o:other{n:05d}:sms.confirmation.1": now + 50_000})
    for n, kept in enumerate(('[1,0,0,7,7,"","503","",0]', '[1,7,0,7,7,"","503","",0]', '[0,0,0,0,0,"","","",0]')):
        world.client.hset(f"ce:{{0}}:order:{own[n]}", "f:sms.confirmation.1", kept)
        world.client.zadd("ce:{0}:due:sms:mobile", {f"o:{own[n]}:sms.confirmation.1": now + 50_001})
    assert lanes.bring_forward(Lane.SMS, now + 1_000, now + 60_000) == 1
    dues = [lanes.dues(Owner.ORDER, each, ["sms.confirmation.1"])[0] - now for each in own]
    assert dues == [1_000, 50_001, 50_001]


def test_a_gateway_that_goes_on_does_not_wake_what_waits_for_another(world, stop):
    world.engine.pauses._known.add(Endpoint("gateway", "other"))  # noqa: SLF001 - as if two were set up
    go_on = stop("gateway", "other")
    stop("gateway", "test")
    world.place()
    go_on()
    assert not performed(world, Lane.SMS).counts
    assert world.gateway.sent == []


def test_what_waited_for_a_gateway_that_stood_still_is_late_from_then_on(world, stop):
    """No alarm for more workers follows an hour's pause, and no order is turned away after it."""
    go_on = stop("gateway", "test")
    world.place()
    world.clock.forward(hours=1)
    go_on()
    world.clock.forward(seconds=int(LOOK_S) + 1)
    depth = world.engine.depths()[Lane.SMS]
    assert (depth.due, depth.late < 5_000) == (1, True), depth


class Unwritable:
    """A registry that keeps no results of calls."""

    def __init__(self, registry):
        self._registry = registry

    def __getattr__(self, name):
        return getattr(self._registry, name)

    def know(self, *_):
        raise StoreUnavailable("no writes now")


def test_a_resume_that_failed_half_way_is_done_by_the_same_request(world, stop):
    go_on, target = stop("gateway", "test"), Endpoint("gateway", "test")
    desk = Desk(Unwritable(world.engine.registry), world.queue, world.engine.outside, 0)
    with pytest.raises(StoreUnavailable):
        desk.resume(target, "ops-2", "done")
    go_on()


def test_another_gateway_goes_on(world, stop):
    world.engine.pauses._known.add(Endpoint("gateway", "other"))  # noqa: SLF001 - as if two were set up
    stop("gateway", "other")
    world.place()
    world.run(Lane.SMS)
    assert len(world.gateway.sent) == 1


def test_who_stopped_it_and_why_is_kept_with_who_let_it_go_on(world, stop):
    stop("lane", "sms")()
    told = [(each.name, each.paused, each.by, each.reason) for each in world.engine.pauses.happened()]
    assert told == [("sms", False, "ops-2", "done"), ("sms", True, "ops-1", REASON)]


def test_what_stands_still_is_not_stopped_twice_nor_let_go_on_twice(world, stop):
    go_on = stop("lane", "sms")
    assert not world.engine.pauses.pause(Endpoint("lane", "sms"), "ops-3", "me too")
    [standing] = world.engine.pauses.standing()
    assert (standing.pause.by, standing.pause.reason) == ("ops-1", REASON)
    go_on()
    with pytest.raises(NotPaused):
        go_on()
    assert world.engine.pauses.standing() == []
    assert len(world.engine.pauses.happened()) == 2


def test_what_is_no_lane_and_no_gateway_cannot_be_stopped(world):
    for target in (Endpoint("lane", "fast"), Endpoint("gateway", "none"), Endpoint("bss", "test")):
        with pytest.raises(NothingSo, match="there are: gateway test, lane activation"):
            world.engine.pauses.pause(target, "ops-1", REASON)


def test_a_lease_that_was_lost_is_a_doubt_once_its_gateway_goes_on(world, stop):
    order = world.place()
    world.engine.store.lanes.lease(Lane.SMS, 9)  # by a worker that hands the question over, and dies
    go_on = stop("gateway", "test")
    world.clock.forward(seconds=61)
    assert not performed(world, Lane.SMS).counts
    go_on()
    performed(world, Lane.SMS)
    question = world.engine.show(order.id).question
    assert (question.attempts, question.doubts, world.gateway.sent) == (2, 1, [])


def test_while_the_first_cell_is_away_what_was_seen_last_counts():
    at, found = [0.0], [{Endpoint("lane", "sms"): Pause(1, "ops", "a look")}]

    def look():
        if not found:
            raise StoreUnavailable("away")
        return found[0]

    gate = Gate(look, lambda: at[0])
    assert [gate.is_paused(lane) for lane in (Lane.SMS, Lane.INBOUND)] == [True, False]
    found.clear()
    at[0] += LOOK_S
    assert [gate.is_paused(lane) for lane in (Lane.SMS, Lane.INBOUND)] == [True, False]
    gate.begin()
    with pytest.raises(StoreUnavailable):
        Gate(look, lambda: at[0]).is_paused(Lane.SMS)
