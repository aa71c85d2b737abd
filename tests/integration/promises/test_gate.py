"""One gate: the restrictions of a line bar dialling, orders, a yes and an activation, in whatever order it is read."""

import json

import pytest

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.decide.decision import OUTCOME_MS
from consent_engine.domain.effects import (
    ACTIVATE,
    WAKE_ACTIVATE,
    WAKE_UNDECIDED,
    Accepted,
    Lane,
    Pending,
    Purpose,
    Rejected,
    Unavailable,
    Uncertain,
    Untaken,
)
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.facts import Ended, NumberChanged, Woke
from consent_engine.domain.sms import Delivery
from consent_engine.engine.change_order import recording
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.held_replies import overdue
from consent_engine.engine.round_trips import Save, answered, drive, resumed
from consent_engine.errors import DoNotCall, NotWaiting, TooLate
from consent_engine.ports import LiftResult, Posted
from tests.conftest import NUMBER, World
from tests.memory import a_store


def confirmed(world):
    """Place an order whose yes was read; its activation is due."""
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.state(order) == "confirmed"
    world.clock.forward(seconds=1)
    return order


def lift(world, act_at=None):
    return world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now if act_at is None else act_at)


@pytest.mark.parametrize(("word", "end"), [("TD", "opted_out"), ("不", "said_no")])
def test_a_stop_bars_an_activation_that_waits_before_anybody_reads_it(world, word, end):
    order = confirmed(world)
    world.say(word)
    for _ in range(3):
        world.run(Lane.ACTIVATION)
        world.clock.forward(seconds=2)
    assert world.bss.asked == []
    assert world.engine.show(order.id).effects[ACTIVATE].attempts == 0, "that is no attempt"
    world.run(Lane.INBOUND)
    assert (world.state(order), world.triggers(order)[-1]) == ("declined", end)


def about(world, order, kept):
    """Overwrite what the activation is about."""
    effect = world.client.hget(world.cell.order(order.id), f"f:{ACTIVATE}")
    assert effect.endswith(',["mobile","5g-smart-199"]]')
    world.client.hset(world.cell.order(order.id), f"f:{ACTIVATE}", effect.replace(',["mobile","5g-smart-199"]]', kept))


@pytest.mark.parametrize("kept", [',["telecom"]]', ',[""]]', ',["nobody"]]'])
def test_an_activation_that_names_another_carrier_than_its_order_passes_no_gate(world, kept):
    order = confirmed(world)
    world.client.hset(world.cell.line(order.line), "r:mobile", '[1,"sms","m"]')
    about(world, order, kept)
    world.client.zadd(Cell().due[Lane.ACTIVATION], {f"o:{order.id}:{ACTIVATE}": 1})
    world.run(Lane.ACTIVATION)
    assert world.bss.asked == []
    assert [each.id for each in world.engine.store.lanes.stuck(9)] == [order.id]
    assert world.engine.show(order.id).effects[ACTIVATE].why == "unreadable:"


def test_an_operators_retry_takes_what_the_gate_goes_by_from_the_order(world):
    order = confirmed(world)
    about(world, order, ',["telecom"]]')
    world.run(Lane.ACTIVATION)
    world.engine.retry(order.id, "ops")
    world.run()
    assert (world.state(order), len(world.bss.asked)) == ("notified", 1)


def test_an_activation_without_a_yes_waits_for_a_person_and_is_no_attempt(world):
    order = world.place()
    world.run(Lane.SMS)
    about = Pending(about=(order.doc.carrier, order.doc.plan))
    world.client.hset(world.cell.order(order.id), f"f:{ACTIVATE}", about.encode())
    world.client.zadd(Cell().due[Lane.ACTIVATION], {f"o:{order.id}:{ACTIVATE}": 1})
    world.run(Lane.ACTIVATION)
    assert world.bss.asked == []
    pending = world.engine.show(order.id).effects[ACTIVATE]
    assert (pending.doubts, pending.parked) == (0, 1)


