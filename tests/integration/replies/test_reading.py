"""Reading inboxes: every message once, in its order, whole, and never with more meaning than it has."""

import pytest

from consent_engine.domain.effects import WAKE_ASIDE, Lane, Purpose, Unavailable, Uncertain
from consent_engine.domain.interpret.interpret import SET_ASIDE
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.order import MOST_EVENTS
from consent_engine.domain.sms import Delivery
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.read_inbox import reading
from consent_engine.engine.round_trips import drive
from consent_engine.errors import BrokenRecord, OrderNotFound, StoreUnavailable
from tests.conftest import NUMBER, OTHER, SECOND
from tests.integration.mishaps import dies_after, lose_leases


def test_a_stop_over_three_orders_is_done_whole_though_its_reader_dies_at_every_commit(world):
    for commits in range(4):
        number = parse(f"1380013800{commits}")
        orders = [world.place(number, plan) for plan in ("5g-smart-199", SECOND)]
        world.run()
        world.say("TD", number)
        with pytest.raises(StoreUnavailable):
            world.run(Lane.INBOUND, engine=dies_after(world.another(), min(commits, 1)))
        world.clock.forward(seconds=61)
        world.run()
        assert [world.state(order) for order in orders] == ["declined", "declined"]
        assert [world.triggers(order).count("opted_out") for order in orders] == [1, 1]
        assert len([sms for sms in world.gateway.sent if sms.purpose == "opted_out" and sms.to == number]) == 1


def test_which_one_is_asked_though_the_reader_died_before_it_could(world):
    first, second = world.two_asked()
    world.say("是")
    with pytest.raises(StoreUnavailable):
        world.run(Lane.INBOUND, engine=dies_after(world.another(), 1))
    world.clock.forward(seconds=61)
    world.run()
    assert len(world.texts("clarification")) == 1
    assert first.doc.code in world.texts("clarification")[0]
    assert world.state(second) == "awaiting_reply"


def test_a_stop_cancels_an_open_order_behind_any_number_of_others(world):
    order = world.place()
    for _ in range(25):
        world.engine.cancel(world.place(plan=SECOND).id, "A1024", "again")
    world.run()
    world.say("TD")
    world.run()
    assert world.state(order) == "declined"


def test_a_code_that_we_told_in_another_sms_does_not_prove_that_the_question_was_read(world):
    world.place()
    world.run()
    world.gateway.answers = [Uncertain("timeout")]
    doubtful = world.place(plan=SECOND)
    world.run()
    world.say("是")
    world.run()
    assert doubtful.doc.code in world.texts("clarification")[0]
    world.say(f"是{doubtful.doc.code}")
    world.run()
    assert world.state(doubtful) == "agreed"


def test_a_yes_from_before_anything_was_asked_is_not_completed_by_a_code(world):
    first, _ = world.place(), world.place(plan=SECOND)
    world.say("是")
    world.run(Lane.INBOUND)
    world.clock.forward(seconds=1)
    world.run()
    world.say(first.doc.code)
    world.run()
    assert world.state(first) == "awaiting_reply"
    assert world.bss.asked == []


def test_a_no_or_stop_from_before_the_order_does_not_mean_it(world):
    world.say("否")
    world.clock.forward(seconds=1)
    order = world.place()
    world.run()
    assert world.state(order) == "awaiting_reply"


def test_a_repeat_is_known_by_its_line_and_other_lines_may_have_the_same_id(world):
    mine, theirs = world.place(), world.place(OTHER)
    world.run()
    assert world.say("是", message_id="1")
    assert not world.say("是", message_id="1")
    assert world.say("否", OTHER, message_id="1")
    world.run()
    assert (world.state(mine), world.state(theirs)) == ("notified", "declined")


def test_a_report_with_a_ref_that_is_none_of_ours_stops_nobody(world):
    order = world.place()
    world.run()
    for effect in ("foo.1", "confirmation.x", "confirmation", "", "confirmation.1.1", "confirmation.99999999999"):
        world.report(order, Delivery.DELIVERED, effect)
    world.report(order, Delivery.DELIVERED)
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_a_report_leaves_the_line_its_number(world):
    first, _ = world.two_asked()
    world.say("是")
    world.report(first, Delivery.DELIVERED)
    world.run()
    assert {sms.to for sms in world.gateway.sent} == {NUMBER}


def test_half_a_character_is_stored_and_read_as_no_answer(world):
    order = world.place()
    world.run()
    assert world.say("是\ud83d")
    assert world.report(order, Delivery.ACCEPTED, error="\udc00")
    world.run()
    assert world.triggers(order) == ["confirmation_accepted", "unclear", "reported", "informed"]


def test_half_a_character_in_an_id_sinks_no_batch(world):
    order = world.place()
    world.run()
    assert world.say("是", message_id="\ud800")
    assert world.report(order, Delivery.ACCEPTED, message_id="\ud800")
    world.run()
    assert world.state(order) == "notified"


