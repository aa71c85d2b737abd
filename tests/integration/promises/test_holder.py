"""A number that goes to another holder: nothing is sent, no yes from before counts, and no service follows from it."""

import pytest

from consent_engine.domain.effects import ACTIVATE, Lane, Rejected, Unavailable, Uncertain
from consent_engine.domain.line.holder import MOST_EVENTS, LineEvent
from consent_engine.domain.seal import Seal
from consent_engine.engine.change_order import giving_back
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.round_trips import drive
from consent_engine.errors import BrokenRecord, DoNotCall, EventNotTaken, Malformed
from tests.conftest import NUMBER, OTHER

A_MINUTE = 60_000


def happens(world, event="assigned", ago=0, carrier="", msisdn=NUMBER):
    asked = LineEventAsked(msisdn, LineEvent(event), world.clock.now - ago, "ops", carrier)
    return world.engine.line_event(asked)


def asked(world, **more):
    order = world.place(**more)
    world.run(Lane.SMS)
    world.clock.forward(seconds=5)
    return order


def confirmed(world):
    order = asked(world)
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.state(order) == "confirmed"
    return order


def cause(world, order):
    return world.engine.show(order.id).events[-1].as_json()


@pytest.mark.parametrize("event", ["assigned", "released", "ported_out"])
def test_open_orders_end_with_nothing_sent_and_a_yes_from_before_is_dead(world, event):
    waiting, asking = asked(world), world.place(plan="data-pack-10gb")
    world.say("是")
    sent = len(world.gateway.sent)
    taken = happens(world, event)
    assert (taken.is_new, taken.happened.ended) == (True, 2)
    world.run()
    world.say("是")
    world.say("帮助")
    world.run()
    assert [world.state(each) for each in (waiting, asking)] == ["cancelled", "cancelled"]
    told = next(each for each in world.engine.show(waiting.id).events if each.trigger == "cancelled").as_json()
    assert told == {"reason": "number_changed", "door": "line"}
    late = [sms.purpose for sms in world.gateway.sent[sent:]]
    assert (late, world.bss.asked) == (["help"], []), "HELP of whoever has the number now is answered, and of no order"
    assert "套餐" not in world.gateway.sent[-1].text


def test_the_same_event_again_changes_nothing_and_is_told_alike(world):
    asked(world)
    first = happens(world)
    version = world.engine.line(NUMBER).version
    world.clock.forward(seconds=9)
    again = happens(world, ago=9_000)
    assert (again.is_new, again.happened) == (False, first.happened)
    assert world.engine.line(NUMBER).version == version


def test_an_order_of_a_call_with_the_holder_of_now_goes_on(world):
    order = asked(world)
    started = order.doc.call.started_at
    assert happens(world, ago=world.clock.now - started).happened.ended == 0
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_an_order_of_a_call_with_the_holder_before_is_not_taken(world):
    happens(world)
    with pytest.raises(DoNotCall) as refused:
        world.place()
    assert refused.value.facts["reason"] == "number_changed"
    assert world.engine.dial(NUMBER, "mobile").callable, "the holder of now may be called"
    assert world.state(world.place(msisdn=OTHER)) == "agreed"


def test_a_number_without_a_holder_is_not_dialled_nor_sold_to_until_it_has_one(world):
    happens(world, "released")
    assert [world.engine.dial(NUMBER, each).reason for each in ("mobile", "telecom", None)] == ["number_changed"] * 3
    world.clock.forward(hours=24 * 400)
    world.run(Lane.TIMER)
    assert world.engine.dial(NUMBER, "mobile").reason == "number_changed"
    happens(world, "assigned")
    world.run(Lane.TIMER)
    assert world.engine.dial(NUMBER, "mobile").callable
    world.clock.forward(hours=24 * 31)
    world.run(Lane.TIMER)
    assert world.client.keys("ce:*:line:*") == [], "nothing stands on it any more"


