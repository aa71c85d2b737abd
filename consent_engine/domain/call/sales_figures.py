"""The figures of selling. Calls: how many began in a period, and how they ended. Pressure: how a day's orders went, by
agent and plan, counted as it happens.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.call.call import CallOutcome, CallState
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.lifecycle import ASKED, State, Trigger
from consent_engine.domain.order.order import Order


class Count(StrEnum):
    """The counts of calls."""

    CALLS = "calls"
    ENDED = "ended"
    ABANDONED = "abandoned"
    RECORDED = "recorded"
    UNRECORDED = "unrecorded"
    """Ended without a recording, though the call was answered."""
    REVIEWED = "reviewed"
    """Heard by a reviewer, with any verdict."""
    REVIEW_FAILED = "review_failed"
    """Failed for good."""
    WRONG = "wrong"
    """With at least one violation, even one that was taken back."""


class Counted(Struct, frozen=True):
    """How many calls stand alike. ever_violated: their violations, those that were taken back included · agent: '' for
    those of all agents, whose outcomes and permits are not told apart · permitted: each named a permit of ours
    """

    count: int
    carrier: str
    state: CallState
    verdict: Verdict | None
    ever_violated: frozenset[Violation]
    agent: str = ""
    outcome: CallOutcome | None = None
    permitted: bool = False

    @property
    def figures(self) -> Iterator[Count | Violation]:
        """All that each of these calls counts as, each figure once."""
        yield Count.CALLS
        if self.state is not CallState.UP:
            yield Count.ENDED if self.state is CallState.ENDED else Count.ABANDONED
        if self.verdict is not None:
            yield Count.RECORDED
            if self.verdict is not Verdict.PENDING:
                yield Count.REVIEWED
            if self.verdict is Verdict.FAILED:
                yield Count.REVIEW_FAILED
        if self.ever_violated:
            yield Count.WRONG
        if Violation.NO_RECORDING in self.ever_violated:
            yield Count.UNRECORDED
        yield from self.ever_violated


Summed = Counter[tuple[str, Count | Violation]]
"""The sums of a period, by carrier and figure."""


def summed(found: Iterable[Counted]) -> Summed:
    """Add up calls by carrier and figure."""
    sums = Summed()
    for each in found:
        for figure in each.figures:
            sums[each.carrier, figure] += each.count
    return sums


class Covered(Struct, frozen=True):
    """The calls of one day, agent or carrier: how many were recorded, heard by a reviewer, and failed for good."""

    key: str
    recorded: int
    reviewed: int
    failed: int


def covered(found: Iterable[tuple[str, Counted]]) -> list[Covered]:
    """Add up recorded calls by a key, the widest gap first."""
    sums: dict[str, Counter[Count | Violation]] = {}
    for key, each in found:
        sums.setdefault(key, Counter()).update(dict.fromkeys(each.figures, each.count))
    rows = (
        Covered(key, of[Count.RECORDED], of[Count.REVIEWED], of[Count.REVIEW_FAILED])
        for key, of in sums.items() if of[Count.RECORDED]
    )  # fmt: skip
    return sorted(rows, key=lambda each: (each.reviewed - each.recorded, each.key))


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
    """Switched on, and taken back within a week; counted on the day it was switched on: `Ending.is_soon`"""


WRONG = (Sold.REFUSED, Sold.SUSPECT, Sold.REVIEW_FAILED, Sold.ENDED_SOON)
"""Outcomes that an order should not have if the subscriber wanted it."""

ENOUGH = 30
"""The number of orders from which a share says something about an agent."""
MUCH = 0.2
"""The share of orders that ended in a refusal, a suspect yes, a failed review or within a week, above which an agent
seems to press."""


def outcomes_of(order: Order) -> list[Sold]:
    """Return the figures that an order counts in, by its history."""
    return [Sold.PLACED, *_outcomes(order)]


def _outcomes(order: Order) -> Iterator[Sold]:
    if order.state not in ASKED and _was_suspect(order):
        yield Sold.SUSPECT
    if order.last(Trigger.SAID_YES):
        yield Sold.CONFIRMED
    if order.state is State.DECLINED:
        yield Sold.REFUSED if order.last(Trigger.OPTED_OUT) else Sold.DECLINED
    elif order.state is State.CANCELLED and _failed_review(order):
        yield Sold.REVIEW_FAILED


def _was_suspect(order: Order) -> bool:
    yes = order.last(Trigger.SAID_YES)
    return order.last(Trigger.REPLIED_SUSPECT) is not None or getattr(yes and yes.detail, "seen", None) is not None


def _failed_review(order: Order) -> bool:
    event = order.last(Trigger.CANCELLED)
    return event is not None and getattr(event.detail, "reason", "") == "review_failed"


class SalesOutcomes(Struct, frozen=True):
    """The orders of one agent, or for one plan: how many, and how they went."""

    key: str
    counts: Mapping[Sold, int]

    def share(self, *outcomes: Sold) -> float:
        """Return the share of the placed orders that went in one of these ways."""
        placed = self.counts.get(Sold.PLACED, 0)
        return sum(self.counts.get(each, 0) for each in outcomes) / placed if placed else 0.0

    @property
    def presses(self) -> bool:
        """Whether so many of them went wrong that a person should listen to the calls."""
        return _presses(self.counts.get(Sold.PLACED, 0), sum(self.counts.get(each, 0) for each in WRONG))


def _presses(placed: int, wrong: int) -> bool:
    return placed >= ENOUGH and wrong > MUCH * placed


Counts = Mapping[tuple[str, str], Mapping[Sold, int]]
"""The figures of some orders, by plan and agent."""
Wronged = tuple[int, int]
"""The orders of one agent: how many, and how many of them went wrong."""


def wronged_by_agent(counts: Counts) -> dict[str, Wronged]:
    """Return the part of the figures that `pressing` needs: two numbers an agent."""
    found: dict[str, Wronged] = {}
    for (_, agent), counted in counts.items():
        placed, wrong = found.get(agent, (0, 0))
        found[agent] = placed + counted.get(Sold.PLACED, 0), wrong + sum(counted.get(each, 0) for each in WRONG)
    return found


def pressing(days: Iterable[Mapping[str, Wronged]]) -> int:
    """Count the agents that seem to press, over these days together."""
    sums: dict[str, Wronged] = {}
    for day in days:
        for agent, (placed, wrong) in day.items():
            before = sums.get(agent, (0, 0))
            sums[agent] = before[0] + placed, before[1] + wrong
    return sum(_presses(*each) for each in sums.values())


def sales_outcomes(counts: Counts, by: str) -> list[SalesOutcomes]:
    """Sum figures by `agent` or `plan`; the highest share of wrong orders comes first."""
    sums: dict[str, Counter[Sold]] = {}
    for (plan, agent), counted in counts.items():
        sums.setdefault(agent if by == "agent" else plan, Counter()).update(counted)
    found = [SalesOutcomes(key, dict(of)) for key, of in sums.items()]
    return sorted(found, key=lambda each: (-each.share(*WRONG), each.key))
