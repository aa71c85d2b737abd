"""A call to the BSS that begins long after its lease looks again: a service refused meanwhile is not activated."""

from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from msgspec import structs

from consent_engine.domain.effects import ACTIVATE, Lane, Unavailable, Uncertain, lane_of
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.restriction import Kind, name_of
from consent_engine.domain.order.order import QUESTION
from consent_engine.engine.calls_in_flight import LOOK_AGAIN_S, LOOKS, may_begin
from consent_engine.engine.change_order import giving_back
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.round_trips import MOST_TRIES, drive
from consent_engine.errors import InFlight, NotDurable, StoreUnavailable
from consent_engine.ports import CommitResult, Endpoint
from consent_engine.ports.outside import MAY_GO
from consent_engine.ports.registry import HOLDS_MS, SPOOL, Pause
from tests.conftest import NUMBER, OTHER, SECOND, FakeBss, FakeGateway, others_of

STOOD_MS = int(LOOK_AGAIN_S * 1000) + 1


@dataclass
class Standing:
    """Lanes of a worker that stalls once, after it leased an activation, and its last looks. meanwhile: called then"""

    inner: object
    clock: object
    meanwhile: object
    ms: int = STOOD_MS
    looks: int = 0
    at_a_look: object = None

    def lease_each(self, wanted, *more):
        leased = self.inner.lease_each(wanted, *more)
        if leased.get(Lane.ACTIVATION) and self.meanwhile:
            happens, self.meanwhile = self.meanwhile, None
            happens()
            self.clock.forward(self.ms)
        return leased

    def __getattr__(self, name):
        return getattr(self.inner, name)


@dataclass
class Looking:
    """The records of such a worker."""

    inner: object
    lanes: Standing

    def look(self, wanted, *, prove=False):
        found = self.inner.look(wanted, prove=prove)
        if prove:
            self.lanes.looks += 1
            if self.lanes.at_a_look:
                self.lanes.at_a_look()
        return found

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.fixture
def confirmed(world):
    return asked_and_confirmed(world)