def test_a_number_that_left_a_carrier_is_that_carriers_no_more_and_anothers_as_before(world):
    mobile, telecom = asked(world), asked(world, plan="fibre-duo-129")
    assert happens(world, "ported_out", carrier="mobile").happened.ended == 1
    assert [world.state(each) for each in (mobile, telecom)] == ["cancelled", "awaiting_reply"]
    assert [world.engine.dial(NUMBER, each).callable for each in ("mobile", "telecom")] == [False, True]
    world.clock.forward(seconds=1)
    happens(world, "ported_in", carrier="telecom")
    assert not world.engine.dial(NUMBER, "mobile").callable, "it is another carrier's"
    happens(world, "ported_in", carrier="mobile")
    assert world.engine.dial(NUMBER, "mobile").callable
    with pytest.raises(DoNotCall):
        world.place()  # of a call from before the number left
    world.say("是", to="10001")
    world.run()
    assert world.state(telecom) == "notified"


def test_refusals_stay_whoever_has_the_number(world):
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    world.run()
    happens(world)
    assert world.engine.dial(NUMBER, "mobile").reason == "refused"


def test_nothing_is_activated_on_a_suspended_number_until_it_is_resumed(world):
    order = confirmed(world)
    happens(world, "suspended")
    for _ in range(3):
        world.run()
        world.clock.forward(seconds=61)
    assert (world.state(order), world.bss.asked) == ("confirmed", [])
    assert world.engine.dial(NUMBER, "mobile").callable
    happens(world, "resumed")
    world.clock.forward(seconds=61)
    world.run()
    assert world.state(order) == "notified"


def test_a_yes_read_on_a_suspended_number_waits_with_its_activation(world):
    order = asked(world)
    happens(world, "suspended")
    world.say("是")
    world.run()
    assert (world.state(order), world.bss.asked) == ("confirmed", [])
    happens(world, "assigned")
    world.clock.forward(seconds=61)
    world.run()
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


@pytest.mark.parametrize(
    ("answer", "state"),
    [(None, "unnotified"), (Unavailable("busy"), "cancelled"), (Rejected("no"), "activation_failed")],
)
def test_an_activation_that_has_begun_ends_its_order_and_nobody_is_told(world, answer, state):
    order = confirmed(world)
    sent = len(world.gateway.sent)
    world.bss.answers += [answer] if answer else []
    inner = world.bss.activate

    async def meanwhile(activation):
        happens(world)
        return await inner(activation)

    world.bss.activate = meanwhile
    world.run(Lane.ACTIVATION)
    world.bss.activate = inner
    for _ in range(3):
        world.clock.forward(seconds=61)
        world.run()
    assert (world.state(order), len(world.bss.asked), len(world.gateway.sent)) == (state, 1, sent)
    line = world.engine.line(NUMBER)
    assert line.restrictions == (), "nothing of it stands any more"


def test_a_call_that_was_given_back_is_not_begun_for_another_holder(world):
    order = confirmed(world)
    [leased] = world.engine.store.lanes.lease(Lane.ACTIVATION, 1)
    happens(world)
    drive(world.engine.store, [giving_back(leased, world.clock.now)])
    for _ in range(3):
        world.run()
        world.clock.forward(seconds=61)
    assert (world.state(order), world.bss.asked) == ("cancelled", [])
    assert cause(world, order) == {"reason": "number_changed", "door": "line"}


def test_what_nobody_could_read_when_the_number_changed_hands_is_not_activated_once_somebody_can(world):
    order = confirmed(world)
    record = world.cell.order(order.id)
    head = world.client.hget(record, "head")
    world.client.hset(record, "head", "x")
    happens(world)
    world.client.hset(record, "head", head)
    for _ in range(3):
        world.run()
        world.clock.forward(seconds=61)
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


