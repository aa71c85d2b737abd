"""Attacks on the promises: each of these once broke one."""

import pytest

from consent_engine.domain.effects import Accepted, Lane, Unavailable, Uncertain
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.facts import Ended
from consent_engine.domain.order.order import MOST_EVENTS
from consent_engine.domain.sms import Delivery
from consent_engine.engine.change_order import giving_back, recording
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.round_trips import drive
from tests.conftest import NUMBER, SECOND, World
from tests.integration.mishaps import happens_before_the_next_commit, lose_leases
from tests.memory import a_store


@pytest.mark.parametrize("times", [6, 12])
def test_a_standing_refusal_outweighs_a_yes_even_when_its_message_lost_every_reader(world, times):
    order = world.place()
    world.run()
    world.say("TD")
    lose_leases(world, Lane.INBOUND, times=times)
    world.run()
    world.say("是")
    world.run()
    assert not world.engine.dial(NUMBER, "mobile").callable
    assert world.bss.asked == []
    assert world.state(order) in {"declined", "cancelled"}


def test_a_yes_that_a_standing_refusal_outweighs_is_in_the_history(world):
    order = world.place()
    world.run()
    world.say("TD")
    lose_leases(world, Lane.INBOUND, times=6)
    world.say("是", message_id="the-yes")
    world.run()
    assert world.state(order) == "declined"
    assert "the-yes" in [event.ref for event in world.engine.show(order.id).events]


@pytest.mark.parametrize("apart", [0, 1, -10_000])
@pytest.mark.parametrize("between", [[], ["read"], ["read", "switched on"]])
def test_a_yes_and_a_stop_behind_it_end_as_declined_whenever_they_are_read_and_the_word_is_kept(world, apart, between):
    order = world.place()
    world.run()
    world.bss.answers = [Unavailable("503")]
    world.say("是")
    for lane in (Lane.INBOUND, Lane.ACTIVATION)[: len(between)]:
        world.run(lane)
    world.clock.forward(apart)
    world.say("TD", message_id="the-stop")
    world.run()
    events = [(event.trigger, event.ref) for event in world.engine.show(order.id).events]
    assert (world.state(order), ("opted_out", "the-stop") in events) == ("declined", True)
    assert len(world.bss.asked) == len(between) // 2


def test_a_stop_after_the_stores_clock_stepped_back_cancels(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=-10)
    world.say("TD")
    world.run()
    assert world.state(order) == "declined"


def test_a_yes_after_the_stores_clock_stepped_back_counts(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=-10)
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


@pytest.mark.parametrize("lanes", [(Lane.SMS,), (Lane.SMS, Lane.TIMER)])
def test_a_yes_between_a_doubtful_attempt_and_its_resend_is_void_however_late_it_is_read(world, lanes):
    world.gateway.answers = [Uncertain("timeout")]
    order = world.place()
    world.run()
    world.clock.forward(seconds=5)
    world.say("是")
    world.clock.forward(seconds=700)
    world.run(*lanes)
    world.run()
    assert world.state(order) == "awaiting_reply"
    assert world.bss.asked == []


def test_no_op_stands_twice_in_a_history(world):
    order = world.place()
    world.run()
    world.gateway.answers = [Uncertain("timeout"), Uncertain("timeout")]
    world.say("是")
    world.run()
    world.clock.forward(hours=1)
    world.run()
    world.report(order, Delivery.DELIVERED, "notification.1")
    world.run()
    assert world.state(order) == "notified"
    ops = [event.op for event in world.engine.show(order.id).events]
    assert len(ops) == len(set(ops))


def test_one_yes_and_two_codes_are_one_consent(world):
    first, second = world.two_asked()
    world.say("是")
    world.run()
    world.say(f"是{first.doc.code}")
    world.run()
    world.clock.forward(hours=10)
    world.say(second.doc.code)
    world.run()
    assert (world.state(first), world.state(second)) == ("notified", "awaiting_reply")


def test_a_bare_code_from_before_our_question_answers_nothing(world):
    first, _ = world.two_asked()
    world.say("是")
    world.clock.forward(seconds=1)
    world.say(first.doc.code)
    world.clock.forward(seconds=1)
    world.run()
    assert world.state(first) == "awaiting_reply"


def test_a_failed_report_does_not_settle_over_a_reply_that_has_just_come(world):
    order = world.place()
    world.run()
    world.report(order, Delivery.FAILED)
    happens_before_the_next_commit(world.engine, lambda: world.say("是"))
    world.run()
    assert world.state(order) == "notified"


def test_a_failed_report_does_not_settle_over_a_reply_far_behind_it(world):
    order = world.place()
    world.run()
    for segment in range(1, 18):
        world.report(order, Delivery.FAILED, segment=segment, segments=17)
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_a_lease_is_given_back_though_the_order_changed_meanwhile(world):
    order = world.place()
    [leased] = world.engine.store.lanes.lease(Lane.SMS, 1)
    world.say("嗯")
    world.run(Lane.INBOUND)
    drive(world.engine.store, [giving_back(leased, world.clock.now)])
    assert world.engine.show(order.id).effects["sms.confirmation.1"].leased_at == 0


def test_a_yes_in_the_last_millisecond_counts_though_the_timer_is_due_in_it(world):
    order = world.place()
    world.run()
    world.clock.now = world.engine.show(order.id).reply_by
    world.runner.run(world.engine.performer.perform(Lane.TIMER, 1))
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_nobody_is_reminded_who_has_answered():
    world = World(a_store(), Policy(reminder_after=3_600_000))
    order = world.place()
    world.run()
    world.clock.forward(hours=1)
    world.say("是")
    world.run(Lane.TIMER, Lane.SMS)
    world.run()
    assert world.state(order) == "notified"
    assert world.texts("reminder") == []
    world.runner.close()


