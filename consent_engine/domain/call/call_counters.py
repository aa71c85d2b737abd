"""The figures of calls: how many began in a period, and how they ended."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.call.call import CallState
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.violation import Violation


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
    those of all agents
    """

    count: int
    carrier: str
    state: CallState
    verdict: Verdict | None
    ever_violated: frozenset[Violation]
    agent: str = ""

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
