"""The BSS tells the holder of a number, when placing and before an activation; without its answer none is activated."""

import pytest
from msgspec.structs import replace

from consent_engine.api.schemas.forms import read
from consent_engine.domain.admission.call_request import CallStart, StartCall
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import OrderRefused
from consent_engine.domain.effects import ACTIVATE, Accepted, Lane, Unavailable, Uncertain
from consent_engine.domain.line.holder import MOST_EVENTS, LineEvent, Subscriber
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.metrics import health_of
from consent_engine.engine.permits import PermitsAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import DoNotCall, OtherNetwork
from consent_engine.ports import Endpoint
from tests.conftest import NUMBER, FakeSubscribers
from tests.integration.calls.desk import instant

SAME = Subscriber("mobile", 0)
SILENT = Unavailable("look_up:no_answer:")


@pytest.fixture
def asking(world):
    """Make a world whose BSS tells the holder of a number: nothing against anyone, unless the test says otherwise."""
    world.subscribers = FakeSubscribers()
    world.engine = world.another()
    return world


def confirmed(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=30)
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.state(order) == "confirmed"
    return order


def later(world):
    """Return a holder since after the call."""
    return Subscriber("mobile", world.clock.now - 1_000)


def cause(world, order):
    return next(e.as_json() for e in world.engine.show(order.id).events if e.trigger == "cancelled")


def test_a_number_of_the_same_holder_is_activated_after_a_look(asking):
    order = confirmed(asking)
    asking.run()
    assert asking.state(order) == "notified"
    assert asking.subscribers.asked == [NUMBER]


def test_a_yes_of_the_holder_before_is_dead_and_the_line_knows_it(asking):
    order = confirmed(asking)
    asking.subscribers.answers = [later(asking)]
    sent = len(asking.gateway.sent)
    asking.run()
    assert (asking.state(order), cause(asking, order)) == ("cancelled", {"reason": "number_changed", "door": "line"})
    assert (asking.bss.asked, asking.gateway.sent[sent:]) == ([], [])
    [known] = asking.engine.line(NUMBER).history
    assert (known.event, known.by, known.on) == ("assigned", "bss", asking.subscribers.answers[0].holder_since)
    assert not asking.engine.line(NUMBER).restrictions
    with pytest.raises(DoNotCall, match="another holder"):
        asking.place()


def test_all_that_is_open_of_the_number_ends_with_it(asking):
    order, other = confirmed(asking), asking.place(plan="data-pack-10gb")
    asking.subscribers.answers = [later(asking)]
    asking.run(Lane.ACTIVATION)
    assert [asking.state(each) for each in (order, other)] == ["cancelled", "cancelled"]


def test_a_number_that_left_the_carrier_is_not_activated(asking):
    order = confirmed(asking)
    asking.subscribers.answers = [replace(SAME, network="unicom")]
    asking.run()
    assert (asking.state(order), asking.bss.asked) == ("cancelled", [])
    assert asking.engine.dial(NUMBER, "mobile").reason == "number_changed"
    assert asking.engine.dial(NUMBER, "unicom").callable


@pytest.mark.parametrize("ahead", [0, 3_600_000])
def test_without_an_answer_nothing_is_activated_and_with_one_it_goes_on(asking, ahead):
    order = confirmed(asking)
    nonsense = Subscriber("mobile", asking.clock.now + ahead)
    asking.subscribers.answers = [nonsense if ahead else SILENT]
    asking.run(Lane.ACTIVATION)
    pending = asking.engine.show(order.id).effects[ACTIVATE]
    assert (pending.doubts, pending.parked, asking.bss.asked) == (0, 0, [])
    assert pending.why.startswith("look_up:")
    asking.subscribers.answers = [SAME]
    asking.clock.forward(hours=1)
    asking.run()
    assert asking.state(order) == "notified"


def test_a_failing_look_up_is_measured_as_a_target_of_its_own(asking):
    confirmed(asking)
    asking.subscribers.answers = [SILENT]
    asking.run(Lane.ACTIVATION)
    asking.engine.performer.measures.report(asking.engine.registry)
    target = Endpoint("bss", "test/lookup")
    [health] = health_of(asking.engine.registry, [target], asking.clock())
    assert (round(health.calls), health.failed_share, health.known.answered) == (1, 1, 0)