def test_a_settled_order_of_the_holder_before_means_nothing_to_the_holder_of_now(world):
    order = confirmed(world)
    world.run()
    assert world.state(order) == "notified"
    happens(world)
    world.clock.forward(seconds=5)
    for words in ("TD", "帮助", "是"):
        world.say(words)
        world.run()
    shown = world.engine.show(order.id)
    assert shown.events[-1].trigger == "notification_accepted"
    assert [sms.purpose for sms in world.gateway.sent[2:]] == ["opted_out", "help"]
    assert not any(shown.doc.offer.plan_name in sms.text for sms in world.gateway.sent[2:])
    assert world.engine.dial(NUMBER, "mobile").reason == "refused"


def test_an_activation_in_doubt_is_asked_about_and_not_begun_anew(world):
    order = confirmed(world)
    world.bss.answers.append(Uncertain("timeout"))
    world.run(Lane.ACTIVATION)
    happens(world)
    world.clock.forward(hours=1)
    world.run()
    assert (world.state(order), len({each.order_id for each in world.bss.asked})) == ("unnotified", 1)
    assert world.engine.show(order.id).effects.keys().isdisjoint({ACTIVATE})


def test_a_notification_that_waits_is_given_up(world):
    order = confirmed(world)
    world.run(Lane.ACTIVATION)
    assert world.state(order) == "activated"
    sent = len(world.gateway.sent)
    happens(world)
    world.run()
    assert (world.state(order), len(world.gateway.sent)) == ("unnotified", sent)
    assert cause(world, order) == {"reason": "number_changed"}


def test_an_sms_that_still_waits_about_a_settled_order_is_not_sent(world):
    order = asked(world)
    world.say("不同意")
    world.run(Lane.INBOUND)
    sent = len(world.gateway.sent)
    happens(world)
    world.run()
    assert (world.state(order), len(world.gateway.sent)) == ("declined", sent)


def test_what_is_in_the_future_is_not_taken(world):
    with pytest.raises(Malformed):
        happens(world, ago=-2 * A_MINUTE)
    assert world.engine.line(NUMBER).history == ()


def test_another_holder_told_after_a_later_suspension_ends_the_former_holders_order(world):
    """The suspension was known first: no yes of the new holder activates what was asked of the former one."""
    order = asked(world)
    world.clock.forward(seconds=60)
    happens(world, "suspended", ago=10_000)
    assert happens(world, "assigned", ago=20_000).happened.ended == 1
    world.say("是")
    world.run()
    happens(world, "resumed")
    world.clock.forward(seconds=61)
    world.run()
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


def test_a_suspension_that_was_over_before_the_next_holder_came_stands_for_nobody(world):
    happens(world, "assigned", ago=1_000)
    happens(world, "suspended", ago=2_000)
    happens(world, "released", ago=3_000)
    assert world.engine.line(NUMBER).restrictions == ()


def test_a_suspension_bars_every_activation_whichever_carrier_it_names(world):
    order = confirmed(world)
    happens(world, "suspended", carrier="mobile")
    world.run()
    assert (world.state(order), world.bss.asked) == ("confirmed", [])


def test_with_as_many_events_as_may_be_kept_only_what_ends_orders_is_taken(world):
    order = asked(world)
    for n in range(MOST_EVENTS):
        happens(world, "resumed" if n % 2 else "suspended", ago=MOST_EVENTS - n)
    with pytest.raises(EventNotTaken):
        happens(world, "suspended", ago=MOST_EVENTS + 1)
    assert happens(world).happened.ended == 1
    assert world.state(order) == "cancelled"


def test_what_became_of_a_number_is_a_chain_under_a_seal(world):
    happens(world, "released")
    world.clock.forward(seconds=1)
    happens(world, "assigned")
    line = world.engine.line(NUMBER)
    key = world.cell.line(line.id)
    assert line.seal == Seal("test-secret").of(line)
    assert NUMBER[3:] not in str(line.publics)
    kept = world.client.hget(key, "e1")
    world.client.hset(key, "e1", kept.replace("assigned", "resumed"))
    with pytest.raises(BrokenRecord):
        world.engine.line(NUMBER)
