"""A carrier's list of gateways: the next one has its SMS while the first is away, and nobody is asked by both."""

import asyncio
from collections import Counter
from itertools import chain, pairwise
from random import Random

import pytest

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Accepted, Lane, Unavailable, Uncertain
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Delivery, DeliveryReport, Reply
from consent_engine.engine.metrics import gateways_away
from consent_engine.ports import Endpoint
from consent_engine.ports.registry import GATEWAY
from tests.cluster.celled import Celled
from tests.conftest import NUMBER, FakeGateway
from tests.memory import a_store

HOLD_S = 600
"""How long what is in doubt is held."""


@pytest.fixture
def listed(world):
    """Mobile has two gateways, the first one and the spare; the first one may be away."""
    world.gateways = {"spare": FakeGateway("spare")}
    return with_lists(world, mobile=("test", "spare"))


def with_lists(world, **lists):
    world.lists = lists
    world.engine = world.another()
    loop, began = world.runner.get_loop(), world.clock()
    time = loop.time
    loop.time = lambda: time() + (world.clock() - began) / 1000  # timers go by the clock that a test sets
    return world


def seconds(world, n=1, step=1.0, engine=None):
    """Let so many seconds pass, in steps, after each of which slices are performed and their results reported."""
    engine = engine or world.engine

    async def some():
        for _ in range(int(n / step)):
            world.clock.forward(seconds=step)
            await asyncio.sleep(0.001)
            for _ in range(3):
                await engine.performer.perform(Lane.SMS, 5)
            engine.performer.measures.report(engine.registry)

    world.runner.run(some())


def until_asked(world, orders):
    """Let seconds pass until all of these were asked: one that tried a gateway in vain is tried again a while later."""
    for _ in range(120):
        if {world.state(each) for each in orders} == {"awaiting_reply"}:
            return
        seconds(world)
    raise AssertionError({each.id: world.state(each) for each in orders})


def crowd(world, count, prefix="1380013"):
    return [world.place(f"+86{prefix}{n:04}") for n in range(count)]


def away(world, outcome=None, doubts=3):
    """Let the first gateway be away: so many questions were tried there. Return their orders."""
    world.gateway.answers = [outcome or Unavailable("connection refused")] * 10_000
    tried = crowd(world, doubts, "1380099")
    for _ in range(10):
        seconds(world)
        if gateways_away(world.engine.registry, world.engine.outside):
            return tried
    raise AssertionError("it is still there")


def answers_again(world):
    """Let the first gateway answer, and be tried until it has the SMS again."""
    world.gateway.answers.clear()
    for n in range(60):
        tried = crowd(world, 1, f"13800{40 + n}")
        seconds(world)
        if not gateways_away(world.engine.registry, world.engine.outside):
            assert asked_by(world.gateway, tried)
            return seconds(world, 2)
    raise AssertionError("it is still away")


def asked_by(gateway, orders):
    refs = {sms.ref for sms in gateway.sent}
    return {order.id for order in orders if f"{order.id}.confirmation.1" in refs}


def test_two_seconds_after_a_gateway_is_away_the_next_of_the_list_has_its_sms_and_gives_them_back(listed):
    refused = away(listed)
    orders = crowd(listed, 30)
    spare = listed.gateways["spare"]
    seconds(listed, 2)
    assert len(asked_by(spare, orders)) >= len(orders) - 1, "all but one that tries the first"
    until_asked(listed, orders + refused)
    answers_again(listed)
    before, back = len(spare.sent), crowd(listed, 30, "1380015")
    until_asked(listed, back)
    assert len(spare.sent) == before


def test_the_longer_a_gateway_is_away_the_fewer_sms_try_it_while_another_one_has_them(listed):
    with_lists(listed, **dict.fromkeys(CARRIERS, ("test", "spare")))
    away(listed)
    asked, tried = len(listed.gateway.sent), []
    for n in range(120):
        listed.place(f"+861390013{n:04}")
        seconds(listed, 30, step=30)
        tried.append(len(listed.gateway.sent) - asked)
    assert (tried[2], 10 < tried[-1] < 20, tried[-1] - tried[79]) == (3, True, 2)