def asked_and_confirmed(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run(Lane.INBOUND)
    world.clock.forward(seconds=1)
    return order


def worker(world, meanwhile=lambda: None, **more):
    store = world.engine.store
    lanes = Standing(store.lanes, world.clock, meanwhile, **more)
    return world.another(replace(store, lanes=lanes, records=Looking(store.records, lanes))), lanes


def test_a_stop_acknowledged_while_a_leased_activation_stood_still_comes_before_the_first_call(world, confirmed):
    engine, lanes = worker(world, lambda: world.say("TD"))
    world.run(Lane.ACTIVATION, Lane.INBOUND, engine=engine)
    assert world.bss.asked == []
    assert lanes.looks == 1
    assert (world.state(confirmed), world.triggers(confirmed)[-1]) == ("declined", "opted_out")


def test_a_message_set_aside_while_a_leased_activation_stood_still_comes_before_the_first_call(world, confirmed):
    line = world.cell.line(confirmed.line)
    engine, lanes = worker(world, lambda: world.client.hset(line, "f:wake.aside", '[0,0,0,0,0,"","","set_aside",1]'))
    world.run(Lane.ACTIVATION, engine=engine)
    assert (world.bss.asked, lanes.looks) == ([], 1)


def test_a_number_suspended_while_a_leased_activation_stood_still_has_nothing_activated(world, confirmed):
    line = world.cell.line(confirmed.line)
    engine, lanes = worker(world, lambda: world.client.hset(line, "r:suspended:*", '[1,"line","m"]'))
    world.run(Lane.ACTIVATION, engine=engine)
    assert (world.bss.asked, lanes.looks) == ([], 1)


def test_a_call_that_begins_at_once_looks_no_more(world, confirmed):
    engine, lanes = worker(world, ms=STOOD_MS - 2)
    world.run(Lane.ACTIVATION, engine=engine)
    assert (len(world.bss.asked), lanes.looks) == (1, 0)


def test_a_late_call_that_nothing_bars_is_made_in_its_lease(world, confirmed):
    engine, lanes = worker(world)
    world.run(Lane.ACTIVATION, engine=engine)
    assert (len(world.bss.asked), lanes.looks) == (1, 1)
    assert world.engine.show(confirmed.id).state.value == "activated"


def test_what_another_worker_has_now_is_not_called_by_the_one_that_stood_still(world, confirmed):
    def taken():
        world.clock.forward(seconds=61)
        assert world.engine.store.lanes.lease(Lane.ACTIVATION, 1)[0].lost

    engine, lanes = worker(world, taken)
    pulse = world.engine.performer
    world.runner.run(engine.performer.perform(Lane.ACTIVATION, 1))
    assert (world.bss.asked, lanes.looks) == ([], 1)
    assert pulse.in_flight() == 0


def due_now(world, effect):
    """Make an effect due; return its lane."""
    if effect == QUESTION:
        world.place()
    elif effect == ACTIVATE:
        asked_and_confirmed(world)
    else:
        world.say("帮助")
        world.run(Lane.INBOUND)
    return lane_of(effect)


@pytest.mark.parametrize("effect", [QUESTION, ACTIVATE, "sms.help"])
def test_what_is_given_back_in_the_millisecond_of_its_lease_wakes_its_lane_and_is_leased_in_the_next(world, effect):
    lane, store = due_now(world, effect), world.engine.store
    [leased] = store.lanes.lease(lane, 1)
    assert drive(store, [giving_back(leased, world.clock.now)]).due == {lane: 1}
    assert store.lanes.lease(lane, 1) == [], "two leases of one millisecond could not be told apart"
    world.clock.forward(1)
    [again] = store.lanes.lease(lane, 1)
    assert (again.token, again.held == leased.held) == (leased.token, False)


def test_a_lease_of_the_same_number_from_another_instant_begins_no_call(world, confirmed):
    records = world.engine.store.records
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    for other in others_of(leased.held):
        pending = structs.replace(leased.record.effects[ACTIVATE], leased_at=other.since)
        order = structs.replace(leased.record, effects={**leased.record.effects, ACTIVATE: pending})
        assert may_begin(records, [structs.replace(leased, token=other.token, record=order)]) == [False]
    assert may_begin(records, [leased]) == [True]


@pytest.mark.parametrize("effect", [QUESTION, ACTIVATE, "sms.help"])
def test_what_is_given_back_twice_takes_no_lease_of_another(world, effect):
    """The first answer was lost: another worker may have the effect by then, under the number of that attempt."""
    lane, store = due_now(world, effect), world.engine.store
    [ours] = store.lanes.lease(lane, 1)
    assert ours.effect.startswith(effect)
    drive(store, [giving_back(ours, world.clock.now)])
    world.clock.forward(1)
    [theirs] = world.another().store.lanes.lease(lane, 1)
    assert theirs.token == ours.token
    drive(store, [giving_back(ours, world.clock.now)])
    world.clock.forward(1)
    assert store.lanes.lease(lane, 1) == []


def test_a_look_that_takes_as_long_is_none_and_after_some_it_is_given_back(world, confirmed):
    engine, lanes = worker(world, at_a_look=lambda: world.clock.forward(STOOD_MS))
    world.runner.run(one_slice(engine))
    assert (world.bss.asked, lanes.looks) == ([], 1 + LOOKS)
    assert world.engine.show(confirmed.id).effects[ACTIVATE].attempts == 0


@dataclass
class Connecting(FakeBss):
    """A BSS whose connection takes its time. meanwhile: called until it is connected"""

    meanwhile: object = None

    async def activate(self, activation):
        self.meanwhile()
        return await super().activate(activation) if MAY_GO.get()() else Unavailable("not wanted any more")


@pytest.mark.parametrize("ms", [STOOD_MS, 5_000])
def test_a_stop_acknowledged_while_the_connection_to_the_bss_was_made_comes_before_the_first_byte(world, confirmed, ms):
    def stops():
        world.say("TD")
        world.clock.forward(ms)

    world.bss = Connecting(meanwhile=stops)
    engine, lanes = worker(world, meanwhile=None)
    world.run(Lane.ACTIVATION, Lane.INBOUND, engine=engine)
    assert (world.bss.asked, lanes.looks) == ([], 1)
    assert (world.state(confirmed), world.triggers(confirmed)[-1]) == ("declined", "opted_out")


def test_a_slow_connection_that_nothing_bars_is_used_and_a_quick_one_looks_no_more(world, confirmed):
    world.bss = Connecting(meanwhile=lambda: world.clock.forward(STOOD_MS))
    engine, lanes = worker(world, meanwhile=None)
    world.run(Lane.ACTIVATION, engine=engine)
    assert (len(world.bss.asked), lanes.looks) == (1, 1)
    assert world.engine.show(confirmed.id).state.value == "activated"


@dataclass
class InParts(FakeGateway):
    """A gateway that sends an SMS in parts, each over a connection of its own. before: called before each part"""

    before: list[object] = field(default_factory=list)

    async def send(self, sms):
        went = []
        for waits in self.before:
            waits()
            went.append(MAY_GO.get()())
        return Uncertain("a part was sent") if any(went) else Unavailable("not wanted any more")


def test_an_sms_of_which_a_part_was_sent_is_in_doubt_though_the_next_came_too_late_for_its_lease(world):
    world.gateway = InParts(before=[lambda: None, lambda: world.clock.forward(seconds=58)])
    engine = world.another()
    order = world.place()
    world.runner.run(one_slice(engine, Lane.SMS))
    question = world.engine.show(order.id).question
    assert (question.attempts, question.doubts, question.last_at > 0) == (1, 1, True)


def test_an_sms_of_which_each_part_came_too_late_is_given_back(world):
    world.gateway = InParts(before=[lambda: world.clock.forward(seconds=58), lambda: None])
    engine = world.another()
    order = world.place()
    world.runner.run(one_slice(engine, Lane.SMS))
    question = world.engine.show(order.id).question
    assert (question.attempts, question.doubts, question.last_at) == (0, 0, 0)


def test_what_was_leased_before_a_spool_was_not_moved_on_is_not_begun_after(world, confirmed):
    """Neither a question nor an activation: a STOP may be acknowledged from the spool by then."""
    other, spool = world.place(OTHER), Endpoint(SPOOL, "an API that is cut off")
    world.gateway = InParts(before=[lambda: world.clock.forward(HOLDS_MS)])
    world.bss = Connecting(meanwhile=lambda: world.clock.forward(HOLDS_MS))
    for lane in (Lane.SMS, Lane.ACTIVATION):
        world.engine.registry.pauses.announce(spool, Pause(world.clock() + HOLDS_MS, SPOOL, ""))
        world.runner.run(one_slice(world.another(), lane))
    assert (world.engine.show(other.id).question.last_at, world.bss.asked) == (0, [])
    assert world.engine.show(confirmed.id).effects[ACTIVATE].leased_at == 0


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), NotDurable("no replica says so")])
def test_without_an_answer_that_is_proven_nothing_is_called(world, confirmed, error):
    def fails():
        raise error

    engine, lanes = worker(world, at_a_look=fails)
    world.runner.run(one_slice(engine))
    assert (world.bss.asked, lanes.looks) == ([], 1)


