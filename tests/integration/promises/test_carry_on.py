"""A call that can begin at once is leased by the commit that makes it due, as a lease right after it would do."""

import asyncio
from dataclasses import dataclass, field

import pytest

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.effects import ACTIVATE, NOTIFICATION, WAKE_ACTIVATE, Lane
from consent_engine.domain.order.order import Order
from consent_engine.engine.calls_in_flight import LOOK_AGAIN_S
from consent_engine.engine.pausing import LOOK_S
from consent_engine.engine.round_trips import Recall
from consent_engine.errors import ArchiveUnavailable, NotDurable, StoreUnavailable
from consent_engine.ports import Endpoint
from tests.conftest import NUMBER, World
from tests.memory import a_store

OTHER = "+8613800138001"
LOOKED_AT = [Lane.INBOUND, Lane.ACTIVATION, Lane.SMS]


@dataclass
class SlowBss:
    """A BSS whose calls last until the test releases them."""

    name: str = "test"
    asked: list = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def activate(self, activation):
        self.asked.append(activation)
        await self.go.wait()
        raise OSError("nobody knows")


def asked(world, *numbers):
    """Place orders and send their questions; return them a second later."""
    orders = [world.place(number) for number in numbers or (NUMBER,)]
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    return orders


def awake(world, lanes=LOOKED_AT, engine=None):
    """Return an engine whose worker looks at these lanes again anyway."""
    engine = engine or world.another()
    engine.performer.awake = frozenset(lanes)
    return engine


def reads(world, engine, seconds=5.0):
    """Read the messages that came, and look for nothing else."""

    async def one():
        await engine.performer.perform(Lane.INBOUND, 5)
        await engine.performer.land(seconds)

    world.runner.run(one())


def meanwhile(engine, happens, *, after=False):
    """Have something happen once, right before the engine's next commit, or right after it was saved."""
    save, todo = engine.store.records.commit, [happens]

    def commit(some, **more):
        saved = save(some, **more) if after else None
        if todo:
            todo.pop()()
        return saved if after else save(some, **more)

    engine.store.records.commit = commit


def leases(engine):
    """Collect what the engine leases from now on, by effect."""
    lease_each, found = engine.store.lanes.lease_each, []

    def seen(wanted, *more):
        leased = lease_each(wanted, *more)
        found.extend(each.effect for some in leased.values() for each in some)
        return leased

    engine.store.lanes.lease_each = seen
    return found


def test_a_yes_is_activated_and_told_by_the_lease_of_its_message_alone(world):
    [order] = asked(world)
    world.say("是")
    engine = awake(world)
    found = leases(engine)
    reads(world, engine)
    assert (world.state(order), found) == ("notified", ["read"])
    assert len(world.bss.asked) == len(world.texts("notification")) == 1
    assert world.queue.woken.count(Lane.ACTIVATION) == 0


@pytest.mark.parametrize("carried", [True, False])
def test_the_store_has_to_the_byte_what_a_lease_right_after_the_commit_leaves(carried):
    kept = []
    for carries in (carried, False):
        world = World(a_store())
        world.bss = SlowBss()
        [order] = asked(world)
        world.say("是")
        engine = awake(world) if carries else world.another()
        reads(world, engine, 0.01)
        if not carries:
            assert [each.effect for each in engine.store.lanes.lease(Lane.ACTIVATION, 9)] == [ACTIVATE]
        record = world.client.hgetall(world.cell.order(order.id))
        named = [f"f:{ACTIVATE}", "state", "v"]
        due = [world.client.zrange(each, 0, -1, withscores=True) for each in Cell().due.values()]
        kept.append(([record[name] for name in named], due, len(world.bss.asked)))
        world.runner.close()
    assert kept[0][:2] == kept[1][:2]
    assert kept[0][2] == int(carried)


def test_what_is_leased_with_a_notification_is_what_its_lease_would_have_left(world):
    orders = asked(world, NUMBER, OTHER)
    world.gateway.hold = asyncio.Event()
    kept = []
    for order, engine in zip(orders, (awake(world), world.another()), strict=True):
        world.say("是", order.person.msisdn)
        reads(world, engine, 0.05)
        if not engine.performer.awake:
            world.runner.run(engine.performer.perform(Lane.ACTIVATION, 1))
            [leased] = engine.store.lanes.lease_each({engine.outside.route("mobile"): 9}).values()
            assert [each.effect for each in leased] == [NOTIFICATION]
        shown = world.engine.show(order.id)
        kept.append((shown.effects, shown.state, shown.version))
    assert kept[0] == kept[1]
    assert kept[0][0][NOTIFICATION].leased_at == world.clock.now