def test_an_sms_that_a_gateway_was_tried_with_while_it_was_away_has_the_next_one(listed):
    away(listed)
    seconds(listed, 60, step=30)
    for n in range(5):
        [order] = crowd(listed, 1, f"13800{40 + n}")
        seconds(listed, 60, step=30)  # more than the time between two tries, each time
        assert listed.state(order) == "awaiting_reply"
    assert len(asked_by(listed.gateway, [order])) == 1


def test_what_is_in_doubt_waits_for_its_gateway_and_goes_nowhere_else(listed):
    doubtful = away(listed, Uncertain("no_answer:"))
    fresh = crowd(listed, 3)
    seconds(listed, 5)
    seconds(listed, HOLD_S * 2, step=20)
    spare = listed.gateways["spare"]
    assert not asked_by(spare, doubtful)
    assert len(asked_by(spare, fresh)) >= 2
    listed.gateway.answers.clear()
    seconds(listed, HOLD_S * 2, step=5)
    parked = [each for each in doubtful if listed.engine.show(each.id).question]
    assert {listed.state(each) for each in doubtful if each not in parked} <= {"awaiting_reply"}
    assert not asked_by(spare, doubtful)


@pytest.mark.parametrize("rate", [0, 4])
def test_what_the_spare_left_in_doubt_is_its_own_though_the_first_is_back_and_its_rate_counts_it(listed, rate):
    listed.rates = {"spare": rate}
    listed.engine = listed.another()
    away(listed)
    spare = listed.gateways["spare"]
    spare.answers = [Uncertain("no_answer:")] * 8
    orders = crowd(listed, 8)
    seconds(listed, 6, step=0.25)
    doubtful = [each for each in orders if each.id in asked_by(spare, orders)]
    assert len(doubtful) >= 6
    listed.gateway.sent.clear()  # while it was away it was tried with some, and took none
    answers_again(listed)
    seconds(listed, 30, step=0.25 if rate else 1)
    listed.clock.forward(seconds=HOLD_S)
    before = [len(spare.sent)]
    for _ in range(60):  # what finds the rate used up is looked at again five seconds later
        seconds(listed, 1, step=0.25)
        before.append(len(spare.sent))
    assert {listed.state(each) for each in orders} == {"awaiting_reply"}
    assert not asked_by(listed.gateway, doubtful)
    most = max(after - so_far for so_far, after in pairwise(before))
    assert most <= rate if rate else most >= len(doubtful)


def test_a_call_whose_worker_was_killed_is_in_doubt_at_its_gateway(listed):
    orders = crowd(listed, 3)
    [leased] = listed.engine.lanes.lease_each({listed.engine.outside.route("mobile"): 9}).values()
    assert len(leased) == 3
    listed.engine = listed.another()
    away(listed)
    seconds(listed, 60 + HOLD_S * 2, step=20)
    assert not asked_by(listed.gateways["spare"], orders)
    assert {listed.engine.show(each.id).question.gateway for each in orders} == {"test"}


def test_a_gateway_that_is_paused_is_passed_over_and_keeps_its_doubts_until_it_goes_on(listed):
    listed.gateway.answers = [Uncertain("no_answer:")]
    [doubtful] = crowd(listed, 1, "1380099")
    seconds(listed)
    listed.engine.pauses.pause(Endpoint(GATEWAY, "test"), "ops", "its operator works on it")
    orders = crowd(listed, 3)
    seconds(listed, 2)
    assert asked_by(listed.gateways["spare"], orders) == {each.id for each in orders}
    listed.engine.pauses.pause(Endpoint(GATEWAY, "spare"), "ops", "this one too")
    [stays] = crowd(listed, 1, "1380014")
    seconds(listed, HOLD_S * 2, step=20)
    assert (listed.state(stays), listed.engine.depths()[Lane.SMS].due) == ("agreed", 0)
    listed.engine.pauses.resume(Endpoint(GATEWAY, "test"), "ops", "it is done")
    seconds(listed, 10)
    assert {listed.state(doubtful), listed.state(stays)} == {"awaiting_reply"}
    assert not asked_by(listed.gateways["spare"], [doubtful, stays])


