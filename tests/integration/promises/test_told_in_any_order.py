"""What the outside tells with its own instants is a set: whatever the order it is told in, the same follows."""

import pytest

from consent_engine.api.schemas.forms import read
from consent_engine.domain.admission.call_request import CallStart, StartCall
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import CallNotPermitted
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.holder import LineEvent
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.permits import PermitsAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import DoNotCall
from consent_engine.ports import CallFilter
from tests.conftest import NUMBER, SENDERS
from tests.integration.calls.desk import instant

A_MINUTE = 60_000
PLANS = ("5g-smart-199", "data-pack-10gb", "fibre-duo-129")


def calls(world, at, permit=None):
    """Tell of a call that began at an instant; return it."""
    world.keys += 1
    body = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1", "started_at": instant(at)}
    form = read(StartCall, body | ({"permit": permit} if permit else {}))
    return world.engine.calls.record(CallStart("desk", f"call-{world.keys}", form)).call


def orders(world, at, plan=PLANS[0]):
    """Place an order whose body describes a call that began at an instant."""
    world.keys += 1
    told = {
        "caller_number": SENDERS[world.engine.plan(plan).plan.carrier], "recording_id": f"rec-{world.keys}",
        "started_at": instant(at), "agreed_at": instant(at + 1_000),
    }  # fmt: skip
    body = PlaceOrder.read({"msisdn": NUMBER, "plan": plan, "agent": "A1", "call": told})
    return world.engine.place(Placing("desk", f"key-{world.keys}", body)).order


def happens(world, event, at, carrier=""):
    world.engine.line_event(LineEventAsked(NUMBER, LineEvent(event), at, "ops", carrier))


def violations(world):
    """Return what is wrong with each call, the earliest first."""
    known = sorted(world.engine.calls.page(CallFilter(), limit=100).calls, key=lambda each: each.began.started_at)
    return [[wrong.value for wrong in each.violations] for each in known]


def yes(world, order):
    world.run(Lane.SMS)
    world.clock.forward(seconds=60)
    world.say(f"是{order.doc.code}", to=SENDERS[order.doc.carrier])
    world.run()


@pytest.fixture
def noon(world):
    """Return an instant in the middle of a day, with some hours of it to go."""
    world.clock.forward(hours=12)
    return world.clock.now - 3_600_000


