"""Random sets of outside facts, each told in ten orders: the same line, the same judgement of each call and order."""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, get_args

import pytest

from consent_engine.api.schemas.forms import Reported, read
from consent_engine.domain.admission.call_request import CallStart, StartCall
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.permit import Dialling, Tokens
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.line.line import line_id
from consent_engine.domain.line.restriction import OF_ORDERS
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.errors import Refused
from consent_engine.ports import CallFilter
from tests.conftest import NUMBER, SENDERS, START, World
from tests.integration.calls.desk import instant
from tests.memory import a_store, given_back

A_MINUTE = 60_000
PLANS = ("5g-smart-199", "data-pack-10gb", "fibre-duo-129")
ORDERS = 10
SECRET = "test-secret"
REPORTED = [LineEvent(each) for each in get_args(Reported)]


class Happens(NamedTuple):
    """An event of the number."""

    event: LineEvent
    at: Millis
    carrier: str


class Calls(NamedTuple):
    """A call to the number. permitted: when its permit was given; 0: it has none"""

    n: int
    at: Millis
    carrier: str
    permitted: Millis


class Orders(NamedTuple):
    """An order whose body describes a call."""

    n: int
    at: Millis
    plan: str


Told = Happens | Calls | Orders


def drawn(seed: int, noon: Millis) -> list[Told]:
    """Return a set of facts. Their instants are few, so that many coincide."""
    rng = random.Random(seed)  # noqa: S311 - a seed is printed, nothing is kept secret
    at = [noon - n * A_MINUTE for n in rng.sample(range(60), 8)]
    carriers = ("", "mobile", "telecom")
    events = {Happens(rng.choice(REPORTED), rng.choice(at), rng.choice(carriers)) for _ in range(rng.randrange(6))}
    calls = [
        Calls(n, when, rng.choice(carriers[1:]), rng.choice((0, when - 3 * A_MINUTE)))
        for n, when in enumerate(rng.choices(at, k=rng.randrange(6)))
    ]
    orders = [Orders(n, rng.choice(at), plan) for n, plan in enumerate(rng.sample(PLANS, rng.randrange(1, 4)))]
    return [*sorted(events), *calls, *orders]


def tell(world: World, fact: Told) -> None:
    """Tell the engine; an order that is refused now may be told again."""
    engine = world.engine
    if isinstance(fact, Happens):
        engine.line_event(LineEventAsked(NUMBER, fact.event, fact.at, "ops", fact.carrier))
    elif isinstance(fact, Calls):
        body = {
            "from": SENDERS[fact.carrier], "to": NUMBER, "carrier": fact.carrier, "agent": "A1",
            "started_at": instant(fact.at),
        }  # fmt: skip
        if fact.permitted:
            about = Dialling.at(fact.permitted, fact.carrier, None, world.policy, 15 * A_MINUTE)
            body["permit"] = Tokens(SECRET, "0" * 16, about).of(line_id(SECRET, NUMBER))
        engine.calls.record(CallStart("desk", f"call-{fact.n}", read(StartCall, body)))
    else:
        told = {
            "caller_number": SENDERS[engine.plan(fact.plan).plan.carrier], "recording_id": f"rec-{fact.n}",
            "started_at": instant(fact.at), "agreed_at": instant(fact.at + 1_000),
        }  # fmt: skip
        form = PlaceOrder.read({"msisdn": NUMBER, "plan": fact.plan, "agent": "A1", "call": told})
        with suppress(Refused):
            engine.place(Placing("desk", f"order-{fact.n}", form))


def judged(world: World) -> dict[str, object]:
    """Return what the line says, and the judgement of each call."""
    line = world.engine.line(NUMBER)
    calls = world.engine.calls.page(CallFilter(), limit=100).calls
    return {
        "restrictions": sorted((each.name, each.since) for each in line.restrictions if each.kind not in OF_ORDERS),
        "holder": [line.holder_since(carrier) for carrier in SENDERS],
        "dial": [world.engine.dial(NUMBER, carrier) for carrier in SENDERS],
        "calls": sorted((each.began.started_at, each.id, each.violations) for each in calls),
    }


def answered(world: World) -> dict[str, object]:
    """Have each open order asked and agreed to; return the plans that were switched on, and that still may be."""
    world.run()
    world.clock.forward(seconds=60)
    found = {order.doc.plan: order for order in world.engine.orders_of(NUMBER).orders}
    for order in found.values():
        if not order.state.settled:
            world.say(f"是{order.doc.code}", to=SENDERS[order.doc.carrier])
    world.run()
    states = {plan: world.state(order) for plan, order in found.items()}
    return {
        "on": sorted(each.plan for each in world.bss.asked),
        "waits": sorted(plan for plan, state in states.items() if state not in {"cancelled", "notified"}),
    }


def outcome(facts: Sequence[Told], *, busy: bool) -> tuple[dict[str, object], dict[str, object]]:
    """Tell the facts, and what was refused once more. busy: workers run in between, and an order that falls stays so"""
    with given_back():
        world = World(a_store())
        world.clock.forward(hours=12)
        for fact in facts:
            tell(world, fact)
            if busy:
                world.run()
        orders = [fact for fact in facts if isinstance(fact, Orders)]
        for fact in sorted(orders):
            tell(world, fact)
        said = judged(world)
        done = answered(world)
        world.runner.close()
        world.engine.store.queries.close()
        return said, done


def differences(seed: int) -> list[str]:
    """Return the orders of telling in which a set of facts means something else."""
    facts = drawn(seed, START + 11 * 60 * A_MINUTE)
    rng = random.Random(-seed)  # noqa: S311 - as above
    first = outcome(facts, busy=False)
    wrong = []
    for n in range(1, ORDERS):
        other = [*reversed(facts)] if n == 1 else rng.sample(facts, len(facts))
        busy = n % 3 == 0
        said, done = outcome(other, busy=busy)
        if said != first[0] or (done != first[1] and not busy):
            wrong.append(f"seed {seed}, order {n}: {other}\n  {first}\n  {said, done}")
        if busy and not {*done["on"]} <= {*first[1]["on"]}:
            wrong.append(f"seed {seed}, order {n}: more is switched on")
    return wrong


def test_a_set_of_facts_means_the_same_in_whatever_order_it_is_told():
    assert [each for seed in range(8) for each in differences(seed)] == []


@pytest.mark.parametrize("first", range(8, 1_008, 100))
def test_a_thousand_sets_in_any_order(first):
    assert [each for seed in range(first, first + 100) for each in differences(seed)] == []