def test_a_refusal_that_comes_while_it_looks_is_kept_to(asking):
    order = confirmed(asking)

    def refuses():
        asking.clock.forward(seconds=1)
        asking.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))

    asking.subscribers.meanwhile = refuses
    asking.run(Lane.ACTIVATION)
    assert asking.bss.asked == []
    asking.subscribers.meanwhile = lambda: None
    asking.run()
    assert (asking.state(order), asking.bss.asked) == ("cancelled", [])


def test_a_no_that_comes_while_it_looks_is_kept_to(asking):
    order = confirmed(asking)

    def says_no():
        asking.subscribers.meanwhile = lambda: None
        asking.say("否")
        asking.read_now()
        asking.clock.forward(seconds=1)

    asking.subscribers.meanwhile = says_no
    asking.run()
    assert (asking.state(order), asking.bss.asked) == ("declined", [])


def test_what_may_have_been_activated_for_the_holder_before_is_not_tried_again(asking):
    order = confirmed(asking)
    asking.bss.answers = [Uncertain("no_answer:")]
    asking.run(Lane.ACTIVATION)
    asking.subscribers.answers = [later(asking)]
    for _ in range(9):
        asking.clock.forward(hours=1)
        asking.run()
    assert len(asking.bss.asked) == 1
    pending = asking.engine.show(order.id).effects[ACTIVATE]
    assert (pending.parked, asking.state(order)) == (1, "confirmed")


def test_a_bss_that_says_it_was_done_before_is_believed_and_nobody_is_told(asking):
    order = confirmed(asking)
    asking.bss.answers, asking.bss.knows = [Uncertain("no_answer:")], {order.id: Accepted("act-1")}
    asking.run(Lane.ACTIVATION)
    asking.subscribers.answers = [later(asking)]
    sent = len(asking.gateway.sent)
    asking.clock.forward(hours=1)
    asking.run()
    assert (asking.state(order), len(asking.bss.asked)) == ("unnotified", 1)
    assert asking.gateway.sent[sent:] == []


def test_another_holder_counts_though_something_newer_is_known_of_the_number(asking):
    order = confirmed(asking)
    newer = asking.clock.now
    asking.engine.line_event(LineEventAsked(NUMBER, LineEvent.SUSPENDED, newer - 10, "ops"))
    asking.engine.line_event(LineEventAsked(NUMBER, LineEvent.RESUMED, newer, "ops"))
    asking.subscribers.answers = [later(asking)]
    asking.run()
    assert (asking.state(order), asking.bss.asked) == ("cancelled", [])
    assert asking.engine.line(NUMBER).holder_since("mobile") == asking.subscribers.answers[0].holder_since < newer


def test_where_no_more_events_of_the_number_can_be_kept_another_holder_is_known_all_the_same(asking):
    order, other = confirmed(asking), asking.place(plan="data-pack-10gb")
    for n in range(MOST_EVENTS):
        event = LineEvent.RESUMED if n % 2 else LineEvent.SUSPENDED
        asking.engine.line_event(LineEventAsked(NUMBER, event, asking.clock.now - MOST_EVENTS + n, "ops"))
    asking.subscribers.answers = [later(asking)]
    asking.run(Lane.ACTIVATION)
    assert (asking.state(order), cause(asking, order)) == ("cancelled", {"reason": "number_changed", "door": "line"})
    assert (asking.state(other), asking.bss.asked) == ("cancelled", [])
    assert asking.engine.line(NUMBER).holder_since("mobile") == asking.subscribers.answers[0].holder_since


# The door ----------------------------------------------------------------------------------------------------------


def wanted(world, subscriber):
    return Placing("desk", "key-1", world.request(), subscriber)


def test_the_door_takes_no_order_for_a_customer_of_another_network(world):
    with pytest.raises(OtherNetwork) as refused:
        world.engine.place(wanted(world, Subscriber("telecom", 0)))
    assert refused.value.facts == {"network": "telecom", "carrier": "mobile"}
    [call] = world.engine.inspector.to_number(NUMBER)
    assert [each.code for each in call.events if isinstance(each, OrderRefused)] == ["other_network"]


def test_the_door_takes_no_order_of_a_call_with_the_holder_before(world):
    with pytest.raises(DoNotCall) as refused:
        world.engine.place(wanted(world, later(world)))
    assert refused.value.facts["reason"] == "number_changed"