@pytest.mark.parametrize("lanes", [[], [Lane.INBOUND], [Lane.INBOUND, Lane.SMS]])
def test_who_does_not_look_at_a_lane_begins_no_call_of_it_and_wakes_others(world, lanes):
    [order] = asked(world)
    world.say("是")
    reads(world, awake(world, lanes))
    assert (world.state(order), world.bss.asked, world.due()[Lane.ACTIVATION]) == ("confirmed", [], 1)
    assert Lane.ACTIVATION in world.queue.woken


def test_who_is_to_stop_records_what_lands_and_begins_nothing_by_it(world):
    [order] = asked(world)
    world.say("是")
    engine = awake(world)
    told = world.bss.answers

    async def stopping():
        gate = asyncio.Event()
        activate = world.bss.activate

        async def slowly(activation):
            await gate.wait()
            return await activate(activation)

        world.bss.activate = slowly
        await engine.performer.perform(Lane.INBOUND, 1)
        assert engine.performer.in_flight() == 1
        engine.performer.awake = frozenset()  # as `Awake.end` leaves it
        gate.set()
        assert await engine.performer.land(5) == 0

    world.runner.run(stopping())
    assert (world.state(order), told) == ("activated", [])
    assert (world.due()[Lane.SMS], world.texts("notification")) == (1, [])


@pytest.mark.parametrize(("to", "name"), [("lane", "activation"), ("lane", "sms"), ("gateway", "test")])
def test_what_stands_still_is_not_begun_and_no_attempt_is_counted(world, to, name):
    [order] = asked(world)
    world.say("是")
    assert world.engine.pauses.pause(Endpoint(to, name), "ops-1", "its operator works on it")
    world.clock.forward(int(LOOK_S * 1000))
    reads(world, awake(world))
    effect, state = (ACTIVATE, "confirmed") if name == "activation" else (NOTIFICATION, "activated")
    assert world.state(order) == state
    assert world.engine.show(order.id).effects[effect].attempts == 0


def test_no_more_begin_than_there_are_places_and_the_others_are_due(world):
    numbers = [f"+861380013{n:04}" for n in range(70)]
    asked(world, *numbers)
    for number in numbers:
        world.say("是", number)
    world.bss = SlowBss()
    reads(world, awake(world), 0.05)
    assert (len(world.bss.asked), world.due()[Lane.ACTIVATION]) == (64, 6)


def crowd(world, prefix, count=70):
    """Place more orders than there are places, send their questions and answer them."""
    numbers = [f"+86{prefix}{n:04}" for n in range(count)]
    orders = [order.id for order in asked(world, *numbers)]
    for number in numbers:
        world.say("是", number)
    return orders


def looks(world, engine, times):
    async def some():
        for _ in range(times):
            engine.performer.look(LOOKED_AT)
            await asyncio.sleep(0.01)

    world.runner.run(some())


def test_what_is_carried_on_and_what_is_leased_at_one_look_are_no_more_than_there_are_places(world):
    world.bss = SlowBss()
    crowd(world, "1380013")
    reads(world, world.another(), 0)
    crowd(world, "1380014")
    engine = awake(world)
    looks(world, engine, 3)
    assert (len(world.bss.asked), engine.performer.in_flight(), world.due()[Lane.ACTIVATION]) == (64, 64, 76)


def test_while_some_wait_for_a_place_who_comes_later_does_not_begin_before_them(world):
    before = crowd(world, "1380013")
    reads(world, world.another(), 0)
    engine = awake(world)
    looks(world, engine, 1)
    crowd(world, "1380014")
    looks(world, engine, 1)
    begun = [activation.order_id for activation in world.bss.asked]
    assert (len(begun), set(begun[:70])) == (128, set(before))
    looks(world, engine, 2)
    assert len(world.bss.asked) == 140


@pytest.mark.parametrize(("words", "state"), [(("是", "否"), "declined"), (("是", "TD"), "declined")])
def test_a_yes_that_a_no_stands_behind_is_not_begun(world, words, state):
    [order] = asked(world)
    for each in words:
        world.say(each)
        world.clock.forward(1)
    reads(world, awake(world))
    assert (world.state(order), world.bss.asked) == (state, [])


@pytest.mark.parametrize("lanes", [LOOKED_AT, []])
@pytest.mark.parametrize("word", ["TD", "不"])
def test_a_stop_that_was_acknowledged_before_the_commit_bars_it_as_it_does_where_nothing_is_carried_on(
    world, lanes, word
):
    [order] = asked(world)
    world.say("是")
    engine = awake(world, lanes)
    meanwhile(engine, lambda: world.say(word))
    reads(world, engine)
    assert (world.state(order), world.bss.asked) == ("declined", [])