@pytest.mark.parametrize("permitted", [False, True])
def test_of_ten_calls_told_newest_first_the_three_earliest_are_in_order(world, noon, permitted):
    world.clock.now = noon
    [(_, token)] = world.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
    world.clock.forward(seconds=600)
    for n in reversed(range(10)):
        calls(world, noon + n * A_MINUTE // 2, token if permitted else None)
    assert violations(world) == [[]] * 3 + [["too_often"]] * 7
    assert world.engine.dial(NUMBER, "mobile").since == noon + A_MINUTE


def test_a_new_permit_for_each_call_allows_no_more_of_them(world, noon):
    for n in reversed(range(8)):
        world.clock.now = noon + n * A_MINUTE
        [(_, token)] = world.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
        if token:
            calls(world, world.clock.now, token)
    assert violations(world) == [[]] * 3 + [["too_often"]] * 5


@pytest.mark.parametrize("asked", [False, True])
def test_a_call_that_turns_out_to_be_one_too_many_takes_its_order_with_it(world, noon, asked):
    order = orders(world, noon)
    if asked:
        world.run(Lane.SMS)
    for n in (3, 1, 2):
        calls(world, noon - n * A_MINUTE)
    assert violations(world) == [[], [], [], ["too_often"]]
    yes(world, order)
    end = next(each for each in world.engine.show(order.id).events if each.trigger == "cancelled").as_json()
    assert (world.state(order), end["reason"], world.bss.asked) == ("cancelled", "call_violation", [])


def test_a_yes_that_was_read_before_activates_nothing_once_the_call_is_one_too_many(world, noon):
    order = orders(world, noon)
    world.run(Lane.SMS)
    world.clock.forward(seconds=60)
    world.say("是")
    world.run(Lane.INBOUND)
    for n in (3, 1, 2):
        calls(world, noon - n * A_MINUTE)
    world.run(Lane.ACTIVATION)
    assert world.bss.asked == []
    world.run()
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


def test_an_earlier_call_told_by_an_order_counts_as_one_told_by_itself(world, noon):
    late = orders(world, noon)
    earlier = [orders(world, noon - n * A_MINUTE, plan) for n, plan in ((1, PLANS[1]), (2, PLANS[2]))]
    assert violations(world) == [[], [], []]
    calls(world, noon - 5 * A_MINUTE)
    world.run()
    assert violations(world) == [[], [], [], ["too_often"]]
    assert [world.state(each) for each in (late, *earlier)] == ["cancelled", "awaiting_reply", "awaiting_reply"]


def test_an_order_that_names_a_call_which_is_up_falls_with_it_at_once(world, noon):
    call = calls(world, noon)
    form = {"msisdn": NUMBER, "plan": PLANS[0], "agent": "A1", "call_id": call.id, "agreed_at": instant(noon + 1_000)}
    order = world.engine.place(Placing("desk", "named", PlaceOrder.read(form))).order
    for n in (1, 2, 3):
        calls(world, noon - n * A_MINUTE)
    world.run()
    assert world.state(order) == "cancelled"
    with pytest.raises(CallNotPermitted):
        world.engine.place(Placing("desk", "again", PlaceOrder.read(form)))


def test_a_call_to_a_number_without_a_holder_is_one_whenever_that_is_told(world, noon):
    order = orders(world, noon)
    happens(world, "released", noon - A_MINUTE)
    assert violations(world) == [["number_changed"]]
    yes(world, order)
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


def test_what_a_later_word_takes_back_was_no_violation_and_the_order_goes_on(world, noon):
    order = orders(world, noon)
    happens(world, "released", noon - 2 * A_MINUTE)
    happens(world, "assigned", noon - A_MINUTE)
    assert violations(world) == [[]]
    yes(world, order)
    assert world.state(order) == "notified"


def test_a_permit_from_before_another_holder_came_does_not_fit_whenever_that_is_told(world, noon):
    world.clock.now = noon
    [(_, token)] = world.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
    world.clock.forward(seconds=600)
    calls(world, noon + 3 * A_MINUTE, token)
    happens(world, "assigned", noon + 5 * A_MINUTE)
    assert violations(world) == [[]]
    happens(world, "assigned", noon + 2 * A_MINUTE)
    assert violations(world) == [["number_changed"]]


def test_the_call_of_a_refused_order_was_a_call_and_one_with_its_number_corrected_is_the_same(world, noon):
    happens(world, "assigned", noon + A_MINUTE)
    with pytest.raises(DoNotCall):
        orders(world, noon)
    for n in (2, 3, 4):
        calls(world, noon + n * A_MINUTE)
    assert violations(world) == [[], [], [], ["too_often"]]
    with pytest.raises(DoNotCall):
        orders(world, noon - A_MINUTE)
    assert violations(world) == [[], [], [], ["too_often"], ["too_often"]]


def test_a_violation_is_counted_once_though_it_was_taken_back_and_found_again(world, noon):
    calls(world, noon)
    for event, ago in (("released", 5), ("assigned", 4), ("released", 3)):
        happens(world, event, noon - ago * A_MINUTE)
    assert violations(world) == [["number_changed"]]
    [counted] = world.engine.store.queries.calls.counted(noon, noon)
    assert (counted.count, counted.ever_violated) == (1, {"number_changed"})


@pytest.mark.parametrize("told_late", [False, True])
def test_a_call_is_judged_by_what_stood_when_it_began_though_that_has_ended(world, noon, told_late):
    world.clock.now = noon
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk", until=noon + 30 * A_MINUTE))
    if not told_late:
        world.clock.now = noon + 10 * A_MINUTE
        calls(world, noon + 10 * A_MINUTE)
    world.clock.now = noon + 40 * A_MINUTE
    world.run()
    if told_late:
        calls(world, noon + 10 * A_MINUTE)
    calls(world, noon + 35 * A_MINUTE)
    assert violations(world) == [["refused_number"], []]
    assert world.engine.dial(NUMBER, "mobile").callable
