"""The reply window begins when the question is on the handset, if the gateway reports that; else at the hand-over."""

from itertools import permutations

import pytest

from consent_engine.domain.decide.wanted_effects import excess, missing
from consent_engine.domain.effects import WAKE_REMINDER, WAKE_WINDOW, Accepted, Lane, Uncertain
from consent_engine.domain.offer.offer import Policy, Suspects
from consent_engine.domain.order.order import replay
from consent_engine.domain.sms import Delivery
from tests.at_rest import in_clear
from tests.conftest import World
from tests.memory import a_store

HOUR = 3_600_000
WINDOW, UNDELIVERED = 24 * HOUR, 48 * HOUR
POLICY = Policy(retry_base=1_000, reminder_after=12 * HOUR)


@pytest.fixture
def reporting():
    """Make a world whose gateway reports deliveries."""
    made = World(a_store(), POLICY)
    made.gateway.reports = True
    made.engine = made.another()
    yield made
    made.runner.close()


def asked(world):
    order = world.place()
    world.run(Lane.SMS)
    return order


def stands(world, order):
    """Return the order, once its fields for scripts match its history, and its effects are those that it must want."""
    found = world.engine.show(order.id)
    key = world.cell.order(order.id)
    fields = in_clear(key, world.client.hgetall(key))
    assert replay(fields)[2] == found.reply_by == int(fields["reply_by"])
    assert (missing(found), excess(found)) == ([], [])
    return found


def due(world, order):
    """Return the timer that the order waits for, and when it is due."""
    [name] = {WAKE_REMINDER, WAKE_WINDOW} & set(world.engine.show(order.id).effects)
    return name, int(world.client.zscore(world.cell.due[Lane.TIMER], f"o:{order.id}:{name}"))


def test_the_window_begins_when_the_last_part_was_delivered(reporting):
    order = asked(reporting)
    at = stands(reporting, order).asked_at
    assert due(reporting, order) == (WAKE_WINDOW, at + UNDELIVERED + 1), "nobody is reminded of what is on its way"
    reporting.clock.forward(hours=5)
    for part in (2, 1):
        reporting.report(order, Delivery.DELIVERED, segment=part, segments=2)
        reporting.run(Lane.INBOUND)
    [arrived] = [e.at for e in reporting.engine.show(order.id).events if e.trigger == "delivered"]
    assert arrived > at + 5 * HOUR
    assert stands(reporting, order).reply_by == arrived + WINDOW
    assert due(reporting, order) == (WAKE_REMINDER, arrived + 12 * HOUR)
    reporting.clock.now = arrived + 12 * HOUR
    reporting.run()
    assert (len(reporting.texts("reminder")), due(reporting, order)) == (1, (WAKE_WINDOW, arrived + WINDOW + 1))
    reporting.clock.now = arrived + WINDOW - 100
    reporting.say("是")
    reporting.run()
    assert reporting.state(order) == "notified"


def test_what_is_never_delivered_closes_after_two_days(reporting):
    order = asked(reporting)
    at = stands(reporting, order).asked_at
    reporting.clock.now = at + UNDELIVERED - 100
    reporting.run()
    assert reporting.state(order) == "awaiting_reply"
    reporting.clock.forward(200)
    reporting.run()
    assert (reporting.state(order), reporting.texts("reminder")) == ("expired", [])


def test_a_report_that_came_in_time_and_waits_to_be_read_keeps_the_window_open(reporting):
    order = asked(reporting)
    at = stands(reporting, order).asked_at
    reporting.clock.now = at + UNDELIVERED - 100
    reporting.report(order, Delivery.DELIVERED)
    reporting.clock.forward(seconds=5)
    reporting.run(Lane.TIMER)
    reporting.run()
    found = stands(reporting, order)
    assert (found.state, found.reply_by > at + UNDELIVERED + 23 * HOUR) == ("awaiting_reply", True)


@pytest.mark.parametrize("reports", [*permutations(("accepted", "delivered", "delivered again", "failed"))])
def test_in_whatever_order_reports_come_the_window_begins_at_the_first_that_says_so(reporting, reports):
    order = asked(reporting)
    failed_first = reports.index("failed") < reports.index("delivered")
    begins = 0
    for n, each in enumerate(reports):
        reporting.clock.forward(seconds=60)
        reporting.report(order, Delivery(each.split()[0]), message_id="m1" if "again" not in each else f"again{n}")
        reporting.run(Lane.INBOUND)
        found = reporting.engine.show(order.id)
        begins = begins or found.delivered_at
    if failed_first and "delivered again" not in reports[: reports.index("failed")]:
        assert reporting.state(order) == "undeliverable"
        return
    assert stands(reporting, order).reply_by == begins + WINDOW


def test_a_report_that_overtakes_the_answer_begins_it_with_the_hand_over(reporting):
    def hears(sms):
        reporting.report(order, Delivery.DELIVERED)
        reporting.read_now()
        return Accepted("m1")

    reporting.gateway.answers = [hears]
    order = reporting.place()
    reporting.run(Lane.SMS)
    reporting.run(Lane.INBOUND)
    found = stands(reporting, order)
    assert (found.reply_by, due(reporting, order)[0]) == (found.asked_at + WINDOW, WAKE_REMINDER)


def test_a_doubt_that_a_report_settles_begins_it(reporting):
    reporting.gateway.answers = [Uncertain("timeout")]
    order = asked(reporting)
    reporting.clock.forward(seconds=60)
    reporting.report(order, Delivery.ACCEPTED)
    reporting.run(Lane.INBOUND)
    assert stands(reporting, order).reply_by == reporting.engine.show(order.id).asked_at + UNDELIVERED
    reporting.clock.forward(seconds=60)
    reporting.report(order, Delivery.DELIVERED)
    reporting.run(Lane.INBOUND)
    found = stands(reporting, order)
    assert found.reply_by == found.delivered_at + WINDOW


def test_orders_under_way_when_a_gateway_begins_to_report_go_on_as_they_were(world):
    order = asked(world)
    world.gateway.reports = True
    world.engine = world.another()
    before = stands(world, order).reply_by
    assert before == world.engine.show(order.id).asked_at + WINDOW
    world.clock.forward(hours=1)
    world.report(order, Delivery.DELIVERED)
    world.run()
    assert stands(world, order).reply_by == before


def test_an_sms_promises_no_instant_that_a_report_may_bring_forward(reporting):
    reporting.policy = Policy(retry_base=1_000, suspects=Suspects.CODE, reading_speed=60)
    reporting.engine = reporting.another()
    order = asked(reporting)
    reporting.say("是")
    reporting.run()
    assert "请于11月26日0时前" in reporting.texts("prove")[0]
    assert stands(reporting, order).surely_until == reporting.engine.show(order.id).asked_at + WINDOW
