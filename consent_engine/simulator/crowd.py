"""The subscribers of a run: scripts dealt to numbers and plans, the same for the same seed."""

import random
from collections.abc import Mapping, Sequence

from consent_engine.simulator.case import Case, OrderRun
from consent_engine.simulator.scripts import Script
from consent_engine.simulator.subscribers import SCRIPTS

RANGE = "+8613800"
STEP = 7


def crowd(orders: int, seed: int, plans: Mapping[str, Sequence[str]]) -> list[Case]:
    """Make cases of `orders` orders in all, each script once before any is repeated. plans: carrier -> plan codes."""
    rng = random.Random(seed)  # noqa: S311 - dealing scripts, no secret
    dealt = _deal(orders, rng, plans)
    rng.shuffle(dealt)
    first = rng.randrange(1_000_000)
    return [_case(script, first + STEP * index, index, plans) for index, script in enumerate(dealt)]


def _deal(orders: int, rng: random.Random, plans: Mapping[str, Sequence[str]]) -> list[Script]:
    usable = [script for script in SCRIPTS if _carriers(script, plans)]
    dealt: list[Script] = []
    left = orders
    while left > 0:
        for script in rng.sample(usable, len(usable)):
            # The plain yes, one order, fills up the last round.
            chosen = script if len(script.orders) <= left else SCRIPTS[0]
            dealt.append(chosen)
            left -= len(chosen.orders)
            if left <= 0:
                break
    return dealt


def _carriers(script: Script, plans: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the carriers with enough plans for the orders that a script places with its first order's carrier."""
    needed = max(order.plan for order in script.orders) + 1
    others = max(order.carrier for order in script.orders)
    fit = [carrier for carrier, codes in plans.items() if len(codes) >= needed]
    return fit if len(plans) > others else []


def _case(script: Script, number: int, index: int, plans: Mapping[str, Sequence[str]]) -> Case:
    fit = _carriers(script, plans)
    home = fit[index % len(fit)]
    away = next((carrier for carrier in plans if carrier != home), home)
    runs = []
    for order in script.orders:
        carrier = away if order.carrier else home
        runs.append(OrderRun(order, plans[carrier][order.plan], carrier))
    return Case(script, f"{RANGE}{number % 1_000_000:06d}", runs)