def test_a_message_whose_reader_always_dies_goes_aside_and_the_line_goes_on(world):
    order = world.place()
    world.run()
    world.say("嗯")
    lose_leases(world, Lane.INBOUND, times=6)
    world.say("是")
    world.run()
    assert world.state(order) == "confirmed"
    [(_, kept)] = world.client.xrange("ce:{0}:unmatched")
    assert "lost_reader" in kept["m"]


def test_a_yes_that_lost_every_reader_is_on_the_stuck_list_and_counts_once_it_is_read_again(world):
    order = world.place()
    world.run()
    world.say("是")
    lose_leases(world, Lane.INBOUND, times=6)
    world.run()
    [stuck] = world.engine.stuck()
    assert (stuck.id, stuck.effect, stuck.why) == (order.line, WAKE_ASIDE, SET_ASIDE)
    assert world.state(order) == "awaiting_reply"
    world.engine.retry_other(order.line, "ops-1")
    world.run()
    assert (world.state(order), world.engine.stuck()) == ("notified", [])
    assert WAKE_ASIDE not in world.engine.line(NUMBER).effects


@pytest.mark.parametrize("put_off", [Unavailable("503"), None], ids=["tried before", "just confirmed"])
def test_no_activation_begins_while_a_message_that_lost_every_reader_waits_for_a_person(world, put_off):
    """It may be a no: a person's retry has it read."""
    order = world.place()
    world.run()
    if put_off is not None:
        world.bss.answers = [put_off]
        world.say("是")
        world.run(Lane.INBOUND, Lane.ACTIVATION)
    world.say("否")
    lose_leases(world, Lane.INBOUND, times=6)
    if put_off is None:
        world.engine.performer.awake = frozenset(
            {Lane.INBOUND, Lane.ACTIVATION}
        )  # an activation begins with its commit
        world.say("是")
    for _ in range(3):
        world.run()
        world.clock.forward(hours=1)
    assert world.state(order) == "confirmed"
    asked = len(world.bss.asked)
    [stuck] = world.engine.stuck()
    world.engine.retry_other(stuck.id, "ops-1")
    world.run()
    assert (world.state(order), len(world.bss.asked), world.engine.stuck()) == ("declined", asked, [])


def test_messages_that_were_set_aside_are_read_in_their_order_and_a_deadly_one_waits_again(world):
    first, second = world.two_asked()
    for text in (f"是{first.doc.code}", f"否{second.doc.code}"):
        world.say(text)
        lose_leases(world, Lane.INBOUND, times=6)
        world.run()
    [stuck] = world.engine.stuck()
    world.engine.retry_other(stuck.id, "ops-1")
    lose_leases(world, Lane.TIMER, times=6)
    world.run()
    assert [each.id for each in world.engine.stuck()] == [first.line]
    assert [world.state(each) for each in (first, second)] == ["awaiting_reply"] * 2
    world.engine.retry_other(stuck.id, "ops-1")
    world.run()
    assert [world.state(each) for each in (first, second)] == ["confirmed", "declined"]  # the no stood beside the yes
    world.clock.forward(seconds=61)
    world.run()
    assert world.state(first) == "notified"
    assert world.engine.stuck() == []


def test_a_yes_that_is_read_again_after_a_stop_activates_nothing(world):
    order = world.place()
    world.run()
    world.say("是")
    lose_leases(world, Lane.INBOUND, times=6)
    world.run()
    world.say("TD")
    world.run()
    world.engine.retry_other(order.line, "ops-1")
    world.run()
    assert (world.state(order), world.bss.asked, world.engine.stuck()) == ("declined", [], [])


def test_a_message_that_its_readers_die_of_costs_no_message_that_was_leased_with_it(world):
    numbers = [parse(f"1380013810{n}") for n in range(10)]
    orders = [world.place(number) for number in numbers]
    world.run()
    deadly = sorted(orders, key=lambda order: order.line)[3].line
    for number in numbers:
        world.say("是", number)
    lanes = world.engine.store.lanes
    for _ in range(200):
        leased = lanes.lease(Lane.INBOUND, 100)
        if any(each.record.id == deadly and each.token <= 5 for each in leased):
            world.clock.forward(seconds=61)  # the process died, with all that it had leased
        else:
            drive(world.engine.store, [reading(each, 5) for each in leased])
    world.run()
    assert [world.state(order) for order in orders if order.line != deadly] == ["notified"] * 9
    assert [world.state(order) for order in orders if order.line == deadly] == ["awaiting_reply"]


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_stop_whose_message_lost_every_reader_is_the_subscribers_refusal_in_the_history(world, confirmed):
    order, other = world.place(), world.place(plan=SECOND)
    world.run()
    if confirmed:
        world.bss.answers = [Unavailable("503")]
        world.say(f"是{order.doc.code}")
        world.run()
    sent = len(world.gateway.sent)
    world.say("TD", message_id="the-stop")
    lose_leases(world, Lane.INBOUND, times=6)
    world.run()
    for each in (order, other):
        [event] = [event for event in world.engine.show(each.id).events if event.ref == "the-stop"]
        assert (world.state(each), event.trigger, event.by) == ("declined", "opted_out", "subscriber")
        assert event.person["text"] == "TD"
    assert [sms.purpose for sms in world.gateway.sent[sent:]] == [Purpose.OPTED_OUT]
    assert not world.engine.dial(NUMBER, "mobile").callable
    world.clock.forward(hours=48)
    world.run()
    assert len(world.gateway.sent) == sent + 1, "nobody who refused is reminded"
    assert len(world.bss.asked) == confirmed


