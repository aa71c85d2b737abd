"""Cases that no other test covered: each was written for a mutation (`benchmarks/mutations`) that survived."""

import pytest
from msgspec.structs import replace

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.effects import Lane, Unavailable, Uncertain
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.versions import Sale
from consent_engine.domain.order.facts import Ended
from consent_engine.domain.order.order import QUESTION
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.engine.change_order import recording
from consent_engine.engine.engine import Engine, RefusalAsked
from consent_engine.engine.round_trips import drive
from consent_engine.engine.slice import Pace
from consent_engine.errors import NotDurable, NothingParked, StoreUnavailable
from consent_engine.ports import LiftResult, Owner
from tests.at_rest import SEAL
from tests.conftest import NUMBER, OTHER, SECOND, World
from tests.integration.mishaps import happens_before_the_next_commit
from tests.memory import a_store
from tests.written_out import listed

HOUR = 3_600_000


def engine_like(one, store, **more):
    """Return another engine, over another store or with other times."""
    return Engine(store, one.registry, one.queue, one.outside, one.terms, "test-secret", **more)


def test_whoever_was_too_slow_takes_nothing_from_the_one_who_holds_it_now(world):
    order = world.place()
    [slow] = world.engine.store.lanes.lease(Lane.SMS, 1)
    world.clock.forward(seconds=60)
    [holder] = world.another().store.lanes.lease(Lane.SMS, 1)
    assert (slow.token, holder.token) == (1, 2)
    ended = Ended(QUESTION, slow.token, Unavailable("busy"))
    held = slow.held
    drive(world.engine.store, [recording(order.id, ended, order=slow.record, now=world.clock.now, held=held)])
    assert world.engine.show(order.id).effects[QUESTION] == holder.record.effects[QUESTION]
    assert world.triggers(order) == ["ended_late"]
    world.clock.forward(seconds=59)
    assert world.engine.store.lanes.lease(Lane.SMS, 1) == []


def test_an_outcome_recorded_after_the_clock_stepped_back_moves_no_instant_of_its_line_back(world):
    order = world.place()
    world.clock.forward(seconds=10)
    world.say("嗯")
    seen = world.engine.line(NUMBER).seen
    world.clock.forward(seconds=-5)
    world.run(Lane.SMS)
    assert world.engine.show(order.id).asked_at < world.engine.line(NUMBER).seen == seen + 1  # raised by the question


@pytest.mark.parametrize(
    ("words", "told"), [(("是", "TD"), ["said_yes", "opted_out"]), (("TD", "是"), ["opted_out", "replied_late"])]
)
def test_messages_that_wait_together_are_read_in_the_order_in_which_they_came(world, words, told):
    order = world.place()
    world.run()
    for text in words:
        world.clock.forward(seconds=1)
        world.say(text)
    world.run(Lane.INBOUND)
    assert world.triggers(order) == ["confirmation_accepted", *told]
    world.run()
    assert world.bss.asked == []


def test_a_timer_that_finds_an_unread_message_waits_for_it_and_stops_nothing(world):
    order = world.place()
    world.run()
    world.clock.now = world.engine.show(order.id).reply_by
    world.say("是")
    world.clock.forward(1)
    world.run(Lane.TIMER)
    still = world.engine.show(order.id)
    assert (still.state, [each.attempts for each in still.effects.values()]) == ("awaiting_reply", [0]), "given back"
    world.run()
    assert world.state(order) == "notified"


def test_an_early_yes_is_void_once_the_question_went_out_again(world):
    order = world.place()
    [leased] = world.engine.store.lanes.lease(Lane.SMS, 1)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run(Lane.INBOUND)
    held = leased.held
    doubt = Ended(QUESTION, leased.token, Uncertain("timeout"))
    drive(world.engine.store, [recording(order.id, doubt, now=world.clock.now, held=held)])
    world.clock.forward(seconds=601)
    world.run()
    assert world.triggers(order) == ["replied_early", "confirmation_accepted", "early_reply_void"]
    assert world.bss.asked == []


def test_what_was_still_to_be_said_goes_with_an_order_that_settles(world):
    order = world.place()
    world.engine.cancel(order.id, "A1024", "changed his mind")
    world.run()
    assert world.gateway.sent == []
    assert QUESTION not in world.engine.show(order.id).effects


def test_a_lift_that_is_proven_again_after_its_line_has_gone_makes_none(world):
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk"))
    line, store, now = world.engine.line(NUMBER), world.engine.store, world.clock.now
    assert store.records.lift(line.id, "mobile", now, "kept", now) is LiftResult.OK
    assert world.engine.line(NUMBER).version > line.version, "nobody decides on what was read before"
    world.client.delete(world.cell.line(line.id))
    assert store.records.lift(line.id, "mobile", now, "kept", now) is LiftResult.OK
    assert not world.client.exists(world.cell.line(line.id))


def test_an_act_that_lifted_one_refusal_does_not_lift_the_next(world):
    for _ in range(2):
        world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
        world.clock.forward(hours=1)
        act_at = world.clock.now
        assert world.engine.lift(NUMBER, "mobile", "admin", f"form of {act_at}", act_at) is LiftResult.OK
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", act_at) is LiftResult.NONE
    world.clock.forward(1)
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", act_at) is LiftResult.NEWER
    assert not world.engine.dial(NUMBER, "mobile").callable