def test_what_the_look_up_says_is_no_part_of_what_makes_two_requests_the_same(world):
    first = world.engine.place(wanted(world, Subscriber()))
    again = world.engine.place(wanted(world, Subscriber("telecom", 0)))
    assert (first.created, again.created, again.order.id) == (True, False, first.order.id)


# Minors --------------------------------------------------------------------------------------------------------------

MINOR, ADULT = Subscriber("mobile", 0, adult=False), Subscriber("mobile", 0, adult=True)


def refused(world, subscriber):
    """Return why the door takes no order of a number."""
    with pytest.raises(DoNotCall) as refusal:
        world.engine.place(wanted(world, subscriber))
    return refusal.value.facts["reason"]


def test_the_door_takes_no_order_of_a_minor_keeps_that_with_the_call_and_no_permit_is_given(world):
    assert refused(world, MINOR) == "minor"
    [call] = world.engine.inspector.to_number(NUMBER)
    assert [each.code for each in call.events if isinstance(each, OrderRefused)] == ["do_not_call"]
    for carrier in ("mobile", "telecom", None):
        assert world.engine.dial(NUMBER, carrier).reason == "minor"
    [(dial, token)] = world.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
    assert (dial.reason, token) == ("minor", "")
    assert refused(world, Subscriber()) == "minor", "without an answer what is known counts"
    assert [each.event for each in world.engine.line(NUMBER).history] == ["minor"]


def test_an_order_that_names_its_call_is_not_taken_of_a_minor_either(world):
    began = world.clock.now - 60_000
    body = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1", "started_at": instant(began)}
    call = world.engine.calls.record(CallStart("desk", "call", read(StartCall, body))).call
    form = {"msisdn": NUMBER, "plan": "5g-smart-199", "agent": "A1", "call_id": call.id, "agreed_at": instant(began)}
    with pytest.raises(DoNotCall):
        world.engine.place(Placing("desk", "named", PlaceOrder.read(form), MINOR))
    assert [each.code for each in world.engine.calls.show(call.id).events] == ["do_not_call"]


@pytest.mark.parametrize("answer", [ADULT, None])
def test_who_is_of_age_or_another_holder_is_sold_to(world, answer):
    refused(world, MINOR)
    world.clock.forward(seconds=60)
    if answer is None:
        world.engine.line_event(LineEventAsked(NUMBER, LineEvent.ASSIGNED, world.clock.now - 1, "ops"))
    else:
        world.engine.place(wanted(world, answer))
    assert world.engine.line(NUMBER).restrictions == ()
    assert world.engine.dial(NUMBER, "mobile").callable


def test_a_minors_open_order_ends_though_the_desktops_clock_is_ahead(world):
    at = instant(world.clock.now + 30_000)
    placed = world.engine.place(Placing("desk", "ahead", world.request(started_at=at, agreed_at=at))).order
    world.engine.line_event(LineEventAsked(NUMBER, LineEvent.MINOR, world.clock.now, "bss"))
    assert world.state(placed) == "cancelled"


def test_a_minors_yes_activates_nothing_and_ends_all_that_is_open(asking):
    order, other = confirmed(asking), asking.place(plan="fibre-duo-129")
    asking.subscribers.answers = [MINOR]
    asking.run()
    for _ in range(3):
        asking.clock.forward(seconds=61)
        asking.run()
    assert [asking.state(each) for each in (order, other)] == ["cancelled", "cancelled"]
    assert [cause(asking, each) for each in (order, other)] == [{"reason": "minor", "door": "line"}] * 2
    assert (asking.bss.asked, asking.engine.stuck()) == ([], [])


def test_what_may_have_been_activated_for_a_minor_waits_for_a_person(asking):
    order = confirmed(asking)
    asking.bss.answers = [Uncertain("no_answer:")]
    asking.run(Lane.ACTIVATION)
    asking.subscribers.answers = [MINOR]
    for _ in range(9):
        asking.clock.forward(hours=1)
        asking.run()
    assert len(asking.bss.asked) == 1
    assert (asking.engine.show(order.id).effects[ACTIVATE].parked, asking.state(order)) == (1, "confirmed")


def test_an_activated_service_is_not_touched_by_its_holders_age(asking):
    order = confirmed(asking)
    asking.run()
    with pytest.raises(DoNotCall):
        asking.engine.place(replace(wanted(asking, MINOR), idempotency_key="other"))
    asking.run()
    assert (asking.state(order), asking.bss.ended) == ("notified", [])