def test_a_stop_that_costs_readers_even_so_goes_aside_and_bars_all_the_same(world):
    world.place()
    world.run()
    world.say("TD")
    lose_leases(world, Lane.INBOUND, times=11)
    world.run()
    [(_, kept)] = world.client.xrange("ce:{0}:unmatched")
    assert "lost_reader" in kept["m"]
    assert not world.engine.dial(NUMBER, "mobile").callable
    assert "read" not in world.engine.line(NUMBER).effects


def test_a_stop_without_an_order_is_answered_though_its_message_lost_every_reader(world):
    world.say("TD")
    lose_leases(world, Lane.INBOUND, times=6)
    world.run()
    assert [sms.purpose for sms in world.gateway.sent] == [Purpose.OPTED_OUT]


def test_a_spoken_refusal_whose_message_lost_every_reader_ends_what_is_open(world):
    order = world.place()
    world.run()
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    lose_leases(world, Lane.INBOUND, times=6)
    world.run()
    assert world.state(order) == "cancelled"


def test_a_record_nobody_can_read_stops_no_other_line(world):
    broken, order = world.place(), world.place(OTHER)
    world.run()
    world.client.hset(f"ce:{{0}}:order:{broken.id}", "state", "of a later release")
    world.say("是")
    world.say("是", OTHER)
    world.run()
    assert world.state(order) == "notified"
    with pytest.raises((BrokenRecord, OrderNotFound)):
        world.engine.show(broken.id)


def test_a_history_is_bounded_and_messages_past_it_are_kept_elsewhere(world):
    order = world.place()
    world.run()
    for n in range(MOST_EVENTS + 20):
        world.say("嗯" if n % 2 else "帮助")
    world.run()
    assert len(world.engine.show(order.id).events) <= MOST_EVENTS + 5
    assert world.client.xlen("ce:{0}:unmatched") >= 20
    assert len(world.texts("help")) + len(world.texts("clarification")) <= 5
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_another_number_cannot_answer_for_this_one(world):
    order = world.place()
    world.run()
    world.say(f"是{order.doc.code}", OTHER)
    world.say("TD", OTHER)
    world.run()
    assert world.state(order) == "awaiting_reply"
    assert world.engine.dial(NUMBER, "mobile").callable


def test_a_refusal_stands_once_and_says_since_when(world):
    asked = RefusalAsked(NUMBER, "*", "voice", "A1024", "call-7")
    assert world.engine.refuse(asked).is_new
    since = world.clock.now
    world.clock.forward(hours=1)
    assert not world.engine.refuse(asked).is_new
    stands = Restriction(Kind.REFUSED, "*", "", since, "voice", "call-7", last=world.clock.now)
    assert world.engine.line(NUMBER).restrictions == (stands,)
    assert world.engine.dial(NUMBER, None).since == since


def test_a_backlog_of_bare_answers_is_asked_about_once(world):
    orders = [world.place(plan=plan) for plan in ("5g-smart-199", "data-pack-10gb")]
    world.run()
    for _ in range(20):
        world.clock.forward(1)
        world.say("是")
    world.clock.forward(seconds=1)
    world.run()
    assert len(world.texts("clarification")) == 1
    assert [world.state(order) for order in orders] == ["awaiting_reply"] * 2
    world.clock.forward(seconds=1)
    world.say(orders[0].doc.code)
    world.run()
    assert [world.state(order) for order in orders] == ["notified", "awaiting_reply"]


def test_notes_are_bounded_whatever_is_said(world):
    orders = [world.place(plan=plan) for plan in ("5g-smart-199", "data-pack-10gb")]
    world.run()
    for n in range(MOST_EVENTS + 30):
        world.say("是" if n % 2 else "嗯")
        if n % 10 == 0:
            world.run(Lane.INBOUND)
    world.run()
    assert all(len(world.engine.show(order.id).events) <= MOST_EVENTS for order in orders)
    world.say(f"是{orders[0].doc.code}")
    world.run()
    assert world.state(orders[0]) == "notified", "what moves an order finds room"


@pytest.mark.parametrize("behind", ["a reply", "a report"])
def test_a_failure_is_not_forgotten_for_what_waits_behind_it(world, behind):
    order = world.place()
    world.run()
    world.report(order, Delivery.FAILED)
    if behind == "a reply":
        world.say("在吗")
    else:
        world.report(order, Delivery.ACCEPTED)
    world.run()
    world.clock.forward(seconds=2)
    world.run()
    assert (world.state(order), world.triggers(order)[-1]) == ("undeliverable", "confirmation_failed")


def test_a_yes_behind_a_failure_says_otherwise(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=1)
    world.report(order, Delivery.FAILED)
    world.say("是")
    world.run()
    world.clock.forward(seconds=2)
    world.run()
    assert world.state(order) == "notified"
