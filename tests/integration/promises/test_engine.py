"""The engine over the real store: what must hold when things happen twice, late, at once, or by halves."""

import asyncio
from dataclasses import replace

import pytest
from msgspec import structs

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Accepted, Lane, Pending, Rejected, Unavailable, Uncertain
from consent_engine.domain.msisdn import parse
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery
from consent_engine.engine.change_order import giving_back
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.reserving import RESERVED_MS
from consent_engine.engine.round_trips import drive, load
from consent_engine.errors import (
    BrokenRecord,
    DoNotCall,
    DuplicateOrder,
    IdempotencyConflict,
    Malformed,
    NothingParked,
    StoreUnavailable,
)
from tests.conftest import NUMBER, OTHER, SECOND, World
from tests.integration.mishaps import dies_after, happens_before_the_next_commit
from tests.memory import a_store

HOUR = 3_600_000


# -- placing ----------------------------------------------------------------------------------------------------------


def test_the_same_request_is_one_order(world):
    wanted = Placing("desk", "key", world.request())
    first, second = world.engine.place_many([wanted, wanted])
    again = world.engine.place(wanted)
    assert (first.order.id, again.order.id) == (second.order.id, first.order.id)
    assert [each.created for each in (first, again)] == [True, False]
    world.run()
    assert len(world.gateway.sent) == 1


def test_a_repeat_is_answered_before_the_clock_is_asked(world):
    """After a failover the store's clock may be behind the former one: the first answer was a promise."""
    wanted = Placing("desk", "key", world.request())
    placed = world.engine.place(wanted).order
    world.clock.forward(hours=-48)
    again = world.engine.place(wanted)
    assert (again.order.id, again.created) == (placed.id, False)


class Torn:
    """Records whose first look at an order is older than the one at its line: a look is no transaction."""

    def __init__(self, records):
        self.records, self.looks = records, 0

    def __getattr__(self, name):
        return getattr(self.records, name)

    def look(self, wanted, *, prove=False):
        found = self.records.look(wanted, prove=prove)
        self.looks += 1
        return found._replace(found={**found.found, Order: {}}) if self.looks == 1 else found


def test_a_repeat_whose_first_attempt_is_taken_while_it_looks_is_that_order(world):
    """This happens after a failover: the first attempt was held in a socket while its desk asked again."""
    wanted = Placing("desk", "key", world.request())
    first = world.engine.place(wanted)
    engine = world.another()
    engine.store = replace(engine.store, records=Torn(engine.store.records))
    again = engine.place(wanted)
    assert (again.order.id, again.created) == (first.order.id, False)


def test_a_call_of_tomorrow_reserves_nothing(world):
    world.clock.forward(hours=-48)
    with pytest.raises(Malformed):
        world.place(key="k")
    assert world.client.keys("ce:key:*") == []
    world.clock.forward(hours=48)
    assert world.engine.place(Placing("desk", "k", world.request(OTHER))).created


def test_another_request_under_the_same_key_is_a_conflict_whatever_the_number(world):
    world.place(key="k")
    for request in (world.request(OTHER), world.request(plan=SECOND)):
        with pytest.raises(IdempotencyConflict):
            world.engine.place(Placing("desk", "k", request))


def test_a_refusal_at_the_door_reserves_nothing(world):
    world.place()
    with pytest.raises(DuplicateOrder):
        world.place(key="k")
    assert world.engine.place(Placing("desk", "k", world.request(OTHER))).created


def test_a_reservation_whose_request_died_is_taken_over_when_it_is_old_and_not_before(world):
    dying = dies_after(world.another(), 0)
    with pytest.raises(StoreUnavailable):
        dying.place(Placing("desk", "k", world.request()))
    other = Placing("desk", "k", world.request(OTHER))
    with pytest.raises(IdempotencyConflict):
        world.engine.place(other)
    world.clock.forward(RESERVED_MS)
    assert world.engine.place(other).created
    with pytest.raises(IdempotencyConflict):
        world.engine.place(Placing("desk", "k", world.request()))


@pytest.mark.parametrize("refuse", ["sms", "voice"])
def test_a_refusal_while_placing_wins(world, refuse):
    def refused():
        if refuse == "sms":
            world.say("TD")
        else:
            world.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))

    happens_before_the_next_commit(world.engine, refused)
    with pytest.raises(DoNotCall):
        world.place()


def test_two_desks_at_once_get_two_codes_or_one_order(world):
    happens_before_the_next_commit(world.engine, lambda: world.place(plan=SECOND))
    first = world.place()
    codes = {entry.code for entry in world.engine.line(NUMBER).entries}
    assert len(codes) == 2
    assert first.doc.asks_code
    happens_before_the_next_commit(world.engine, lambda: world.place(OTHER))
    with pytest.raises(DuplicateOrder):
        world.place(OTHER)


