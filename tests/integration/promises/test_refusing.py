"""A gateway or BSS that refuses our account: no order ends of it, and all is tried again once it takes something."""

from collections import Counter
from datetime import timedelta

import pytest

from consent_engine.adapters.bss import templated as http_bss
from consent_engine.adapters.gateways import kannel
from consent_engine.adapters.gateways import templated as http_json
from consent_engine.domain.effects import Lane, Unavailable, Uncertain
from consent_engine.domain.sms import Delivery
from consent_engine.ports import Owner
from tests.contract import KEPT_SECRET, PATIENT, Far, answers
from workers.clock import OVER_MS, REPORTED_WITHIN_MS, tell_outages

REFUSING = Unavailable("gateway:401", after=600_000, refusing=True)
QUESTION = "sms.confirmation.1"
KANNEL = {"USERNAME": "u", "PASSWORD": "p", "SECRET": "s", "CALLBACK_URL": "http://127.0.0.1:1"}


@pytest.fixture
def far(world):
    """Return a function that answers every outside call of the world with a status from now on, on real sockets."""
    stood = []

    def answering(status, said=b""):
        server = world.runner.run(Far(answers(status, said)).__aenter__())
        stood.append(server)
        return server.url

    yield answering
    for server in stood:
        world.runner.run(server.__aexit__())


def sends_by(world, kind, url):
    patience = timedelta(seconds=PATIENT)
    if kind == "kannel":
        world.gateway.send = kannel.build(kind, {"URL": url, **KANNEL}, patience).send
    else:
        world.gateway.send = http_json.build(kind, {"URL": url, "SECRET": KEPT_SECRET}, patience).send


def tries(world, lane, minutes=30):
    """Let the retries of so many minutes take place."""
    for _ in range(minutes):
        world.run(lane)
        world.clock.forward(seconds=60)


@pytest.mark.parametrize("kind", ["http_json", "kannel"])
@pytest.mark.parametrize("status", [401, 403])
def test_no_order_ends_while_its_gateway_refuses_our_account(world, far, kind, status):
    sends_by(world, kind, far(status))
    order = world.place()
    tries(world, Lane.SMS)
    assert world.state(order) == "agreed"
    assert not world.engine.stuck()
    sends_by(world, kind, far(202, {"message_id": "m1"} if kind == "http_json" else b"0: Accepted for delivery"))
    tries(world, Lane.SMS)
    assert world.state(order) == "awaiting_reply"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("in_doubt", [False, True])
def test_no_activation_ends_or_is_parked_while_the_bss_refuses_our_account(world, far, status, in_doubt):
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run(Lane.INBOUND)
    if in_doubt:
        world.bss.answers = [Uncertain("timeout")]
        world.run(Lane.ACTIVATION)
    for status_now, said in ((status, {}), (200, {"activation_id": "a-1"})):
        raw = {"URL": far(status_now, said), "SECRET": KEPT_SECRET, "CAN_ASK": "true"}
        bss = http_bss.build("http", raw, timedelta(seconds=PATIENT))
        world.bss.activate, world.bss.ask = bss.activate, bss.ask
        tries(world, Lane.ACTIVATION)
        assert not world.engine.stuck()
        assert world.state(order) == ("confirmed" if status_now == status else "activated")


def test_the_orders_own_deadline_still_ends_it_unasked(world):
    world.gateway.answers = [REFUSING] * 1_000
    order = world.place()
    tries(world, Lane.SMS, minutes=125)
    world.run()
    assert world.state(order) == "expired"


def dues(world, orders):
    found = [world.engine.lanes.dues(Owner.ORDER, order.id, [QUESTION])[0] for order in orders]
    return [due - world.clock() for due in found if due is not None]


def looks(world):
    """Report what was heard, as a worker's clock does, and look for outages."""
    measures = world.engine.performer.measures
    measures.report(world.engine.registry)
    tell_outages(world.engine)


def test_the_first_success_wakes_all_that_waits_spread_and_nothing_that_is_in_doubt(world):
    world.gateway.answers = [REFUSING] * 40
    waiting = [world.place(f"+86138001380{n:02d}") for n in range(40)]
    world.run(Lane.SMS)
    world.gateway.answers = [Uncertain("timeout")]
    doubtful = world.place("+8613900139000")
    world.run(Lane.SMS)
    looks(world)
    assert min(dues(world, waiting)) > REFUSING.after - 10_000
    [held] = dues(world, [doubtful])
    world.place("+8613900139001")
    world.run(Lane.SMS)
    looks(world)
    woken = dues(world, waiting)
    assert max(woken) <= OVER_MS
    assert len(set(woken)) == len(waiting), "not all at one instant"
    assert dues(world, [doubtful])[0] > held - 1_000  # this gateway does not report: nothing will settle the doubt
    world.clock.forward(OVER_MS)
    world.run(Lane.SMS)
    assert {world.state(order) for order in waiting} == {"awaiting_reply"}
    assert world.state(doubtful) == "agreed"


@pytest.mark.parametrize("tens", [1, 5], ids=["a moment", "an outage"])
def test_what_is_in_doubt_waits_a_minute_for_the_reports_of_a_gateway_that_answers_again(world, tens):
    world.gateway.reports = True
    world.gateway.answers = [Uncertain("no_answer:")] * 5
    doubtful = [world.place(f"+86138001380{n:02d}") for n in range(5)]
    for _ in range(tens):
        world.run(Lane.SMS)
        looks(world)
        world.clock.forward(seconds=10)
    assert min(dues(world, doubtful)) > REPORTED_WITHIN_MS * 2
    world.place("+8613900139001")
    world.run(Lane.SMS)
    looks(world)
    assert min(dues(world, doubtful)) > REPORTED_WITHIN_MS * 2, "calls that began before it came back may still end"
    world.clock.forward(seconds=13)
    looks(world)
    due = [each + 13_000 for each in dues(world, doubtful)]
    assert max(due) <= REPORTED_WITHIN_MS
    assert min(due) >= REPORTED_WITHIN_MS - OVER_MS
    first = doubtful[0]
    world.report(first, Delivery.DELIVERED, message_id="g1")
    world.run(Lane.INBOUND)
    world.clock.forward(REPORTED_WITHIN_MS)
    world.run(Lane.SMS)
    assert {world.state(order) for order in doubtful} == {"awaiting_reply"}
    assert Counter(sms.ref for sms in world.gateway.sent)[f"{first.id}.confirmation.1"] == 1