def test_a_restriction_of_another_plan_bars_no_late_call(world, confirmed):
    line = world.engine.line(confirmed.person.msisdn).id
    field = f"r:{name_of(Kind.REFUSED, 'mobile', SECOND)}"
    engine, lanes = worker(world, lambda: world.client.hset(world.cell.line(line), field, '[1,"sms","m"]'))
    world.run(Lane.ACTIVATION, engine=engine)
    assert (len(world.bss.asked), lanes.looks) == (1, 1)


async def one_slice(engine, lane=Lane.ACTIVATION):
    await engine.performer.perform(lane, 1)
    await engine.performer.land(1)


def test_a_notification_that_is_being_sent_is_not_given_up(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=5)
    world.say("是")
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    world.engine.store.lanes.lease(Lane.SMS, 1)
    with pytest.raises(InFlight):
        world.engine.give_up(order.id, "ops", "out of service")
    assert world.state(order) == "activated"


def says_no(world):
    world.say("否")
    world.read_now()


def revokes(world):
    world.engine.revoke("5g-smart-199", "boss")


TAKEN_BACK = [(says_no, "declined"), (revokes, "cancelled")]
"""Events that are only noted while an activation is under way: the order is on no line, so nothing bars it."""


@pytest.mark.parametrize(("happens", "state"), TAKEN_BACK)
@pytest.mark.parametrize("ms", [STOOD_MS, 30_000])
def test_what_takes_an_order_back_while_its_leased_activation_stood_still_comes_before_the_first_call(
    world, confirmed, happens, state, ms
):
    engine, _ = worker(world, lambda: happens(world), ms=ms)
    world.run(Lane.ACTIVATION, engine=engine)
    assert (world.state(confirmed), world.bss.asked) == (state, [])
    world.run()
    assert (world.state(confirmed), world.bss.asked, world.engine.stuck()) == (state, [], [])


def test_any_other_change_of_an_order_costs_its_late_call_one_more_lease(world, confirmed):
    def says():
        world.say("嗯")
        world.read_now()

    engine, lanes = worker(world, says)
    world.run(Lane.ACTIVATION, engine=engine)
    assert (len(world.bss.asked), lanes.looks) == (1, 1)
    assert world.engine.show(confirmed.id).last(Trigger.SERVICE_ACTIVATED).detail.attempts == 1


def test_a_refusal_whose_time_is_over_holds_no_activation_up_at_the_last_look(world):
    until = world.clock() + 60_000
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk", until=until))
    world.run()
    world.clock.forward(seconds=61)
    world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run(Lane.INBOUND)
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    assert may_begin(world.engine.store.records, [leased]) == [True]
    world.clock.now = until - 1
    assert may_begin(world.engine.store.records, [leased]) == [False]


def test_an_outcome_whose_order_too_many_others_change_is_recorded_later_and_those_beside_it_at_once(world):
    raced, other = world.place(), world.place(OTHER)
    records, lost = world.engine.store.records, count(1)
    commit, seen = records.commit, []

    def overtaken(some, **more):
        if some[0].records[0].id == raced.id and len(some) == 1:
            seen.append(world.state(other))
        late = {id(each) for each in some if each.records[0].id == raced.id and next(lost) <= MOST_TRIES + 3}
        saved = iter(commit([each for each in some if id(each) not in late], **more))
        return [CommitResult.STALE if id(each) in late else next(saved) for each in some]

    records.commit = overtaken
    world.runner.run(one_slice(world.engine, Lane.SMS))
    assert [world.state(each) for each in (raced, other)] == ["awaiting_reply"] * 2
    assert set(seen) == {"awaiting_reply"}
    assert len(world.gateway.sent) == 2