def test_what_is_in_doubt_at_a_gateway_that_only_other_carriers_have_by_now_is_asked_again_there(listed):
    listed.gateway.answers = [Uncertain("no_answer:")]
    [order] = crowd(listed, 1)
    seconds(listed)
    with_lists(listed, mobile=("spare",))  # the others' is still "test"
    seconds(listed, HOLD_S + 10, step=10)
    assert (listed.state(order), len(asked_by(listed.gateways["spare"], [order]))) == ("awaiting_reply", 0)


def test_what_is_in_doubt_at_a_gateway_that_nobody_has_any_more_goes_to_the_next(listed):
    listed.gateway.answers = [Uncertain("no_answer:")]
    [order] = crowd(listed, 1)
    seconds(listed)
    with_lists(listed, **dict.fromkeys(CARRIERS, ("spare",)))
    seconds(listed, HOLD_S + 10, step=10)
    assert listed.state(order) == "awaiting_reply"
    assert asked_by(listed.gateways["spare"], [order])


@pytest.mark.parametrize("late", [Delivery.FAILED, Delivery.DELIVERED])
def test_reports_of_a_gateway_that_is_gone_under_the_id_that_the_next_one_gave_are_of_another_attempt(listed, late):
    listed.gateway.answers = [Uncertain("no_answer:")]
    [order] = crowd(listed, 1)
    seconds(listed)
    with_lists(listed, **dict.fromkeys(CARRIERS, ("spare",)))
    seconds(listed, HOLD_S + 10, step=10)
    ref = f"{order.id}.confirmation.1"
    for name, status in (("test", late), ("test", late), ("spare", Delivery.FAILED)):
        listed.engine.receive([DeliveryReport(name, ref, "m1", status)])
        listed.run(Lane.INBOUND, Lane.TIMER)
        seconds(listed, 3)
    assert listed.state(order) == "awaiting_reply", "one of two may be on the handset, or both were one"
    listed.engine.receive([DeliveryReport("spare", ref, "m2", Delivery.FAILED)])
    listed.run(Lane.INBOUND, Lane.TIMER)
    assert listed.state(order) == ("undeliverable" if late is Delivery.FAILED else "awaiting_reply")


@pytest.fixture
def cells():
    made = Celled(a_store(), 3)
    yield made
    made.runner.close()


def test_every_cell_passes_a_gateway_over_that_is_paused_or_of_which_another_cells_calls_say_that_it_is_away(cells):
    cells.gateways = {"spare": FakeGateway("spare")}
    with_lists(cells, mobile=("test", "spare"))
    spare = cells.gateways["spare"]
    cells.engine.pauses.pause(Endpoint(GATEWAY, "test"), "ops", "its operator works on it")
    orders = crowd(cells, 12)
    assert len({cells.engine.records.part(each.id) for each in orders}) == 3
    seconds(cells, 3)
    assert (len(asked_by(spare, orders)), cells.gateway.sent) == (12, [])
    cells.engine.pauses.resume(Endpoint(GATEWAY, "test"), "ops", "it is done")
    cells.gateway.answers = [Unavailable("connection refused")] * 1_000
    numbers = [f"+8613800{n:06}" for n in range(60)]
    part_of = {each: cells.engine.records.part(cells.engine.line(Msisdn(each)).id) for each in numbers}
    for number in [each for each in numbers if part_of[each] == 2][:3]:
        cells.place(number)
    seconds(cells, 6)
    others = [cells.place(each) for each in numbers if part_of[each] < 2]
    seconds(cells, 2)
    assert len(asked_by(spare, others)) >= len(others) - 3, "all but one of each cell that tries the first"


