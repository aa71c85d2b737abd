"""A gateway that gives every part of an SMS an id of its own: a report names a part, all reports together the SMS.

The ids are in its answer, and reports may come before that: the result is the same in any order.
"""

from itertools import permutations

import pytest

from consent_engine.domain.effects import Accepted, Lane, Uncertain
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.deliveries import ANSWER_MS
from consent_engine.domain.order.details import Delivered
from consent_engine.domain.order.history import all_of
from consent_engine.domain.sms import Delivery
from consent_engine.engine.listing import part_reports

ANSWER = "the answer"
TAKEN, GONE, HERE = Delivery.ACCEPTED, Delivery.FAILED, Delivery.DELIVERED
IDS = ("m1", "m2", "m3")
IN_PARTS = Accepted("m1", parts=IDS)
HEARD = {
    "delivered": ([(1, HERE), (2, HERE), (3, HERE)], "awaiting_reply", 1),
    "taken": ([(1, TAKEN), (2, TAKEN), (3, TAKEN)], "awaiting_reply", 0),
    "two of three arrived": ([(1, HERE), (2, HERE), (3, TAKEN)], "awaiting_reply", 0),
    "one part lost": ([(1, HERE), (2, GONE), (3, TAKEN)], "undeliverable", 0),
    "two arrived, one lost": ([(1, HERE), (2, GONE), (3, HERE)], "undeliverable", 0),
    "one part taken, then lost": ([(2, TAKEN), (2, GONE), (1, HERE)], "undeliverable", 0),
    "every part lost": ([(1, GONE), (2, GONE), (3, GONE)], "undeliverable", 0),
}


WAYS = pytest.mark.parametrize(
    ("numbered", "at_once"),
    [pytest.param(True, False, id="numbered"), pytest.param(False, False, id="not numbered"),
     pytest.param(False, True, id="not numbered, read at once")],
)  # fmt: skip


def report(world, order, part, *, numbered):
    n, status = part
    numbers = {"segment": n, "segments": 3} if numbered else {}
    world.report(order, status, message_id=f"m{n}", **numbers)


def told(world, n, happens, answer, *, at_once, numbered, before=()):
    """Return the n-th order after all of `happens`; reports before the answer come while the call is under way."""
    early, late = happens[: happens.index(ANSWER)], happens[happens.index(ANSWER) + 1 :]
    order = None

    def some(parts):
        for each in parts:
            report(world, order, each, numbered=numbered)
            if not at_once:
                world.read_now()
        world.read_now()

    def call(sms):
        some(early)
        return answer

    world.gateway.answers = [*before, call]
    order = world.place(parse(f"138001{n:05}"))
    world.run()
    if before:
        world.clock.forward(seconds=601)
        world.run()
    some(late)
    world.run()
    world.clock.forward(seconds=2)
    world.run()
    return order


def orders_of(reports, *, all_of_them=False):
    """Return every order of these reports and the answer; two that differ only in the part reported on are one."""
    ways = list(permutations([*reports, ANSWER]))
    alike = {tuple(each if each == ANSWER else each[1] for each in way): way for way in ways}
    return ways if all_of_them else list(alike.values())


def heard(world, order):
    return sum(1 for _ in all_of(world.engine.show(order.id), Delivered))


@WAYS
@pytest.mark.parametrize("name", HEARD)
def test_reports_by_the_ids_of_parts_end_the_same_in_every_order(world, name, numbered, at_once):
    reports, ends, whole = HEARD[name]
    for n, happens in enumerate(orders_of(reports, all_of_them=not (numbered or at_once))):
        order = told(world, n, happens, IN_PARTS, at_once=at_once, numbered=numbered)
        assert world.state(order) == ends, happens
        if ends == "awaiting_reply":
            assert heard(world, order) == whole, happens
        assert len(world.gateway.sent) == n + 1


@WAYS
def test_two_lost_parts_of_one_attempt_are_one_attempt_that_failed(world, numbered, at_once):
    """The first attempt is in doubt: no report came, so the subscriber may have the question."""
    reports = [(1, TAKEN), (2, GONE), (3, GONE)]
    for n, happens in enumerate(orders_of(reports)):
        order = told(
            world, n, happens, IN_PARTS, at_once=at_once, numbered=numbered, before=[Uncertain("timeout")]
        )  # fmt: skip
        assert world.state(order) == "awaiting_reply", happens
        assert len(world.gateway.sent) == 2 * (n + 1)


@pytest.mark.parametrize("name", ["one part lost", "two arrived, one lost", "every part lost"])
@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "not numbered"])
def test_a_lost_part_ends_the_order_also_where_no_answer_tells_the_ids(world, name, numbered):
    reports, ends, _ = HEARD[name]
    for n, happens in enumerate(orders_of(reports)):
        order = told(world, n, happens, Uncertain("timeout"), at_once=False, numbered=numbered)
        assert world.state(order) == ends, happens


def test_an_answer_that_never_comes_is_not_waited_for_for_ever(world):
    """A worker dies after reports overtook its call: two ids that failed then count as the two attempts they seem."""
    world.gateway.answers = [Uncertain("timeout")]
    order = world.place()
    world.run()
    world.clock.forward(seconds=601)
    assert [each.record.id for each in world.engine.store.lanes.lease(Lane.SMS, 9)] == [order.id]
    for part in [(1, TAKEN), (2, GONE), (3, GONE)]:
        report(world, order, part, numbered=False)
    for milliseconds in (0, 1_001, ANSWER_MS - 10_000):
        world.clock.forward(milliseconds)
        world.run()
        assert world.state(order) == "awaiting_reply"
    world.clock.forward(10_000)
    world.run()
    assert world.state(order) == "undeliverable"


def test_of_six_reports_on_three_parts_the_order_hears_twice(world):
    world.gateway.answers = [IN_PARTS]
    order = world.place()
    world.run()
    for status in (TAKEN, HERE):
        for n in (2, 3, 1):
            report(world, order, (n, status), numbered=False)
            world.run()
    assert world.triggers(order).count("delivered") == 1
    assert len(world.triggers(order)) <= 3
    [(sms, counted)] = part_reports(world.engine.records, order.line, order.id)
    assert (sms, counted.id, counted.of, counted.here) == ("confirmation.1", "m1", 3, (1, 2, 3))


def test_a_lost_part_is_named_in_the_end(world):
    world.gateway.answers = [IN_PARTS]
    order = world.place()
    world.run()
    world.report(order, GONE, message_id="m3", error="expired")
    world.run()
    assert world.engine.show(order.id).events[-1].detail.reason == "part:3:3:expired"


@pytest.mark.parametrize("early", [(), (1,), (1, 2), (3, 1, 2)])
def test_the_notification_has_arrived_once_all_its_parts_have(world, early):
    def call(sms):
        for n in early:
            world.report(order, HERE, "notification.1", message_id=f"m{n}")
        world.read_now()
        return IN_PARTS

    order = world.place()
    world.run()
    world.gateway.answers = [call]
    world.say("是")
    world.run()
    assert world.state(order) == "notified"
    for n in {1, 2, 3} - set(early):
        world.report(order, HERE, "notification.1", message_id=f"m{n}")
        world.run()
    arrived = [each.effect for _, each in all_of(world.engine.show(order.id), Delivered)]
    assert arrived == ["sms.notification.1"]