def test_a_line_nobody_can_read_admits_nothing(world):
    world.say("是")
    world.client.hset(f"ce:{{0}}:line:{world.engine.line(NUMBER).id}", "r:mobile", "garbage")
    with pytest.raises(BrokenRecord):
        world.place()
    assert world.place(OTHER)


# -- performing -------------------------------------------------------------------------------------------------------


def test_an_answer_that_comes_after_its_lease_is_believed_and_nothing_is_done_twice(world):
    order = world.place()
    world.run()
    world.say("是")
    world.run(Lane.INBOUND)
    slow, hold = world.another(), asyncio.Event()
    activate = world.bss.activate

    async def slowly(activation):
        await hold.wait()
        return await activate(activation)

    world.bss.activate = slowly
    world.runner.run(slow.performer.perform(Lane.ACTIVATION, 0.3))
    world.bss.activate = activate
    world.clock.forward(seconds=61)
    world.runner.run(world.engine.performer.perform(Lane.ACTIVATION, 0.3))
    assert world.engine.show(order.id).effects["activate"].doubts == 1
    hold.set()
    world.runner.run(slow.performer.land(5))
    world.clock.forward(hours=1)
    world.run()
    assert world.state(order) == "notified"
    assert len(world.bss.asked) == 1


def test_nothing_is_switched_on_for_an_order_that_nobody_confirmed_whatever_its_record_wants(world):
    order = world.place()
    world.run()
    for kept in ("[]", Pending(about=(order.doc.carrier, order.doc.plan)).encode()):
        world.client.hset(f"ce:{{0}}:order:{order.id}", "f:activate", kept)
        world.client.zadd("ce:{0}:due:activation", {f"o:{order.id}:activate": 0})
        world.run()
        assert world.bss.asked == []
        assert world.state(order) == "awaiting_reply"
        assert [each.effect for each in world.engine.stuck()] == ["activate"]


def test_every_attempt_at_an_activation_says_the_same(world):
    order = world.place()
    world.run()
    world.say("是")
    world.bss.answers = [Uncertain("timeout"), Unavailable("busy"), Uncertain("timeout"), Accepted("a1")]
    for _ in range(5):
        world.run()
        world.say("嗯")
        world.clock.forward(hours=1)
    assert world.state(order) == "notified"
    assert len(world.bss.asked) == 4
    assert len(set(world.bss.asked)) == 1


def test_doubt_never_ends_in_more_than_the_attempts_there_may_be(world):
    order = world.place()
    world.run()
    world.say("是")
    world.bss.answers = [Uncertain("timeout")] * 20
    for _ in range(10):
        world.run()
        world.clock.forward(hours=1)
    assert len(world.bss.asked) == Policy().max_attempts
    assert [each.effect for each in world.engine.stuck()] == ["activate"]
    world.engine.retry(order.id, "ops")
    with pytest.raises(NothingParked):
        world.engine.retry(order.id, "ops")
    world.run()
    assert len(world.bss.asked) == Policy().max_attempts + 1


def test_a_question_whose_reports_of_failure_overtook_its_doubt_is_not_asked_again_however_short_the_hold(world):
    world.policy = structs.replace(world.policy, uncertain_hold=1_000)
    world.engine = world.another()
    order = world.place()

    def reported_and_dropped(_sms):
        world.report(order, Delivery.FAILED, message_id=f"m{len(world.gateway.sent)}")
        world.read_now()
        return Uncertain("connection reset")

    world.gateway.answers = [reported_and_dropped] * 9
    world.run(Lane.SMS, Lane.INBOUND)
    for _ in range(3):
        world.clock.forward(seconds=1)
        world.run(Lane.SMS)  # this lane's worker is always the first
        world.run(Lane.TIMER, Lane.INBOUND)
    assert (world.state(order), len(world.gateway.sent)) == ("undeliverable", 1)


def unasked(world):
    return world.engine.performer.measures.registry.get_sample_value("consent_orders_expired_unasked_total")


def test_an_order_that_expires_before_its_question_went_out_is_counted_once(world):
    world.gateway.answers = [Unavailable("503")] * 100
    placed, silent = world.place(), world.place(OTHER)
    world.run()
    world.gateway.answers = []
    world.engine.cancel(silent.id, "A1024", "changed his mind")
    world.clock.forward(hours=3)
    world.run(Lane.TIMER)
    world.run(Lane.TIMER)
    assert (world.state(placed), world.state(silent)) == ("expired", "cancelled")
    assert unasked(world) == 1