def test_a_yes_from_before_a_stop_is_no_activation_when_it_is_read_after_it(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    world.clock.forward(1)
    world.say("TD")
    [line] = world.engine.store.lanes.lease(Lane.INBOUND, 1)
    assert [message.barred for message in line.unread] == [(), ()]
    world.clock.forward(seconds=61)
    world.run(Lane.INBOUND)
    assert world.state(order) == "declined"
    world.run()
    assert world.bss.asked == []


def test_a_confirmed_order_whose_activation_was_barred_goes_on_when_nothing_bars_it_any_more(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    line = world.engine.line(NUMBER).id
    world.client.hset(world.cell.line(line), "r:suspected:mobile", json.dumps([1, "sms", "m", 1, "refusing", "x"]))
    world.run(Lane.INBOUND)
    assert (world.state(order), list(world.engine.show(order.id).effects)) == ("confirmed", [WAKE_ACTIVATE])
    for _ in range(3):
        world.clock.forward(seconds=61)
        world.run()
    assert world.bss.asked == []
    world.client.hdel(world.cell.line(line), "r:suspected:mobile")
    world.clock.forward(seconds=61)
    world.run()
    assert world.state(order) == "notified"


def test_a_stop_that_comes_after_the_line_was_read_and_before_its_activation_is_saved_bars_that(world):
    order, key = asked(world), world.cell.line(world.engine.line(NUMBER).id)
    world.say("是")
    world.client.hset(key, "r:suspected:mobile", json.dumps([1, "sms", "m", 1, "refusing", "x"]))
    world.run(Lane.INBOUND)
    world.client.hdel(key, "r:suspected:mobile")
    world.clock.forward(seconds=61)
    [leased] = [each for each in world.engine.store.lanes.lease(Lane.TIMER, 9) if each.effect == WAKE_ACTIVATE]
    step = recording(order.id, Woke(WAKE_ACTIVATE, leased.token), held=leased.held)

    def stopped_before_the_save():
        answer = None
        while True:
            try:
                ask = resumed(step, answer)
            except StopIteration as end:
                return end.value
            if isinstance(ask, Save) and world.engine.line(NUMBER).restriction("mobile") is None:
                world.say("TD")
            answer = yield from answered(ask)

    [after] = drive(world.engine.store, [stopped_before_the_save()]).results
    assert world.engine.line(NUMBER).restriction("mobile") is not None
    assert (ACTIVATE in after.effects, WAKE_ACTIVATE in after.effects) == (False, True)


def test_a_refusal_whose_message_was_lost_ends_the_order_it_bars(world):
    order = confirmed(world)
    world.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    lose_messages(world)
    world.run(Lane.ACTIVATION)
    event = world.engine.show(order.id).events[-1]
    assert (world.state(order), event.trigger, event.as_json()["reason"]) == ("cancelled", "cancelled", "refused")
    assert world.bss.asked == []


def lose_messages(world):
    """Lose what is unread, as after the death of the server that had it."""
    line = world.engine.line(NUMBER).id
    world.client.delete(world.cell.inbox(line))
    world.client.hdel(world.cell.line(line), "f:read")
    world.client.zrem(Cell().due[Lane.INBOUND], f"l:{line}:read")


def test_a_refusal_whose_message_was_lost_ends_the_order_that_waited_under_a_suspicion(world):
    order = asked(world)
    world.say("是")
    world.clock.forward(1)
    world.say(COMPLAINT)
    world.run()
    assert list(world.engine.show(order.id).effects) == [WAKE_ACTIVATE]
    world.clock.forward(1)
    world.say("TD")
    world.clock.forward(seconds=61)
    world.run(Lane.TIMER)
    assert world.state(order) == "confirmed", "the message says more than the gate knows: it is waited for"
    lose_messages(world)
    world.clock.forward(seconds=61)
    world.run(Lane.TIMER)
    event = world.engine.show(order.id).events[-1]
    assert (world.state(order), event.trigger, event.as_json()["reason"]) == ("cancelled", "cancelled", "refused")


def test_a_refusal_of_one_carrier_bars_no_activation_of_another(world):
    order = confirmed(world)
    world.engine.refuse(RefusalAsked(NUMBER, "telecom", "voice", "A1024"))
    world.run()
    assert world.state(order) == "notified"


@pytest.mark.parametrize(("read", "again_after"), [("[]", 1_000), ('[3,0,0,1,1,"","cannot be read","",1]', 60_000)])
def test_what_is_barred_is_looked_at_every_second_only_while_somebody_may_read_what_is_unread(world, read, again_after):
    order = confirmed(world)
    world.say("TD")
    line = world.engine.line(NUMBER).id
    world.client.hset(world.cell.line(line), "f:read", read)
    assert world.engine.store.lanes.lease(Lane.ACTIVATION, 1) == []
    due = world.client.zscore(Cell().due[Lane.ACTIVATION], f"o:{order.id}:{ACTIVATE}")
    assert due == world.clock.now + again_after
    world.client.hdel(world.cell.line(line), "r:mobile")
    world.clock.forward(1_000 * 60)
    assert world.engine.store.lanes.lease(Lane.ACTIVATION, 1) == [], "any unread message may take it back"


def test_what_has_begun_goes_on_under_a_restriction(world):
    order = confirmed(world)
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.say("TD")
    world.run(Lane.INBOUND)
    assert world.triggers(order)[-1] == "replied_late"
    world.clock.forward(seconds=61)
    [again] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    assert (again.lost, again.barred, again.token) == (True, (), leased.token + 1)
    doubt = Ended(ACTIVATE, again.token, Uncertain("lease_lost:"))
    held = again.held
    drive(world.engine.store, [recording(order.id, doubt, now=world.clock.now, held=held)])
    world.clock.forward(hours=1)
    world.run()
    assert world.state(order) == "notified", "started means maybe done: the same key again, not a guess"


@pytest.mark.parametrize("word", ["TD", "否"])
def test_a_word_that_came_during_a_call_that_surely_did_nothing_takes_the_order_back(world, word):
    order = confirmed(world)
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.say(word)
    world.run(Lane.INBOUND)
    ended = Ended(ACTIVATE, leased.token, Unavailable("503"))
    held = leased.held
    drive(world.engine.store, [recording(order.id, ended, now=world.clock.now, held=held)])
    assert world.state(order) == "declined"
    world.clock.forward(hours=1)
    world.run()
    assert world.bss.asked == []


@pytest.mark.parametrize("busy", [0, 1, 2])
@pytest.mark.parametrize(
    ("outcome", "state", "active"),
    [
        (Accepted("a1"), "notified", True),
        (Rejected("no"), "activation_failed", False),
        (Unavailable("503"), "declined", False),
        (Untaken("404"), "declined", False),
    ],
)
def test_a_stop_while_the_service_is_activated_is_answered_once_and_says_what_came_of_it(
    world, outcome, state, active, busy
):
    order = confirmed(world)
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.say("TD")
    world.run(Lane.INBOUND)
    world.run(Lane.SMS)
    refused = []

    def answer(sms):
        """Refuse the first attempts to hand over the answer to the STOP; nothing else."""
        if sms.purpose is Purpose.OPTED_OUT and len(refused) < busy:
            refused.append(sms)
            return Unavailable("503")
        return Accepted(f"m-{sms.ref}")

    world.gateway.answers = [answer] * 20
    ended = Ended(ACTIVATE, leased.token, outcome)
    drive(world.engine.store, [recording(order.id, ended, now=world.clock.now, held=leased.held)])
    for _ in range(busy + 2):
        world.run()
        world.clock.forward(hours=1)
    assert world.state(order) == state
    told = [sms for sms in world.gateway.sent if sms.purpose is Purpose.OPTED_OUT]
    assert len({sms.ref for sms in told}) == 1
    assert len(told) == busy + 1
    assert ("仍有效" in told[-1].text) is active


def test_a_stop_is_answered_while_the_outcome_of_an_activation_stays_unknown(world):
    confirmed(world)
    [_] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.say("TD")
    world.run(Lane.INBOUND)
    world.clock.forward(milliseconds=OUTCOME_MS)
    world.run(Lane.SMS)
    assert world.gateway.sent[-1].purpose is Purpose.OPTED_OUT


@pytest.mark.parametrize("activated", [False, True])
def test_the_answer_to_a_stop_is_not_sent_to_a_new_holder_of_the_number(world, activated):
    confirmed(world)
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    world.say("TD")
    world.run(Lane.INBOUND)
    facts = [
        (NumberChanged("assigned:1", "ops", leased.record.line), None),
        (Ended(ACTIVATE, leased.token, Accepted("a1")), leased.held),
    ]
    for fact, held in reversed(facts) if activated else facts:
        drive(world.engine.store, [recording(leased.record.id, fact, now=world.clock.now, held=held)])
    world.clock.forward(hours=1)
    world.run()
    assert [sms.purpose for sms in world.gateway.sent] == [Purpose.CONFIRMATION]


@pytest.mark.parametrize("end", ["STOP", "NO", "cancel"])
def test_after_a_call_that_surely_did_nothing_every_way_back_is_open(world, end):
    order = confirmed(world)
    world.bss.answers = [Unavailable("503"), Rejected("must not be asked again")]
    world.run(Lane.ACTIVATION)
    assert len(world.bss.asked) == 1
    if end == "cancel":
        world.engine.cancel(order.id, "A1024", "changed his mind")
    else:
        world.say({"STOP": "TD", "NO": "否"}[end])
    world.clock.forward(hours=1)
    world.run()
    assert world.state(order) == ("cancelled" if end == "cancel" else "declined")
    assert len(world.bss.asked) == 1


def test_a_yes_sent_under_a_refusal_stays_void_when_that_is_lifted_before_it_is_read(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    line = world.engine.line(NUMBER).id
    world.client.hset(world.cell.line(line), "r:mobile", json.dumps([world.clock.now, "report", "m"]))
    world.say("是")
    world.clock.forward(seconds=1)
    assert lift(world) is LiftResult.OK
    world.run(Lane.INBOUND)
    assert (world.state(order), world.triggers(order)[-1]) == ("awaiting_reply", "replied_barred")
    world.say("是")
    world.run()
    assert world.state(order) == "notified", "a yes after the lifting counts"


def test_a_refusal_from_before_stands_as_it_was_kept(world):
    world.say("hello")
    line = world.engine.line(NUMBER).id
    world.client.hset(world.cell.line(line), "r:*", '[1700000000000,"import","row 7"]')
    assert world.engine.dial(NUMBER, "unicom").since == 1_700_000_000_000
    with pytest.raises(DoNotCall):
        world.place()
    assert world.engine.lift(NUMBER, "*", "admin", "form", 1_699_999_999_999) is LiftResult.NEWER
    assert world.engine.lift(NUMBER, "*", "admin", "form", 1_700_000_000_000) is LiftResult.OK


# -- HOLD: words that a person must read ------------------------------------------------------------------------------


def asked(world):
    """Place an order whose question is with the subscriber."""
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    return order


COMPLAINT = "我要投诉你们"


def held_ids(world):
    return [each.id for each in world.engine.held()[0]]


def test_words_that_may_be_a_refusal_bar_an_activation_that_waits_before_anybody_reads_them(world):
    order = confirmed(world)
    world.say(COMPLAINT)
    for _ in range(3):
        world.run(Lane.ACTIVATION)
        world.clock.forward(seconds=2)
    assert world.bss.asked == []
    assert world.engine.show(order.id).effects[ACTIVATE].attempts == 0, "that is no attempt"


def test_words_that_may_be_a_refusal_bar_everything_from_the_door_on(world):
    order = asked(world)
    world.say(COMPLAINT)
    dial = world.engine.dial(NUMBER, "mobile")
    assert (dial.callable, dial.reason, dial.since) == (False, "suspected", world.clock.now)
    assert world.engine.dial(NUMBER, "telecom").callable
    with pytest.raises(DoNotCall) as refused:
        world.place(plan="data-pack-10gb")
    assert refused.value.facts["reason"] == "suspected"
    world.clock.forward(1)
    world.say("是")
    world.run()
    assert world.state(order) == "awaiting_reply"
    assert world.triggers(order)[-2:] == ["replied_barred", "informed"]
    assert world.bss.asked == []


def test_it_is_answered_once_a_day_and_says_until_when_a_person_reads_it(world):
    order = asked(world)
    for _ in range(3):
        world.say(COMPLAINT)
        world.run()
    [told] = world.texts("held")
    assert "11月26日0时前人工核实" in told
    assert world.triggers(order).count("suspected") == 3
    world.clock.forward(hours=1)
    world.say("TD")
    world.run()
    assert len(world.texts("opted_out")) == 1
    world.clock.forward(hours=1)
    world.say(COMPLAINT)
    world.run()
    assert len(world.texts("held")) == 1, "after a STOP nothing is left to be read"


def let_go(world):
    assert world.engine.decide_held(held_ids(world), refusal=False, by="ops-1", reason="asks for the price").decided
    world.run()


def purposes(world):
    return [str(sms.purpose) for sms in world.gateway.sent]


def test_nobody_is_reminded_under_a_suspicion_and_what_comes_of_it_asks_anew():
    world = World(a_store(), Policy(reminder_after=3_600_000))
    order = asked(world)
    world.say(COMPLAINT)
    world.run()
    world.clock.forward(hours=2)
    world.run()
    let_go(world)
    assert purposes(world) == ["confirmation", "held", "resumed"]
    world.clock.forward(hours=24)
    world.run()
    assert world.state(order) == "expired"
    world.runner.close()


def complains_meanwhile(world, outcome):
    """Return an answer of the gateway during whose call the subscriber complains, and that is read."""

    def answer(sms):
        world.say(COMPLAINT)
        world.read_now()
        return outcome

    return answer


@pytest.mark.parametrize("outcome", [Unavailable("503"), Uncertain("timeout")])
def test_a_question_in_flight_when_a_suspicion_comes_is_not_tried_again_under_it(world, outcome):
    order = world.place()
    world.gateway.answers = [complains_meanwhile(world, outcome)]
    for _ in range(20):
        world.run()
        world.clock.forward(seconds=61)
    assert purposes(world) == ["confirmation", "held"]
    let_go(world)
    world.clock.forward(seconds=61)
    world.run()
    assert purposes(world) == ["confirmation", "held", "confirmation"]
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_a_question_that_a_suspicion_held_back_is_not_asked_in_the_moment_that_makes_it_a_refusal():
    world = World(a_store(), Policy(confirm_within=72 * 3_600_000))
    order = world.place()
    world.gateway.answers = [Unavailable("503")]
    world.run(Lane.SMS)
    world.say(COMPLAINT)
    world.run()
    world.clock.forward(hours=24)
    world.run(Lane.SMS)  # before the timer
    world.run()
    assert (purposes(world), world.state(order)) == (["confirmation", "held"], "cancelled")
    world.runner.close()


def test_a_question_on_the_stuck_list_is_not_asked_under_a_suspicion_though_a_person_retries_it(world):
    order = world.place()
    world.gateway.answers = [Uncertain("timeout")] * 20
    for _ in range(8):
        world.run()
        world.clock.forward(seconds=660)
    assert world.engine.show(order.id).question.parked
    asked_before = purposes(world).count("confirmation")
    world.say(COMPLAINT)
    world.run()
    world.engine.retry(order.id, "ops-1")
    world.run()
    assert purposes(world).count("confirmation") == asked_before


@pytest.mark.parametrize(("word", "state"), [("TD", "declined"), ("不", "declined"), ("乱七八糟", "awaiting_reply")])
def test_nobody_is_asked_again_while_an_answer_is_unread(world, word, state):
    order = asked(world)
    world.clock.forward(seconds=60)
    world.say(word)
    with pytest.raises(NotWaiting, match="not read yet"):
        world.engine.resend(order.id, "A1024")
    world.run()
    assert (world.state(order), len(world.texts("confirmation"))) == (state, 1)
    if state == "awaiting_reply":
        world.engine.resend(order.id, "A1024")
        world.run()
        assert len(world.texts("confirmation")) == 2


def test_nobody_is_asked_again_under_a_suspicion(world):
    order = asked(world)
    world.engine.resend(order.id, "A1024")
    world.say("嗯")
    world.say(COMPLAINT)
    world.say("嗯")
    world.run(Lane.INBOUND)
    with pytest.raises(NotWaiting, match="a person decides first"):
        world.engine.resend(order.id, "A1024")
    world.run()
    assert purposes(world) == ["confirmation", "held"]
    let_go(world)
    world.engine.resend(order.id, "A1024")
    world.run()
    assert purposes(world)[2:] == ["resumed", "confirmation"]


def test_an_order_that_was_not_asked_about_yet_is_asked_about_when_the_suspicion_was_none(world):
    asked(world)
    second = world.place(plan="data-pack-10gb")
    world.say(COMPLAINT)
    world.run(Lane.INBOUND)
    assert world.due()[Lane.SMS] == 1, "the answer alone: a question that rests is not leased again and again"
    world.run()
    assert (purposes(world), world.state(second)) == (["confirmation", "held"], "agreed")
    let_go(world)
    world.run()
    assert (sorted(purposes(world)[2:]), world.state(second)) == (["confirmation", "resumed"], "awaiting_reply")


def test_nobody_is_asked_which_one_under_a_suspicion(world):
    asked(world)
    world.place(plan="data-pack-10gb")
    world.run()
    world.clock.forward(seconds=1)
    world.say(COMPLAINT)
    world.say("是")
    world.run()
    assert purposes(world) == ["confirmation", "confirmation", "held"]


def test_where_no_order_is_open_it_is_held_and_answered_too(world):
    world.say(COMPLAINT)
    world.run()
    [told] = world.texts("held")
    assert told.startswith("【中国移动】已收到您的回复")
    assert not world.engine.dial(NUMBER, "mobile").callable
    assert len(held_ids(world)) == 1


def test_a_decision_that_it_was_none_lets_the_order_go_on_and_asks_for_the_code(world):
    order = asked(world)
    world.say(COMPLAINT)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run()
    done = world.engine.decide_held(held_ids(world), refusal=False, by="ops-1", reason="asks for the price")
    assert (done.decided, done.gone, done.own_call) == (1, 0, 0)
    assert world.engine.dial(NUMBER, "mobile").callable
    world.run()
    code = order.doc.code
    assert f"“是{code}”" in world.texts("resumed")[0]
    world.clock.forward(seconds=1)
    world.say("是")
    world.run()
    assert world.state(order) == "awaiting_reply", "a bare yes is not answer enough any more"
    world.clock.forward(seconds=1)
    world.say(f"是{code}")
    world.run()
    assert world.state(order) == "notified"
    assert len(world.bss.asked) == 1


def test_a_decision_that_it_was_one_is_a_refusal_by_the_same_door(world):
    order = asked(world)
    world.say(COMPLAINT)
    world.run()
    assert world.engine.decide_held(held_ids(world), refusal=True, by="ops-1", reason="").decided == 1
    world.run()
    assert world.state(order) == "cancelled"
    [refusal] = world.engine.line(NUMBER).restrictions
    assert (refusal.kind, refusal.door) == ("refused", "sms")
    assert held_ids(world) == []


def test_undecided_for_a_day_it_is_a_refusal(world):
    order = asked(world)
    world.say(COMPLAINT)
    world.run()
    world.clock.forward(hours=23)
    world.run(Lane.TIMER)
    assert world.engine.dial(NUMBER, "mobile").reason == "suspected"
    world.clock.forward(hours=1)
    world.run()
    assert world.engine.dial(NUMBER, "mobile").reason == "refused"
    assert world.state(order) in {"cancelled", "expired"}
    assert (held_ids(world), world.engine.line(NUMBER).effects) == ([], {})


def test_what_is_written_while_an_older_timer_ends_has_its_day_and_no_more(world):
    world.say(COMPLAINT)
    world.run()
    assert world.engine.decide_held(held_ids(world), refusal=False, by="ops-1", reason="asks for the price").decided
    world.run()
    world.clock.forward(hours=24)
    [timer] = world.engine.store.lanes.lease(Lane.TIMER, 1)
    world.say(COMPLAINT)
    drive(world.engine.store, [overdue(timer, ("mobile",))])
    world.clock.forward(hours=25)
    world.run()
    assert world.engine.dial(NUMBER, "mobile").reason == "refused"
    assert WAKE_UNDECIDED not in world.engine.line(NUMBER).effects


@pytest.mark.parametrize("hours", [0, -1])
def test_what_was_written_after_the_look_is_not_decided_by_it_though_the_clock_stood_back(world, hours):
    world.say(COMPLAINT)
    seen = held_ids(world)
    world.clock.forward(hours=hours)
    world.say("骗子，我要报警")
    assert world.engine.decide_held(seen, refusal=False, by="ops-1", reason="asks for the price").gone == 1
    assert not world.engine.dial(NUMBER, "mobile").callable


def test_what_was_written_after_the_look_is_not_decided_by_it(world):
    asked(world)
    world.say(COMPLAINT)
    seen = held_ids(world)
    world.clock.forward(1)
    world.say("骗子，我要报警")
    done = world.engine.decide_held(seen, refusal=False, by="ops-1", reason="asks for the price")
    assert (done.decided, done.gone) == (0, 1)
    assert not world.engine.dial(NUMBER, "mobile").callable
    [again] = world.engine.held()[0]
    assert again.text == f"{COMPLAINT}\n骗子，我要报警"


@pytest.mark.parametrize("who", ["desk", "A1024"])
def test_whoever_placed_the_order_does_not_judge_the_reply_to_it(world, who):
    asked(world)
    world.say(COMPLAINT)
    assert world.engine.decide_held(held_ids(world), refusal=False, by=who, reason="fine").own_call == 1
    assert not world.engine.dial(NUMBER, "mobile").callable


def test_the_same_words_of_many_people_are_one_group(world):
    for n in range(3):
        world.say(["我要投诉你们", "我要投诉你们！", "我要 投诉你们"][n], msisdn=f"+8613800138{n:03}")
    found = world.engine.held()[0]
    assert (len(found), len({each.group for each in found})) == (3, 1)


def test_a_quotation_of_our_own_question_holds_nothing(world):
    asked(world)
    world.say(world.gateway.sent[0].text)
    assert world.engine.dial(NUMBER, "mobile").callable


def test_a_stop_settles_a_suspicion(world):
    order = asked(world)
    world.say(COMPLAINT)
    world.clock.forward(1)
    world.say("TD")
    assert (world.engine.dial(NUMBER, "mobile").reason, held_ids(world)) == ("refused", [])
    world.run()
    assert world.state(order) == "declined"


def test_a_decision_names_the_newest_act_that_was_seen(world):
    """The engine looks first; a message written between its look and its commit is noticed by the script."""
    world.say(COMPLAINT)
    line = world.engine.line(NUMBER)
    decides = Posted(
        line.id, "", "d", '{"kind":"resumed"}', decides="suspected:mobile", decided=world.clock.now, lifting="{}"
    )
    world.clock.forward(1)
    world.say("骗子，我要报警")
    [stored] = world.engine.store.inbox.receive([decides])
    assert (stored.is_new, stored.gone) == (False, True)
    assert not world.engine.dial(NUMBER, "mobile").callable


def test_a_plan_that_is_revoked_takes_back_what_was_confirmed_and_not_begun(world):
    order = asked(world)
    world.say("是")
    world.clock.forward(1)
    world.say(COMPLAINT)
    world.run()
    assert world.state(order) == "confirmed"
    assert world.engine.revoke(order.doc.plan, "admin") == 1
    world.engine.decide_held(held_ids(world), refusal=False, by="ops-1", reason="asks for the price")
    for _ in range(3):
        world.clock.forward(seconds=61)
        world.run()
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


@pytest.mark.parametrize("then", ["asked", "never reached"])
def test_an_activation_of_a_revoked_plan_ends_its_order_once_it_is_sure_that_nothing_was_done(world, then):
    order = asked(world)
    world.say("是")
    world.run(Lane.INBOUND)
    world.bss.can_ask = True
    revoking = [lambda: world.engine.revoke(order.doc.plan, "admin")]
    if then == "asked":
        world.bss.answers = [Uncertain("no_answer:")]
        world.run(Lane.ACTIVATION)
        assert revoking.pop()() == 0, "in doubt: it may be done"
    else:
        world.bss.answers = [lambda: (revoking.pop()(), Unavailable("503"))[1]]
    for _ in range(3):
        world.run()
        world.clock.forward(hours=1)
    assert world.engine.revoke(order.doc.plan, "admin") == 0
    assert (world.state(order), len(world.bss.asked)) == ("cancelled", 1)
    triggers = [each.trigger for each in world.engine.show(order.id).events]
    assert triggers.index("replied_late") < triggers.index("cancelled")
    assert [sms.purpose for sms in world.gateway.sent][-1] == "cancelled"


def test_an_activation_that_was_done_before_its_plan_was_revoked_stays_done(world):
    order = asked(world)
    world.say("是")
    world.run(Lane.INBOUND)
    world.bss.answers, world.bss.knows = [Uncertain("no_answer:")], {order.id: Accepted("act-1")}
    world.run(Lane.ACTIVATION)
    assert world.engine.revoke(order.doc.plan, "admin") == 0
    world.clock.forward(hours=1)
    world.run()
    assert (world.state(order), len(world.bss.asked)) == ("notified", 1)


def test_a_404_of_a_proxy_settles_no_doubt(world):
    order = asked(world)
    world.say("是")
    world.run(Lane.INBOUND)
    world.bss.answers = [Uncertain("no_answer:")]  # it does not answer questions either
    world.run(Lane.ACTIVATION)
    with pytest.raises(TooLate):
        world.engine.cancel(order.id, "A1024", "another plan")
    world.clock.forward(hours=1)
    world.run()
    assert [each.order_id for each in world.bss.asked] == [order.id, order.id], "the same key again"


def test_after_a_person_looked_no_bare_yes_is_enough_though_the_question_told_the_code(world):
    world.engine.cancel(world.place().id, "A1024", "another plan")
    order = world.place(plan="data-pack-10gb")
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say(COMPLAINT)
    world.run()
    world.engine.decide_held(held_ids(world), refusal=False, by="ops-1", reason="asks for the price")
    world.run()
    world.clock.forward(seconds=1)
    assert f"“是{order.doc.code}”" in world.texts("resumed")[0]
    world.say("是")
    world.run()
    assert world.state(order) == "awaiting_reply"
    world.say(f"是{order.doc.code}")
    world.run()
    assert world.state(order) == "notified"


@pytest.mark.parametrize("decided", [True, False])
def test_a_suspicion_that_is_a_refusal_stands_since_its_words_came(world, decided):
    world.say(COMPLAINT)
    first = world.clock.now
    world.run()
    world.clock.forward(hours=1)
    world.say(COMPLAINT)
    last = world.clock.now
    world.run()
    world.clock.forward(hours=2)
    act_at = world.clock.now
    world.clock.forward(hours=22)
    if decided:
        assert world.engine.decide_held(held_ids(world), refusal=True, by="ops-1", reason="").decided == 1
    world.run()
    assert (world.engine.dial(NUMBER, "mobile").reason, world.engine.dial(NUMBER, "mobile").since) == ("refused", first)
    assert lift(world, last - 1) is LiftResult.NEWER
    assert lift(world, act_at) is LiftResult.OK, "whoever asked for calls after his complaint is believed"


@pytest.mark.parametrize("in_flight", [True, False])
def test_a_repeated_question_that_a_suspicion_dropped_may_be_on_the_handset_so_the_firsts_failure_ends_nothing(
    world, in_flight
):
    order = world.place()
    world.run()
    world.clock.forward(hours=1)
    world.engine.resend(order.id, "A1024")
    if in_flight:
        assert world.engine.store.lanes.lease(Lane.SMS, 1)
    else:
        world.gateway.answers = [Uncertain("timeout")]
        world.run(Lane.SMS)
    world.say("我要投诉")
    world.run(Lane.INBOUND)
    world.report(order, Delivery.FAILED)
    world.run(Lane.INBOUND, Lane.TIMER)
    assert world.state(order) == "awaiting_reply"


def test_a_repeated_question_in_doubt_that_is_refused_when_it_is_retried_may_be_on_the_handset_all_the_same(world):
    order = world.place()
    world.run()
    world.clock.forward(hours=1)
    world.engine.resend(order.id, "A1024")
    world.gateway.answers = [Uncertain("timeout"), Uncertain("timeout")]
    world.run(Lane.SMS)
    world.clock.forward(hours=1)
    world.run(Lane.SMS)
    world.gateway.answers = [Rejected("no such number")]
    world.engine.retry(order.id, "ops-1")
    world.run(Lane.SMS)
    assert world.triggers(order)[-1] == "not_informed"
    world.report(order, Delivery.FAILED)
    world.run(Lane.INBOUND, Lane.TIMER)
    assert world.state(order) == "awaiting_reply"