def test_what_stands_on_the_line_bars_it_in_the_commit(world):
    [order] = asked(world)
    world.say("是")
    world.client.hset(world.cell.line(order.line), "r:suspended:*", '[1,"line","m"]')
    reads(world, awake(world))
    assert (list(world.engine.show(order.id).effects), world.bss.asked) == ([WAKE_ACTIVATE], [])


@pytest.mark.parametrize(("seconds", "calls"), [(LOOK_AGAIN_S + 0.1, 0), (0.1, 1)])
@pytest.mark.parametrize("word", ["TD", "不"])
def test_who_stood_still_after_the_commit_looks_again_before_the_call(world, seconds, calls, word):
    asked(world)
    world.say("是")
    engine = awake(world)

    def stops():
        world.say(word)
        world.clock.forward(seconds=seconds)

    meanwhile(engine, stops, after=True)
    reads(world, engine)
    assert len(world.bss.asked) == calls, "begun at once it was under way before the STOP"


@pytest.mark.parametrize("before", ["look", "commit"])
def test_who_stood_still_before_the_commit_begins_nothing_that_the_lease_may_not_outlast(world, before):
    [order] = asked(world)
    world.say("是")
    engine = awake(world)
    ask, todo = getattr(engine.store.records, before), [51]

    def stands(*some, **more):
        world.clock.forward(seconds=todo.pop() if todo else 0)
        return ask(*some, **more)

    setattr(engine.store.records, before, stands)
    reads(world, engine)
    assert (world.state(order), world.bss.asked) == ("confirmed", [])
    assert world.engine.show(order.id).effects[ACTIVATE].attempts == 0, "given back"
    world.run()
    assert world.state(order) == "notified"


@pytest.mark.parametrize("lost", ["the same again", StoreUnavailable("gone"), NotDurable("no replica says so")])
def test_a_commit_whose_answer_was_lost_is_a_lost_lease(world, lost):
    [order] = asked(world)
    world.say("是")
    engine = awake(world)
    save = engine.store.records.commit

    def commit(some, **more):
        saved = save(some, **more)
        if isinstance(lost, Exception):
            raise lost
        assert saved == ["ok"]
        return save(some, **more)  # as the wire does after its connection broke

    engine.store.records.commit = commit
    if isinstance(lost, Exception):
        with pytest.raises(StoreUnavailable):
            reads(world, engine)
    else:
        reads(world, engine)
    assert (world.state(order), world.bss.asked) == ("confirmed", [])
    world.bss.can_ask = True
    world.clock.forward(seconds=61)
    world.run(Lane.ACTIVATION)
    assert world.engine.show(order.id).effects[ACTIVATE].doubts == 1
    world.clock.forward(seconds=601)
    world.run()
    assert (world.state(order), len(world.bss.asked)) == ("notified", 1)


def test_while_one_part_of_the_store_is_away_another_goes_on_and_nothing_it_leased_is_lost(world):
    orders = asked(world, NUMBER, OTHER)
    for order in orders:
        world.say("是", order.person.msisdn)
    engine = awake(world)
    records, away = engine.store.records, []
    records.part = [order.id for order in orders].index
    save = records.commit

    def commit(some, **more):
        if away and orders[1].id in {each.records[0].id for each in some}:
            raise StoreUnavailable("its master is away")
        return save(some, **more)

    records.commit = commit
    activate = world.bss.activate

    async def answers(activation):
        away.append(activation)
        return await activate(activation)

    world.bss.activate = answers
    for _ in range(100):  # an outcome that cannot be recorded is retried meanwhile
        reads(world, engine, 0.1)
        if world.state(orders[0]) == "notified":
            break
    assert [world.state(order) for order in orders] == ["notified", "confirmed"]
    away.clear()
    world.runner.run(engine.performer.land(5))
    assert [world.state(order) for order in orders] == ["notified", "notified"]
    assert len(world.texts("notification")) == len(world.bss.asked) == 2


def test_an_error_is_raised_where_the_step_waits_though_its_commits_are_looked_at(world):
    def waiting():
        try:
            yield Recall(Order, ("a request's key",))
        except ArchiveUnavailable:
            return "it waits"

    performer = world.engine.performer
    for around in (lambda step: performer._carry.after(step, 0, 0.0), performer._known.after):  # noqa: SLF001
        step = around(waiting())
        assert step.send(None) == Recall(Order, ("a request's key",))
        with pytest.raises(StopIteration) as end:
            step.throw(ArchiveUnavailable("it is away"))
        assert end.value.value == "it waits"