def test_who_is_asked_and_says_nothing_is_not_counted_as_unasked(world):
    placed = world.place()
    world.run()
    for _ in range(3):
        world.clock.forward(hours=24)
        world.run()
    assert world.state(placed) == "expired"
    assert unasked(world) == 0


def test_a_broken_effect_stops_no_other_and_stands_on_the_stuck_list(world):
    broken, order = world.place(), world.place(OTHER)
    world.client.hset(f"ce:{{0}}:order:{broken.id}", "f:sms.confirmation.1", "garbage")
    world.run(Lane.SMS)
    assert world.state(order) == "awaiting_reply"
    assert [(each.id, each.effect) for each in world.engine.stuck()] == [(broken.id, "sms.confirmation.1")]


def test_a_lease_given_back_leaves_the_effect_as_it_was(world):
    order = world.place()
    before = world.engine.show(order.id).effects
    [leased] = world.engine.store.lanes.lease(Lane.SMS, 1)
    drive(world.engine.store, [giving_back(leased, world.clock.now)])
    assert world.engine.show(order.id).effects == before
    world.run()
    assert (world.state(order), len(world.gateway.sent)) == ("awaiting_reply", 1)


def test_an_sms_that_belongs_to_no_order_waits_for_a_person_and_can_be_retried(world):
    world.gateway.answers = [Uncertain("timeout"), Uncertain("timeout")]
    world.say("TD")
    world.run()
    world.clock.forward(seconds=601)
    world.run()
    [stuck] = world.engine.stuck()
    world.engine.retry_other(stuck.id, "ops")
    world.run()
    assert world.engine.stuck() == []
    assert len(world.texts("opted_out")) == 3


def test_a_doubtful_notification_that_was_reported_is_not_sent_again(world):
    order = world.place()
    world.run()
    world.gateway.answers = [Uncertain("timeout")]
    world.say("是")
    world.run()
    world.report(order, Delivery.DELIVERED, "notification.1")
    world.run()
    world.clock.forward(hours=1)
    world.run()
    assert (world.state(order), len(world.texts("notification"))) == ("notified", 1)


def test_a_rejected_question_waits_for_the_reply_that_is_unread(world):
    order = world.place()

    def answered(sms):
        world.say("否")
        return Rejected("no such number")

    world.gateway.answers = [answered]
    world.run(Lane.SMS)
    assert world.state(order) == "agreed"
    world.run()
    assert (world.state(order), len(world.gateway.sent)) == ("declined", 2)


def test_a_gateway_whose_own_words_are_refused_and_that_may_be_asked_again_is_asked_again(world):
    """A gateway's text for people decides nothing, whatever it begins with."""
    order = world.place()
    world.gateway.answers = [Unavailable("refused: too many a second")]
    world.run(Lane.SMS)
    world.clock.forward(hours=1)
    world.run()
    assert (world.state(order), len(world.gateway.sent)) == ("awaiting_reply", 2)


def test_a_question_whose_refusal_is_known_is_not_asked_again_though_its_lease_is_lost(world):
    """No call was made under that lease: no doubt follows."""
    order = world.place()

    def answered(sms):
        world.say("嗯")
        return Rejected("no such number")

    world.gateway.answers = [answered]
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    assert world.engine.store.lanes.lease(Lane.SMS, 1)
    world.clock.forward(seconds=61)
    world.run()
    assert (world.state(order), len(world.texts("confirmation"))) == ("undeliverable", 1)


def test_orders_of_many_numbers_go_their_ways_together():
    world = World(a_store())
    numbers = [parse(f"138001380{n:02d}") for n in range(40)]
    orders = [world.place(number) for number in numbers]
    world.run()
    for n, number in enumerate(numbers):
        world.say(("是", "否", "TD", "嗯")[n % 4], number)
    world.run()
    ends = [world.state(order) for order in orders]
    assert ends == ["notified", "declined", "declined", "awaiting_reply"] * 10
    counts = world.engine.store.queries.orders.funnel(0, 1 << 60)
    assert {state.value: n for state, n in counts.items() if n} == {
        "notified": 10,
        "declined": 20,
        "awaiting_reply": 10,
    }
    world.runner.close()


def test_a_step_that_gives_up_ends_no_other(world):
    order = world.place()

    def gives_up():
        yield from load({Order: [order.id]})
        raise StoreUnavailable("too many others change this record")

    def goes_on():
        for _ in range(3):
            found = yield from load({Order: [order.id]})
        return found.of(Order)[order.id].id

    gave_up, went_on = drive(world.engine.store, [gives_up(), goes_on()]).results
    assert isinstance(gave_up, StoreUnavailable)
    assert went_on == order.id
