"""A gateway that hangs holds its own places: what is due at the others is leased and handed over all the same."""

import asyncio
from random import Random

import pytest

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Lane, Throttled, Unavailable
from consent_engine.engine.metrics import AWAY_AFTER_MS, gateways_away
from consent_engine.ports import Route
from tests.conftest import FakeGateway
from tests.waiting import HANGS_S

FIBRE = "fibre-duo-129"
"""A plan of telecom."""
PLACES = 64
LOOKED_AT = [Lane.INBOUND, Lane.ACTIVATION, Lane.SMS]


@pytest.fixture
def apart(world):
    """Mobile has a gateway of its own, which hangs; the other two share one."""
    world.gateways["mobile"] = FakeGateway("mobile")
    world.engine = world.another()
    loop, began = world.runner.get_loop(), world.clock()
    time = loop.time
    loop.time = lambda: time() + (world.clock() - began) / 1000  # timers go by the clock that a test sets
    return world


def crowd(world, count, prefix="1380013"):
    """Place so many orders of mobile, whose questions are due before any other's."""
    orders = [world.place(f"+86{prefix}{n:04}") for n in range(count)]
    world.clock.forward(1)
    return orders


def hanging(world, story):
    """Run a story while mobile's gateway answers nothing; then let it answer, and its calls land."""

    async def told():
        world.gateways["mobile"].hold = held = asyncio.Event()
        try:
            return await story(world.engine.performer)
        finally:
            held.set()
            world.gateways["mobile"].hold = None
            await world.engine.performer.land(5)

    return world.runner.run(told())


def test_what_is_due_behind_a_gateway_that_hangs_is_handed_over_in_the_same_slice(apart):
    crowd(apart, PLACES + 6)
    others = [apart.place(f"+861390013{n:04}", FIBRE) for n in range(3)]

    async def story(performer):
        tally = await performer.perform(Lane.SMS, 60)
        assert tally.done == len(others)
        assert not tally.left, "a job does not stay for the sake of a gateway that hangs"
        return len(apart.gateways["mobile"].sent), len(apart.gateway.sent)

    assert hanging(apart, story) == (PLACES, 3)
    assert apart.due()[Lane.SMS] == 6
    assert [apart.state(each) for each in others] == ["awaiting_reply"] * 3


def test_places_that_become_free_are_filled_again_by_a_wake_up(apart):
    orders = crowd(apart, PLACES + 6)

    async def story(performer):
        await performer.perform(Lane.SMS, 60)
        apart.queue.woken.clear()

    hanging(apart, story)
    assert set(apart.queue.woken) == {Lane.SMS}
    apart.run(Lane.SMS)
    assert {apart.state(each) for each in orders} == {"awaiting_reply"}
    assert len(apart.gateways["mobile"].sent) == len({sms.ref for sms in apart.gateways["mobile"].sent}) == len(orders)


def test_who_looks_again_finds_what_comes_for_the_others_and_has_more_done_elsewhere(apart):
    crowd(apart, PLACES + 6)

    async def story(performer):
        performer.awake = frozenset(LOOKED_AT)
        found = [performer.look(LOOKED_AT), performer.look(LOOKED_AT)]
        assert performer.full(LOOKED_AT) == [Lane.SMS], "another process may have places"
        apart.place("+8613900130000", FIBRE)
        return [*found, performer.look(LOOKED_AT)]

    assert hanging(apart, story) == [PLACES, 0, 1]


def test_a_notification_begins_with_its_commit_where_its_own_gateway_has_a_place(apart):
    """Both say yes while mobile's gateway is full: only the other's notification is leased with its activation."""
    said = {"+8613800139999": "5g-smart-199", "+8613900139999": FIBRE}
    orders = [apart.place(number, plan) for number, plan in said.items()]
    apart.run()
    apart.clock.forward(seconds=1)
    for number in said:
        apart.say("是", number, CARRIERS["mobile" if number.startswith("+86138") else "telecom"].outbound)
    crowd(apart, PLACES + 1)

    async def story(performer):
        performer.awake = frozenset(LOOKED_AT)
        performer.look([Lane.SMS])
        await performer.perform(Lane.INBOUND, 5)
        async with asyncio.timeout(HANGS_S):
            while apart.state(orders[1]) != "notified":
                await asyncio.sleep(0.005)
        return apart.state(orders[0])

    assert hanging(apart, story) == "activated"


def slices(world, seconds=1, *, told=True):
    """Let so many seconds pass in which slices are performed all the time. told: each second is reported"""

    async def some():
        for _ in range(seconds):
            world.clock.forward(seconds=1)
            await asyncio.sleep(0.001)  # what waited for this second begins
            for _ in range(5):
                await world.engine.performer.perform(Lane.SMS, 5)
            if told:
                world.engine.performer.measures.report(world.engine.registry)

    world.runner.run(some())


