"""A worker that is awake knows the orders it has just saved; what another process did meanwhile is never missed."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.effects import ACTIVATE, Lane
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Delivery
from consent_engine.engine.order_cache import KNOWN_S, MOST, OrderCache, _Known
from consent_engine.engine.perform import Performer
from consent_engine.engine.slice import Pace
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import CommitResult, Outside
from tests.conftest import SECOND, SENDERS, Clock

LOOKED_AT = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)


class Watched:
    """An engine that is awake in some lanes. orders, lines: those it loaded · words: the results of its commits"""

    def __init__(self, world, lanes=LOOKED_AT, store=None):
        self.world, self.lanes, self.engine = world, lanes, world.another(store)
        self.performer = self.engine.performer
        self.performer.awake = frozenset(lanes)
        self.orders, self.lines, self.words = [], [], Counter()
        self.after, self.loses = [], False
        records = self.engine.store.records
        self._look, records.look = records.look, self._looked
        self._commit, records.commit = records.commit, self._committed

    def _looked(self, wanted, *, prove=False):
        self.orders += wanted.get(Order, ())
        self.lines += wanted.get(Line, ())
        return self._look(wanted, prove=prove)

    def _committed(self, commits, **more):
        saved = self._commit(commits, **more)
        self.words.update(saved)
        if self.after:
            self.after.pop()()
        if self.loses:
            self.loses = False
            raise StoreUnavailable("the answer was lost")
        return saved

    def looks(self, times=2):
        """Look at the lanes, and wait for the calls that begin there."""

        async def some():
            for _ in range(times):
                self.world.clock.forward(20)
                self.performer.look(self.lanes)
                await self.performer.land(5)

        self.world.runner.run(some())

    def knows(self, order):
        return self.performer._known.of(order.id) is not None  # noqa: SLF001


@pytest.fixture
def watched(world):
    return Watched(world)


@pytest.fixture
def order(world, watched):
    """Place an order, whose question the watched engine sends."""
    placed = world.place()
    watched.looks()
    return placed


def test_from_its_question_to_its_last_report_an_order_is_loaded_with_its_lease_alone(world, watched, order):
    world.report(order, Delivery.DELIVERED)
    watched.looks()
    world.say("是")
    watched.looks()
    world.report(order, Delivery.DELIVERED, "notification.1", message_id="m2")
    watched.looks()
    assert world.state(order) == "notified"
    assert world.triggers(order)[-2:] == ["reported", "delivered"]
    assert (watched.orders, set(watched.words)) == ([], {CommitResult.OK})


def test_messages_of_one_line_are_read_in_turn_without_loading_it_again(world, watched, order):
    world.report(order, Delivery.DELIVERED)
    world.say("是")
    watched.looks()
    assert world.state(order) == "notified"
    assert (watched.lines, watched.orders) == ([], [])


def test_a_line_that_another_process_wrote_between_two_messages_is_loaded_again(world, watched, order):
    world.report(order, Delivery.DELIVERED)
    world.say("是")
    watched.after.append(lambda: world.place(plan=SECOND))
    watched.looks(1)
    assert watched.lines == [order.line]
    assert (world.state(order), watched.words[CommitResult.STALE]) == ("notified", 1)


def test_a_message_after_one_that_wrote_on_the_line_is_read_with_what_was_written(world, watched, order):
    world.say("TD")
    world.say("TD")
    watched.looks(1)
    assert world.state(order) == "declined"
    assert (watched.lines, len(world.gateway.sent)) == ([order.line], 2)  # the question, and one answer


def test_a_report_that_overtakes_the_outcome_of_its_sms_costs_no_commit_in_vain(world, watched):
    world.gateway.hold = asyncio.Event()
    order = world.place()

    async def overtaken():
        watched.performer.look(LOOKED_AT)
        await asyncio.sleep(0)
        world.report(order, Delivery.DELIVERED)
        watched.performer.look(LOOKED_AT)
        world.gateway.hold.set()
        await watched.performer.land(5)

    world.runner.run(overtaken())
    assert world.triggers(order)[-2:] == ["ended_late", "delivered"]
    assert (watched.orders, set(watched.words)) == ([], {CommitResult.OK})


def test_a_yes_to_an_order_that_was_cancelled_elsewhere_a_moment_ago_activates_nothing(world, watched, order):
    world.engine.cancel(order.id, "ops-1", "the customer called")
    world.say("是")
    watched.looks()
    assert (world.state(order), world.bss.asked) == ("cancelled", [])
    assert order.id in watched.orders


def test_a_message_that_changes_no_order_is_read_with_the_order_loaded(world, watched, order):
    for segment in (1, 2):
        assert (watched.knows(order), watched.orders) == (True, [])
        world.report(order, Delivery.DELIVERED, segment=segment, segments=4)
        watched.looks()
    assert (watched.orders, watched.lines) == ([order.id], [])  # the second part is only counted, on the line
    assert world.triggers(order).count("reported") == 1


def test_an_order_that_was_saved_longer_ago_is_loaded(world, watched, order):
    assert watched.knows(order)
    world.clock.forward(int(KNOWN_S * 1000))
    world.report(order, Delivery.DELIVERED)
    watched.looks()
    assert watched.orders == [order.id]


def test_an_order_is_known_for_half_a_lease_at_most(world):
    """CONSENT_LEASE may be shorter than a second: then another process may have leased its call within that time."""
    order, pace = world.place(), Pace(startable_s=0.5, call_ms=100, watch=lambda: world.clock() / 1000)
    world.gateway.hold = asyncio.Event()
    outside = Outside({"test": world.gateway}, dict.fromkeys(SENDERS, ("test",)), SENDERS, world.bss)
    performer = Performer(world.engine.store, world.queue, outside, world.policy, pace)
    performer.awake = frozenset(LOOKED_AT)

    async def looks():
        performer.look(LOOKED_AT)

    world.runner.run(looks())
    assert performer._known.of(order.id) is not None  # noqa: SLF001
    world.clock.forward(301)
    assert performer._known.of(order.id) is None  # noqa: SLF001


def test_an_order_is_not_known_while_another_process_can_lease_a_call_of_it(world):
    watched, order = Watched(world, (Lane.INBOUND, Lane.SMS)), world.place()
    watched.looks()
    assert watched.knows(order)
    world.say("是")
    watched.looks()
    assert (world.state(order), watched.knows(order)) == ("confirmed", False)
    world.say("不要")
    watched.looks()
    assert watched.orders == [order.id]
    assert (world.state(order), world.bss.asked) == ("declined", [])


def test_an_order_is_not_known_once_another_process_has_leased_a_call_that_was_due_here(world):
    watched, order = Watched(world, (Lane.INBOUND, Lane.SMS)), world.place()
    watched.looks()
    world.say("是")
    watched.looks()
    assert world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.report(order, Delivery.DELIVERED)
    watched.looks()
    assert (world.triggers(order)[-1], watched.orders) == ("delivered", [order.id])
    assert not watched.knows(order)


def test_an_order_whose_call_another_process_has_leased_is_not_known(world, watched):
    order = world.place()
    assert world.engine.store.lanes.lease(Lane.SMS, 1)
    world.say("是")
    watched.looks()
    assert (world.triggers(order)[-1], watched.words) == ("replied_early", {CommitResult.OK: 1})
    assert not watched.knows(order)


def test_nothing_is_known_by_an_engine_that_is_not_awake(world, watched, order):
    assert watched.knows(order)
    watched.performer.awake = frozenset()
    world.report(order, Delivery.DELIVERED)
    watched.looks()
    assert not watched.knows(order)
    assert watched.orders == []


def test_after_a_commit_whose_answer_was_lost_the_order_is_loaded(world, watched, order):
    world.report(order, Delivery.DELIVERED)
    watched.loses = True
    with pytest.raises(StoreUnavailable):
        watched.looks()
    world.say("是")
    world.clock.forward(60_000)  # the lease of its line is over
    watched.looks()
    assert watched.orders == [order.id]
    assert (world.triggers(order).count("delivered"), world.state(order)) == (1, "notified")


def test_an_order_is_not_known_once_it_was_loaded_with_a_call_that_another_process_has_leased(world, watched, order):
    world.place(plan=SECOND)
    watched.looks()
    world.engine.resend(order.id, "A1024")
    [asked] = world.engine.store.lanes.lease(Lane.SMS, 1)
    assert watched.knows(order)
    world.say("是")  # which of the two?
    watched.looks(1)
    assert world.triggers(order)[-1] == "unclear"
    assert asked.effect in world.engine.show(order.id).effects
    assert not watched.knows(order)


@pytest.mark.parametrize(("words", "effect"), [((), QUESTION), (("是",), ACTIVATE)])
def test_a_lease_that_is_over_since_the_stores_clock_jumped_is_in_doubt_and_its_effect_stays(world, words, effect):
    stores = Clock()
    wire = Wire(world.client, proves=False, replicas=0)
    watched = Watched(world, store=redis_store(wire, lease_ms=60_000, clock=stores, seal=Seal("test-secret")))
    order = world.place()
    if words:
        watched.looks()
    for each in words:
        world.say(each)
    world.gateway.hold, world.bss.activate = asyncio.Event(), stands

    async def jumps():
        for _ in range(2):  # the second look finds the lease lost
            stores.forward(seconds=61)
            watched.performer.look(LOOKED_AT)
            await watched.performer.land(0.05)

    world.runner.run(jumps())
    shown = world.engine.show(order.id)
    assert "ended_late" not in world.triggers(order)
    assert (shown.effects[effect].doubts, shown.effects[effect].why) == (1, "lease_lost:")


async def stands(activation):
    """Never answer."""
    await asyncio.Event().wait()


def test_known_orders_are_bounded(order):
    known = OrderCache(Pace(watch=lambda: 0.0), lambda: True)
    others = [replace(order, doc=replace(order.doc, id=f"{n:028x}"), effects={}) for n in range(MOST + 1)]
    for each in others:
        known._put(each.id, _Known(0.0, each.version, each, only=True))  # noqa: SLF001
    assert [known.of(each.id) is not None for each in (others[0], others[1], others[-1])] == [False, True, True]