def test_what_was_just_asked_is_not_late_by_decades(world):
    world.two_asked()
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.engine.store.lanes.depths()[Lane.SMS].late < 1_000


def test_the_history_of_a_finished_order_is_bounded_too(world):
    order = world.place()
    world.run()
    for _ in range(MOST_EVENTS + 50):
        world.say("是")
    world.run()
    assert world.state(order) == "notified"
    assert len(world.engine.show(order.id).events) <= MOST_EVENTS + 5


def test_a_stop_under_an_id_that_was_used_before_is_heard(world):
    order = world.place()
    world.run()
    assert world.say("嗯", message_id="1")
    assert world.say("TD", message_id="1")
    world.run()
    assert world.state(order) == "declined"
    assert not world.engine.dial(NUMBER, "mobile").callable


def test_the_only_attempt_failed_after_a_report_had_proved_it(world):
    world.gateway.answers = [Uncertain("timeout")]
    order = world.place()
    world.run()
    world.report(order, Delivery.ACCEPTED)
    world.run()
    world.report(order, Delivery.FAILED)
    world.run()
    assert world.state(order) == "undeliverable"


def test_a_failed_report_before_the_gateways_answer_counts_after_it(world):
    order = world.place()
    [leased] = world.engine.store.lanes.lease(Lane.SMS, 1)
    world.report(order, Delivery.FAILED)
    world.run(Lane.INBOUND)
    ended = Ended(leased.effect, leased.token, Accepted("m1"))
    held = leased.held
    drive(world.engine.store, [recording(order.id, ended, order=leased.record, now=leased.at + 5, held=held)])
    assert world.state(order) == "undeliverable"


def test_nothing_is_asked_after_a_stop_though_no_order_is_open(world):
    orders = world.two_asked()
    world.gateway.answers = [Unavailable("busy", 3_600_000)]
    world.say("是")
    world.run()
    for order in orders:
        world.engine.cancel(order.id, "A1024", "why")
    world.say("TD")
    world.run()
    world.clock.forward(hours=2)
    world.run()
    assert [str(sms.purpose) for sms in world.gateway.sent][-1] == "opted_out"


def test_the_answer_to_a_stop_is_the_last_message(world):
    world.place()
    world.run()
    world.say("TD")
    world.run()
    world.say("是")
    world.run()
    assert [str(sms.purpose) for sms in world.gateway.sent] == ["confirmation", "opted_out"]


def test_a_yes_that_came_before_the_order_or_its_question_is_no_consent(world):
    world.say("是")
    world.clock.forward(seconds=1)
    order = world.place(plan=SECOND)
    world.clock.forward(seconds=1)
    world.say("是")
    world.clock.forward(seconds=1)
    world.run(Lane.SMS)
    world.run()
    assert world.state(order) == "awaiting_reply"
    assert world.bss.asked == []


@pytest.mark.parametrize("gap_ms", [0, 300_000])
def test_a_bare_code_is_no_yes_while_our_question_which_one_has_not_left(world, gap_ms):
    first, second = world.place(plan="5g-smart-199"), world.place(plan="data-pack-10gb")
    world.run()
    world.say("是")  # it is not read for a while
    world.clock.forward(gap_ms)
    world.say(second.doc.code)
    world.run(Lane.INBOUND)
    assert world.texts("clarification") == []
    assert world.state(first) == world.state(second) == "awaiting_reply"
    world.run()
    assert len(world.texts("clarification")) == 1
    world.say(second.doc.code)
    world.run()
    assert world.state(second) == "notified"


def test_a_bare_code_is_no_yes_while_our_question_was_decided_and_has_not_left(world):
    first, second = world.place(plan="5g-smart-199"), world.place(plan="data-pack-10gb")
    world.run()
    world.say("是")
    world.run(Lane.INBOUND)  # "which one?" is due, and not sent for a while
    world.clock.forward(1_000)
    world.say(second.doc.code)
    world.run(Lane.INBOUND)
    assert world.texts("clarification") == []
    assert world.state(first) == world.state(second) == "awaiting_reply"


def test_a_refusal_with_an_end_does_not_end_the_suspicion_that_it_may_be_for_ever(world):
    world.say("我要投诉你们")
    world.engine.receive([RefusalAsked(NUMBER, "mobile", "voice", "desk", until=world.clock.now + 60_000)])
    world.clock.forward(hours=1)
    assert not world.engine.dial(NUMBER, "mobile").callable, "nobody has read the words yet"
    world.clock.forward(hours=24)
    world.run()
    world.clock.forward(hours=1)
    stands = world.engine.line(NUMBER).refusal("mobile")
    assert (stands is not None and stands.until) == 0, "undecided for a day it is a refusal, without an end"


def test_a_suspicion_that_was_none_leaves_the_refusal_with_an_end_that_came_beside_it(world):
    world.say("我要投诉你们")
    world.engine.receive([RefusalAsked(NUMBER, "mobile", "voice", "desk", until=world.clock.now + 3_600_000)])
    [held] = world.engine.held()[0]
    world.engine.decide_held([held.id], refusal=False, by="ops", reason="asks what it costs")
    assert not world.engine.dial(NUMBER, "mobile").callable
    world.clock.forward(hours=2)
    assert world.engine.dial(NUMBER, "mobile").callable