def test_an_act_does_not_lift_a_refusal_that_was_repeated_after_it(world):
    for _ in range(2):
        world.say("TD")
        act_at = world.clock.now
        world.clock.forward(hours=1)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", act_at - 1) is LiftResult.NEWER
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", act_at) is LiftResult.OK


def test_an_act_does_not_lift_a_refusal_with_an_end_that_came_after_it(world):
    act_at = world.clock.now
    world.clock.forward(hours=1)
    until = world.clock.now + 86_400_000
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024", until=until))
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", act_at) is LiftResult.NEWER
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK


def test_a_retry_does_not_bring_back_a_question_that_a_stop_has_ended(world):
    for plan in ("5g-smart-199", SECOND):
        world.place(plan=plan)
    world.run()
    world.say("是")
    world.gateway.answers = [Uncertain("timeout"), Uncertain("timeout")]
    world.run()
    world.clock.forward(seconds=601)
    world.run()
    [stuck] = world.engine.stuck()
    assert stuck.owner is Owner.LINE
    asked = len(world.texts("clarification"))

    def stopped():
        world.say("TD")
        world.run(Lane.INBOUND, engine=world.another())

    happens_before_the_next_commit(world.engine, stopped)
    with pytest.raises(NothingParked):
        world.engine.retry_other(stuck.id, "ops")
    world.run()
    assert len(world.texts("clarification")) == asked


def test_who_changes_a_plan_that_was_changed_since_he_read_it_changes_nothing(world):
    read = world.engine.plan(SECOND)
    world.another().catalogue.set_sale(SECOND, Sale.REVOKED)
    with pytest.raises(StoreUnavailable):
        world.engine.registry.publish(read.plan, Sale.WITHDRAWN, read.newest)
    assert world.engine.plan(SECOND).sale is Sale.REVOKED


def test_what_a_version_said_is_never_written_over(world):
    read = world.engine.plan(SECOND)
    other = replace(read.plan.saying(name="others"), version=read.plan.version)
    with pytest.raises(StoreUnavailable):
        world.engine.registry.publish(other, read.sale, read.newest)
    assert world.another().plan(SECOND).plan == read.plan


STRAY = DeliveryReport("test", "none.confirmation.1", "m1", Delivery.DELIVERED)
DONE = {
    "placed": lambda world, _: world.place(OTHER),
    "heard": lambda world, _: world.say("嗯"),
    "stopped": lambda world, _: world.say("TD"),
    "refused": lambda world, _: world.engine.refuse(RefusalAsked(OTHER, "*", "voice", "A1024")),
    "reported": lambda world, order: world.report(order, Delivery.DELIVERED),
    "reported on nothing of ours": lambda world, _: world.engine.receive([STRAY]),
    "cancelled": lambda world, order: world.engine.cancel(order.id, "A1024", "why"),
    "asked again": lambda world, order: world.engine.resend(order.id, "A1024"),
    "revoked": lambda world, _: world.engine.revoke("5g-smart-199", "admin"),
    "begun to activate": lambda world, _: world.engine.store.lanes.lease(Lane.ACTIVATION, 1),
}


@pytest.mark.parametrize("what", DONE)
def test_nothing_is_told_as_done_that_could_not_be_proven(world, what):
    order = world.place()
    world.run()
    if what == "begun to activate":
        world.say("是")
        world.run(Lane.INBOUND)
    # A server without an AOF: no write to it can be proven.
    unproven = redis_store(Wire(world.client, proves=True, replicas=0), lease_ms=60_000, clock=world.clock, seal=SEAL)
    world.engine = engine_like(world.engine, listed(unproven, world.client, seal=SEAL))
    with pytest.raises(NotDurable):
        DONE[what](world, order)


def test_an_offer_that_the_store_lost_is_said_again(world):
    world.engine.show(world.place().id)  # seen in the store, so believed to be there
    world.client.delete("ce:{0}:offers")
    order = world.place(OTHER)
    assert world.another().show(order.id).text == order.text


def test_what_can_wait_is_not_said_in_the_quiet_hours():
    four_in_the_afternoon = 16 * 60
    policy = Policy(reminder_after=HOUR, quiet_from=four_in_the_afternoon + 30, quiet_to=four_in_the_afternoon + 2 * 60)
    world = World(a_store(), policy)
    order = world.place()
    world.run()
    world.clock.forward(HOUR)
    world.run()
    assert (world.texts("reminder"), world.triggers(order)[-1]) == ([], "held")
    world.clock.forward(HOUR)
    world.run()
    assert (len(world.texts("reminder")), world.triggers(order)[-1]) == (1, "informed")
    world.runner.close()


def test_nothing_is_clarified_before_the_question_was_asked(world):
    order = world.place()
    world.say("嗯")
    world.run(Lane.INBOUND)
    world.run()
    assert world.triggers(order)[0] == "unclear"
    assert [str(sms.purpose) for sms in world.gateway.sent] == ["confirmation"]


def test_no_call_is_begun_that_its_lease_may_not_outlast(world):
    order = world.place()
    short = engine_like(world.engine, world.engine.store, pace=Pace(startable_s=-5))
    world.runner.run(short.performer.perform(Lane.SMS, 0.02))
    world.runner.run(short.performer.land(1))
    assert world.gateway.sent == []
    assert world.engine.show(order.id).effects[QUESTION].attempts == 0