@pytest.mark.parametrize("text", ["是", "TD", "否", "好像不要", "什么"])
def test_a_reply_that_two_gateways_of_a_carrier_post_under_ids_of_their_own_does_nothing_twice(listed, text):
    order = listed.place()
    listed.run(Lane.SMS)
    listed.clock.forward(seconds=20)
    asked = len(listed.gateway.sent)
    for name in ("test", "spare"):
        listed.engine.receive([Reply(name, f"of-{name}", Msisdn(NUMBER), "10085", text)])
        listed.run()
    said = [
        event
        for event in listed.engine.show(order.id).events
        if event.trigger in {Trigger.SAID_YES, Trigger.SAID_NO, Trigger.OPTED_OUT}
    ]
    assert (len(listed.gateway.sent) - asked, len(listed.bss.asked), len(said)) == (
        1,
        text == "是",
        text in {"是", "否", "TD"},
    )


class Moody(FakeGateway):
    """A gateway that is up, refuses, or hangs, as drawn; it knows a ref again, and the handsets that it reached."""

    def __init__(self, name, draw):
        super().__init__(name)
        self.draw, self.mood, self.reached = draw, "up", set()

    async def send(self, sms):
        if self.mood == "refuses":
            return Unavailable("gateway:503")
        if self.draw.random() < (0.9 if self.mood == "up" else 0.5):
            self.reached.add(sms.ref)
        if self.mood == "hangs" or sms.ref not in self.reached or self.draw.random() < 0.1:
            return Uncertain("no_answer:")
        return Accepted(f"{self.name}-{len(self.reached)}")


def killed_in_a_call(engine, moody):
    """A worker leases, some of its calls arrive, and it is killed."""
    engine.performer.gate.look()
    routes = engine.outside.routed(engine.performer.gate.passed_over)
    for each in chain(*engine.lanes.lease_each(dict.fromkeys(routes, 2)).values()):
        gateway = moody[each.work.gateway]
        if not each.lost and gateway.mood != "refuses" and gateway.draw.random() < 0.5:
            gateway.reached.add(f"{each.record.id}.{each.effect.removeprefix('sms.')}")


def some_happens(world, draw, moody):
    """Gateways come and go; strangers are answered, by SMS of their lines; workers are killed in a call, and restarted
    with another list of the carrier, while others have all its gateways.
    """
    for gateway in moody.values():
        if draw.random() < 0.1:
            gateway.mood = draw.choice(["up", "refuses", "hangs"])
    if draw.random() < 0.5:
        world.say(draw.choice(["TD", "帮助"]), f"+861390{world.keys:07}")
        world.run(Lane.INBOUND)
    if draw.random() < 0.1:
        killed_in_a_call(world.engine, moody)
    if draw.random() < 0.1:
        world.lists = {"unicom": tuple(moody), "mobile": tuple(draw.sample(tuple(moody), 2))}
        world.engine = world.another()


def played(world, draw, count):
    """Have questions asked by two processes whatever happens; return the orders and the gateways."""
    moody = {name: Moody(name, draw) for name in ("test", "spare", "third")}
    world.gateway, world.gateways = moody["test"], {name: each for name, each in moody.items() if name != "test"}
    with_lists(world, unicom=tuple(moody), mobile=tuple(moody))
    first, placed = world.engine, []
    while len(placed) < count or world.due()[Lane.SMS]:
        some_happens(world, draw, moody)
        for _ in range(draw.randint(0, 4) if len(placed) < count else 0):
            placed.append(world.place(f"+861380{len(placed):07}"))
        seconds(world, engine=draw.choice([first, world.engine]))
    for gateway in moody.values():
        gateway.mood = "up"
    for _ in range(8):
        seconds(world, 300, step=20)
    return placed, moody.values()


def test_nobody_is_asked_by_two_gateways_whatever_happens(world):
    orders, moody = played(world, Random(37), 100)  # noqa: S311
    asked = Counter(ref for gateway in moody for ref in gateway.reached)
    assert (max(asked.values()), all(gateway.reached for gateway in moody)) == (1, True)
    parked = {each.id for each in world.engine.stuck()}
    assert {world.state(order) for order in orders if order.id not in parked} <= {"awaiting_reply", "expired"}
