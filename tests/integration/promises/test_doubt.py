"""An activation in doubt: a BSS that does not know it proves that it was not begun, so the gate holds."""

import pytest

from consent_engine.domain.effects import ACTIVATE, Accepted, Lane, Rejected, Unavailable, Uncertain
from consent_engine.domain.line.restriction import Kind, name_of
from consent_engine.domain.order.facts import Ended
from consent_engine.engine.calls_in_flight import may_begin
from consent_engine.engine.change_order import recording
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.round_trips import drive
from tests.conftest import NUMBER

COMPLAINT = "我要投诉你们"


@pytest.fixture
def doubted(world):
    """Place an order whose activation was leased by a worker that never reported its outcome."""
    world.bss.can_ask = True
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run(Lane.INBOUND)
    lost(world)
    return order


def lost(world):
    """Lose the lease of an activation, with the doubt recorded; the BSS is not asked yet."""
    assert world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.clock.forward(seconds=61)
    [again] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    assert again.lost
    ended = Ended(ACTIVATE, again.token, Uncertain("lease_lost:"))
    drive(world.engine.store, [recording(again.record.id, ended, now=world.clock.now, held=again.held)])


def later(world, *lanes):
    """Run the workers of these lanes until nothing is due, and a few minutes longer."""
    for _ in range(4):
        world.clock.forward(seconds=61)
        world.run(*lanes)


def test_the_bss_knows_nothing_of_it_and_a_stop_stands_so_nobody_is_called_before_the_stop_is_read_nor_after(
    world, doubted
):
    world.say("TD")
    later(world, Lane.ACTIVATION)
    assert (world.state(doubted), world.bss.asked) == ("confirmed", [])
    world.run(Lane.INBOUND)
    assert (world.state(doubted), world.triggers(doubted)[-1]) == ("declined", "opted_out")
    later(world)
    assert world.bss.asked == []


def test_a_stop_that_was_read_while_it_was_in_doubt_counts_once_the_bss_knows_nothing_of_it(world, doubted):
    world.say("TD")
    world.run(Lane.INBOUND)
    assert world.state(doubted) == "confirmed", "it may have been activated"
    later(world)
    assert (world.state(doubted), world.bss.asked) == ("declined", [])
    assert len(world.texts("opted_out")) == 1


def test_a_refusal_by_voice_ends_it(world, doubted):
    world.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    later(world)
    assert (world.state(doubted), world.bss.asked) == ("cancelled", [])


def test_what_may_be_a_refusal_makes_it_wait_until_a_person_has_looked(world, doubted):
    world.say(COMPLAINT)
    later(world)
    assert (world.state(doubted), world.bss.asked) == ("confirmed", [])
    names = [each.id for each in world.engine.held()[0]]
    assert world.engine.decide_held(names, refusal=False, by="ops-1", reason="asks for the price").decided == 1
    later(world)
    assert (world.state(doubted), len(world.bss.asked)) == ("notified", 1)


def test_the_gate_of_its_call_makes_it_wait(world, doubted):
    gate = f"r:{name_of(Kind.CALL, doubted.id)}"
    line = world.cell.line(doubted.line)
    world.client.hset(line, gate, '[1,"call","c"]')
    later(world)
    assert (world.state(doubted), world.bss.asked) == ("confirmed", [])
    world.client.hdel(line, gate)
    later(world)
    assert (world.state(doubted), len(world.bss.asked)) == ("notified", 1)


def test_where_nothing_bars_it_is_called_under_its_key_after_the_question(world, doubted):
    later(world)
    assert [each.order_id for each in world.bss.asked] == [doubted.id]
    assert world.state(doubted) == "notified"
    told = next(event.detail for event in world.engine.show(doubted.id).events if event.trigger == "service_activated")
    assert (told.attempts, told.doubts) == (4, 1), "lost, in doubt, asked, called"


def test_what_the_bss_knows_is_believed_though_a_stop_came_since(world, doubted):
    world.bss.knows[doubted.id] = Accepted("act-then")
    world.say("TD")
    later(world)
    assert (world.state(doubted), world.bss.asked) == ("notified", [])


def test_what_is_in_doubt_again_is_asked_about_again(world, doubted):
    world.bss.answers = [Uncertain("timeout")]
    world.clock.forward(seconds=61)
    world.run(Lane.ACTIVATION)
    assert len(world.bss.asked) == 1
    world.bss.knows[doubted.id] = Accepted("act-then")
    world.say("TD")
    later(world)
    assert (world.state(doubted), len(world.bss.asked)) == ("notified", 1)


def test_a_stop_that_was_read_while_it_is_in_doubt_takes_nothing_back_because_one_more_attempt_was_not_taken(
    world, doubted
):
    world.bss.can_ask = False
    world.bss.answers = [Unavailable("busy", 3_600_000)]
    world.say("TD")
    world.run(Lane.INBOUND)
    later(world, Lane.ACTIVATION)
    assert (world.state(doubted), len(world.bss.asked)) == ("confirmed", 1)


def test_a_bss_that_does_not_answer_the_question_is_called_by_nobody(world, doubted):
    world.bss.knows[doubted.id] = Uncertain("asked:no_answer:")
    world.say("TD")
    later(world)
    later(world)
    assert (world.state(doubted), world.bss.asked) == ("confirmed", [])
    assert [stuck.effect for stuck in world.engine.stuck()] == [ACTIVATE]


def test_one_that_cannot_be_asked_is_called_under_the_same_key_for_the_call_is_the_only_question(world, doubted):
    world.bss.can_ask = False
    world.say("TD")
    later(world)
    assert (world.state(doubted), [each.order_id for each in world.bss.asked]) == ("notified", [doubted.id])


def test_a_refusal_of_the_bss_is_believed_once_it_knew_of_no_attempt(world, doubted):
    world.bss.answers = [Rejected("no credit")]
    later(world)
    assert (world.state(doubted), world.engine.stuck()) == ("activation_failed", [])


def test_a_person_may_cancel_once_the_bss_knew_of_no_attempt(world, doubted):
    world.bss.answers = [Unavailable("busy", 3_600_000)]
    later(world, Lane.ACTIVATION)
    assert len(world.bss.asked) == 1
    world.engine.cancel(doubted.id, "A1024", "changed his mind")
    assert world.state(doubted) == "cancelled"


def test_a_worker_that_dies_at_every_call_comes_to_the_stuck_list_though_the_bss_never_knows_of_one(world, doubted):
    for _ in range(world.policy.max_attempts - 1):
        world.clock.forward(hours=1)
        [asks] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
        assert asks.record.effects[ACTIVATE].in_doubt
        unknown = Ended(ACTIVATE, asks.token, world.runner.run(world.bss.ask(doubted.id)))
        drive(world.engine.store, [recording(doubted.id, unknown, now=world.clock.now, held=asks.held)])
        lost(world)
    assert [stuck.effect for stuck in world.engine.stuck()] == [ACTIVATE]
    assert world.bss.asked == []


def test_one_that_stood_still_between_that_lease_and_its_call_looks_again(world, doubted):
    world.clock.forward(seconds=61)
    [asks] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    unknown = Ended(ACTIVATE, asks.token, world.runner.run(world.bss.ask(doubted.id)))
    drive(world.engine.store, [recording(doubted.id, unknown, now=world.clock.now, held=asks.held)])
    [calls] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    assert may_begin(world.engine.store.records, [calls]) == [True]
    world.say("TD")
    assert may_begin(world.engine.store.records, [calls]) == [False]
