"""The day of an agent in figures: what a supervisor watches, and what agents see of their own."""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from consent_engine.domain.call.call import CallOutcome, CallState
from consent_engine.domain.call.sales_figures import WRONG, Counted, Counts, SalesOutcomes, Sold


class Workday(Struct, frozen=True):
    """One agent's day so far. in_call: calls that are up · permits: calls that named a permit of this engine · refused:
    calls and orders whose subscriber wants no more calls · held: numbers that wait until a person reads their reply ·
    failed: calls, also of earlier days, that failed their review for good today · wrong_rate: the share of WRONG
    """

    agent: str
    in_call: int
    calls: int
    permits: int
    placed: int
    confirmed: int
    refused: int
    held: int
    failed: int
    wrong_rate: float
    presses: bool


def workday(
    agent: str, calls: Iterable[Counted], sold: Iterable[Mapping[Sold, int]], held: int, failed: int
) -> Workday:
    """Sum up one day."""
    orders = Counter[Sold]()
    for each in sold:
        orders.update(each)
    figures = Counter[str]()
    for alike in calls:
        figures.update(dict.fromkeys(_figures(alike), alike.count))
    outcomes = SalesOutcomes(agent, orders)
    return Workday(
        agent=agent,
        in_call=figures["in_call"],
        calls=figures["calls"],
        permits=figures["permits"],
        placed=orders[Sold.PLACED],
        confirmed=orders[Sold.CONFIRMED],
        refused=figures["refused"] + orders[Sold.REFUSED],
        held=held,
        failed=failed,
        wrong_rate=round(outcomes.share(*WRONG), 4),
        presses=outcomes.presses,
    )


def _figures(alike: Counted) -> Iterable[str]:
    said = {
        "calls": True,
        "in_call": alike.state is CallState.UP,
        "permits": alike.permitted,
        "refused": alike.outcome is CallOutcome.REFUSED,
    }
    return (name for name, is_so in said.items() if is_so)


def workdays(
    calls: Iterable[Counted], sold: Counts, held: Mapping[str, int], failed: Mapping[str, int]
) -> list[Workday]:
    """Sum up the day of every agent: those who seem to press come first, then by their numbers."""
    called: dict[str, list[Counted]] = {}
    for alike in calls:
        called.setdefault(alike.agent, []).append(alike)
    orders: dict[str, list[Mapping[Sold, int]]] = {}
    for (_, agent), counts in sold.items():
        orders.setdefault(agent, []).append(counts)
    days = [
        workday(agent, called.get(agent, ()), orders.get(agent, ()), held.get(agent, 0), failed.get(agent, 0))
        for agent in {*called, *orders, *held, *failed}
    ]
    return sorted(days, key=lambda each: (not each.presses, each.agent))
