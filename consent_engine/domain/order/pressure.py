"""Pressure selling in figures: how a day's orders went, by agent and plan, counted as it happens."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.lifecycle import ASKED, State, Trigger
from consent_engine.domain.order.order import Order


class Sold(StrEnum):
    """A figure counted of orders, by the day they were placed on (China's)."""

    PLACED = "placed"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    REFUSED = "refused"
    """The subscriber wants no more calls."""
    SUSPECT = "suspect"
    """A yes that no person can have written."""
    REVIEW_FAILED = "review_failed"
    """Cancelled because the review of its call failed."""
    ENDED_SOON = "ended_soon"
    """Switched on, and taken back within a week; counted on the day it was switched on: `domain/call/ended_soon.py`"""


WRONG = (Sold.REFUSED, Sold.SUSPECT, Sold.REVIEW_FAILED, Sold.ENDED_SOON)
"""Outcomes that an order should not have if the subscriber wanted it."""

ENOUGH = 30
"""The number of orders from which a share says something about an agent."""
MUCH = 0.2
"""The share of orders that ended in a refusal, a suspect yes, a failed review or within a week, above which an agent
seems to press."""


def sold_of(order: Order, before: State | None) -> list[str]:
    """Return the fields to count up by one when an order moves on from the state `before`."""
    return [f"{what}|{order.doc.plan}|{order.doc.agent}" for what in _told(order, before)]


def _told(order: Order, before: State | None) -> Iterator[Sold]:
    state = order.state
    if before is None:
        yield Sold.PLACED
        return
    if state is before:
        return
    if before in ASKED and _was_suspect(order):
        yield Sold.SUSPECT
    if state is State.CONFIRMED:
        yield Sold.CONFIRMED
    elif state is State.DECLINED:
        yield Sold.REFUSED if order.last(Trigger.OPTED_OUT) else Sold.DECLINED
    elif state is State.CANCELLED and _failed_review(order):
        yield Sold.REVIEW_FAILED


def _was_suspect(order: Order) -> bool:
    yes = order.last(Trigger.SAID_YES)
    return order.last(Trigger.REPLIED_SUSPECT) is not None or getattr(yes and yes.detail, "seen", None) is not None


def _failed_review(order: Order) -> bool:
    event = order.last(Trigger.CANCELLED)
    return event is not None and getattr(event.detail, "reason", "") == "review_failed"


class Pressure(Struct, frozen=True):
    """The orders of one agent, or for one plan: how many, and how they went."""

    key: str
    counts: Mapping[Sold, int]

    def share(self, *what: Sold) -> float:
        """Return the share of the placed orders that went in one of these ways."""
        placed = self.counts.get(Sold.PLACED, 0)
        return sum(self.counts.get(each, 0) for each in what) / placed if placed else 0.0

    @property
    def presses(self) -> bool:
        """Whether so many of them went wrong that a person should listen to the calls."""
        return _presses(self.counts.get(Sold.PLACED, 0), sum(self.counts.get(each, 0) for each in WRONG))


def _presses(placed: int, wrong: int) -> bool:
    return placed >= ENOUGH and wrong > MUCH * placed


Told = tuple[int, int]
"""The orders of one agent: how many, and how many of them went wrong."""


def told_by_agent(day: Mapping[str, int]) -> dict[str, Told]:
    """Return the part of a day's counts that `pressing` needs: two numbers an agent."""
    found: dict[str, list[int]] = {}
    places = {Sold.PLACED.value: 0, **{each.value: 1 for each in WRONG}}
    for name, count in day.items():
        what, _, agent = name.split("|", 2)
        if (place := places.get(what)) is not None:
            found.setdefault(agent, [0, 0])[place] += count
    return {agent: (placed, wrong) for agent, (placed, wrong) in found.items()}


def pressing(days: Iterable[Mapping[str, Told]]) -> int:
    """Count the agents that seem to press, over these days together."""
    sums: dict[str, Told] = {}
    for day in days:
        for agent, (placed, wrong) in day.items():
            before = sums.get(agent, (0, 0))
            sums[agent] = before[0] + placed, before[1] + wrong
    return sum(_presses(*told) for told in sums.values())


def pressures(kept: Iterable[Mapping[str, int]], by: str) -> list[Pressure]:
    """Sum the counts of some days by `agent` or `plan`; the highest share of wrong orders comes first."""
    counts: dict[str, Counter[Sold]] = {}
    for day in kept:
        for name, count in day.items():
            what, plan, agent = name.split("|", 2)
            if what in Sold:
                counts.setdefault(agent if by == "agent" else plan, Counter())[Sold(what)] += count
    found = [Pressure(key, dict(of)) for key, of in counts.items()]
    return sorted(found, key=lambda each: (-each.share(*WRONG), each.key))
