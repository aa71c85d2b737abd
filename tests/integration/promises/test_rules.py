"""The rules that judge failovers, moves, races and damages find the faults they are there for."""

import pytest

from benchmarks.promises.rules import UNDER_WAY_S, Notes
from consent_engine.engine.receive import RefusalAsked
from tests.conftest import NUMBER, OTHER


def hollow(world, key):
    """Leave what a repeat wrote in a failover: an order's effects, and no order."""
    world.client.hdel(key, *(name for name in world.client.hkeys(key) if not name.startswith("f:")))


def changed(world, key):
    world.client.hset(key, "head", "0" * 64)


def gone(world, key):
    world.client.delete(key)


@pytest.mark.parametrize(
    ("done", "rule"),
    [(hollow, "orders that are not whole"), (changed, "orders that are not whole"), (gone, "orders lost")],
)
def test_an_order_that_is_hollow_changed_or_gone_breaks_a_rule(world, done, rule):
    order, other = world.place(), world.place(msisdn=OTHER)
    notes = Notes(orders={order.id: NUMBER, other.id: OTHER})
    assert notes.broken(world.engine) == {}
    done(world, f"ce:{{0}}:order:{order.id}")
    assert notes.broken(world.engine) == {rule: 1}


def test_a_refusal_that_is_gone_a_call_after_a_stop_and_another_order_for_a_repeat_break_a_rule(world):
    order = world.place()
    world.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "desk"))
    notes = Notes(orders={order.id: NUMBER}, refused={NUMBER: 1.0, OTHER: 1.0}, stops={NUMBER: 10.0})
    notes.called[order.id] = 10.0 + UNDER_WAY_S
    assert notes.broken(world.engine) == {"refusals lost": 1}
    notes.called[order.id] += 0.1
    notes.repeats["another"] = 2
    assert notes.broken(world.engine) == {
        "refusals lost": 1, "called after a STOP": 1, "repeats that were another order": 2,
    }  # fmt: skip