def test_a_gateway_that_is_away_is_tried_by_a_call_in_five_seconds_until_it_answers(apart):
    mobile, registry = apart.gateways["mobile"], apart.engine.registry
    mobile.answers = [Unavailable("connection refused")] * 100
    crowd(apart, 3)
    slices(apart, 1 + AWAY_AFTER_MS // 1000 * 2)
    assert [*gateways_away(registry, apart.engine.outside)] == ["mobile"]
    late = crowd(apart, 40, "1380014")
    slices(apart, 1)
    asked = len(mobile.sent)
    slices(apart, 20)
    assert len(mobile.sent) - asked in {3, 4}
    apart.clock.forward(seconds=60)
    assert apart.engine.depths()[Lane.SMS].late == 0, "no worker more would help"
    other = apart.place("+8613900130000", FIBRE)
    slices(apart, 1)
    assert apart.state(other) == "awaiting_reply"
    mobile.answers.clear()
    slices(apart, 7)
    assert {apart.state(each) for each in late} == {"awaiting_reply"}


def test_what_waited_for_a_gateway_that_was_away_is_late_from_its_first_answer_on(apart):
    """An outage of an hour is followed by no alarm for more workers, and by no order that is turned away."""
    mobile = apart.gateways["mobile"]
    mobile.answers = [Unavailable("connection refused")] * 100
    crowd(apart, 3)
    slices(apart, 1 + AWAY_AFTER_MS // 1000 * 2)
    crowd(apart, PLACES, "1380014")
    for _ in range(6):
        apart.clock.forward(seconds=600)
        slices(apart)
    mobile.answers.clear()
    slices(apart, 6)  # one of them is tried
    waiting = apart.engine.lanes.depths_of_all()["mobile"]
    assert waiting.due > PLACES // 2
    assert waiting.late > 3_000_000
    assert apart.engine.depths()[Lane.SMS].late < 1_000
    apart.clock.forward(seconds=60)
    assert 60_000 <= apart.engine.depths()[Lane.SMS].late < 61_000, "by now workers are missing"


def test_a_gateway_that_hangs_is_held_back_by_all_before_a_call_is_over_and_then_gets_one_in_five_seconds(apart):
    engines, sent, orders = [apart.engine, apart.another()], apart.gateways["mobile"].sent, []
    begun = []

    async def seconds(count):
        for _ in range(count):
            orders.extend(crowd(apart, 1, f"13801{len(orders):02}"))
            apart.clock.forward(seconds=1)
            await asyncio.sleep(0.001)
            for engine in engines:
                await engine.performer.perform(Lane.SMS, 5)
            for engine in engines:
                engine.performer.measures.report(engine.registry)
            begun.append(len(sent))

    async def story(_):
        await seconds(40)

    hanging(apart, story)
    assert begun[:3] == [1, 2, 3]
    assert begun[9] <= 6
    assert begun[39] - begun[9] in {5, 6}, "one in five seconds, of both"
    apart.runner.run(seconds(6))
    assert {apart.state(each) for each in orders} == {"awaiting_reply"}
    assert len({sms.ref for sms in sent}) == len(sent) == len(orders)


def test_too_many_as_the_answer_of_one_that_was_away_halves_its_rate_once_it_is_back(apart):
    apart.rates = {"mobile": 100}
    apart.engine = apart.another()
    mobile, route = apart.gateways["mobile"], apart.engine.outside.route("mobile")
    mobile.answers = [Unavailable("connection refused")] * 100
    crowd(apart, 3)
    slices(apart, 1 + AWAY_AFTER_MS // 1000 * 2)
    crowd(apart, 9, "1380014")
    mobile.answers = [Throttled("gateway:429")]
    slices(apart, 12, told=False)  # another try begins before it is known to be back
    assert not mobile.answers
    slices(apart, 6)  # a try may just have begun: the next lease is five seconds later
    assert apart.engine.lanes.rates([route]) == {route: 50}


def test_no_commit_begins_a_call_to_a_gateway_that_is_away(apart):
    mobile, order = apart.gateways["mobile"], apart.place()
    slices(apart)
    assert apart.state(order) == "awaiting_reply"
    mobile.answers = [Unavailable("503", 600_000)] * 5
    for n in range(5):
        crowd(apart, 1, f"13801{n:02}")
        slices(apart)
    slices(apart, 6)  # nothing is due there, and a call could go
    assert not mobile.answers
    assert [*gateways_away(apart.engine.registry, apart.engine.outside)] == ["mobile"]
    apart.say("是")
    apart.engine.performer.awake = frozenset(LOOKED_AT)
    sent = len(mobile.sent)

    async def reads():
        await apart.engine.performer.perform(Lane.INBOUND, 5)
        await apart.engine.performer.land(5)

    apart.runner.run(reads())
    assert (apart.state(order), len(mobile.sent)) == ("activated", sent)


def test_what_waits_for_a_gateway_goes_to_another_once_the_operator_says_so(apart):
    orders = crowd(apart, 3)
    del apart.gateways["mobile"]
    apart.engine = apart.another()  # with other settings
    apart.run(Lane.SMS)
    assert {apart.state(each) for each in orders} == {"awaiting_reply"}
    assert len(apart.gateway.sent) == 3


def test_a_gateway_of_several_carriers_gets_the_oldest_first_and_no_more_than_asked(world):
    draw, lanes = Random(37), world.engine.store.lanes  # noqa: S311
    plans = {"mobile": "5g-smart-199", "telecom": FIBRE, "unicom": "5g-wo-159"}
    placed = {}
    for n in range(24):
        carrier = draw.choice(list(plans))
        placed[world.place(f"+861380013{n:04}", plans[carrier]).id] = carrier
        world.clock.forward(draw.randint(0, 2))
    dues = {
        each: world.client.zscore(Cell().due[carrier], f"o:{each}:sms.confirmation.1")
        for each, carrier in placed.items()
    }
    for carriers in (("telecom",), ("telecom", "unicom"), tuple(plans)):
        route = Route("any", carriers)
        wanted = sorted(dues[each] for each in placed if placed[each] in carriers)[:5]
        leased = lanes.lease_each({route: 5})[route]
        assert [dues[each.record.id] for each in leased] == wanted
        for each in leased:
            assert placed.pop(each.record.id) in carriers
