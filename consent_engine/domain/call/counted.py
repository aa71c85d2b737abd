"""Counts of calls by the day they began on: raised by the commit that changes the call, and never recounted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from consent_engine.domain.call.call import Call, CallState
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import Carrier

_MARK = "!"
"""The prefix of a violation's count."""
SUM = "sum."
"""The prefix of a sum over all agents. Sums stand beside the counts, and are raised by the same commits."""
SUMS_MADE = f"{SUM}|all|"
"""A mark among a day's counts: the day has the sums of all its counts."""


class Count(StrEnum):
    """The counts of calls."""

    CALLS = "calls"
    ENDED = "ended"
    ABANDONED = "abandoned"
    RECORDED = "recorded"
    UNRECORDED = "unrecorded"
    """Ended without a recording, though the call was answered."""
    REVIEWED = "reviewed"
    """Heard by a reviewer, whatever the verdict."""
    REVIEW_FAILED = "review_failed"
    """Failed for good."""
    WRONG = "wrong"
    """With at least one violation, even one that was taken back."""


def counted_of(call: Call, before: Call | None) -> list[str]:
    """The counts to raise by one when a call changes. before: the call before the change, None for a new one"""
    return list(_counted(_stands(call), _stands(before) if before else None, call.carrier, call.began.agent))


def _stands(call: Call) -> "_Stands":
    return call.state, call.verdict, call.ever_violated


@lru_cache(maxsize=4_096)  # nearly all calls raise the same counts
def _counted(stands: "_Stands", stood: "_Stands | None", carrier: str, agent: str) -> tuple[str, ...]:
    counted, whose = set(_told(*stood)) if stood else (), f"|{carrier}|{agent}"
    fresh = [what for what in _told(*stands) if what not in counted]
    return (*[what + whose for what in fresh], *[f"{SUM}{what}|{carrier}|" for what in fresh])


_Stands = tuple[CallState, Verdict | None, frozenset[Violation]]


def _told(state: CallState, verdict: Verdict | None, violations: frozenset[Violation]) -> Iterator[str]:
    """All counts that a call in this state belongs to, each once."""
    yield Count.CALLS
    if state is not CallState.UP:
        yield Count.ENDED if state is CallState.ENDED else Count.ABANDONED
    if verdict is not None:
        yield Count.RECORDED
        if verdict is not Verdict.PENDING:
            yield Count.REVIEWED
        if verdict is Verdict.FAILED:
            yield Count.REVIEW_FAILED
    if not violations:
        return
    yield Count.WRONG
    if Violation.NO_RECORDING in violations:
        yield Count.UNRECORDED
    yield from (f"{_MARK}{violation}" for violation in Violation if violation in violations)


class Covered(Struct, frozen=True):
    """The calls of one day, agent or carrier: how many were recorded, heard by a reviewer, and failed for good."""

    key: str
    recorded: int
    reviewed: int
    failed: int


_COVERED = {Count.RECORDED.value: 0, Count.REVIEWED.value: 1, Count.REVIEW_FAILED.value: 2}
Heard = tuple[int, int, int]
"""Numbers of calls: those recorded, those heard by a reviewer, those failed for good."""


def sum_of(what: Count | Violation, carrier: str) -> str:
    """The name, among a day's sums, of a count's sum over all agents."""
    return f"{_MARK if isinstance(what, Violation) else ''}{what}|{carrier}|"


SUMMED = tuple(sum_of(what, carrier) for what in (*Count, *Violation) for carrier in Carrier)
"""The names of a day's sums: only these, however many calls and agents the day has."""


def coverage_of(sums: Mapping[str, int]) -> dict[str, int]:
    """Those of a day's sums that coverage is computed from: the others change with each call, and do not affect it."""
    return {name: count for name, count in sums.items() if name.split("|", 1)[0] in _COVERED}


def covered(days: Iterable[tuple[str, Mapping[str, int]]], by: str) -> list[Covered]:
    """Add up the sums of days, by `day` or `carrier`, the widest gap first."""
    sums: dict[str, list[int]] = {}
    for day, kept in days:
        for name, count in kept.items():
            what, carrier, _ = name.split("|", 2)
            found = sums.setdefault(day if by == "day" else carrier, [0, 0, 0])
            found[_COVERED[what]] += count
    return _widest_first(sums)


def heard_of(kept: Mapping[str, str]) -> dict[str, Heard]:
    """A day's coverage by agent, from its counts as kept. One pass, without work on the other counts: a day of a
    million calls has tens of thousands of counts.
    """
    agents: dict[str, list[int]] = {}
    for name, count in kept.items():
        what, _, whose = name.partition("|")
        place = _COVERED.get(what)
        if place is not None:
            agent = whose.partition("|")[2]
            found = agents.get(agent)
            if found is None:
                found = agents[agent] = [0, 0, 0]
            found[place] += int(count)
    return {agent: (found[0], found[1], found[2]) for agent, found in agents.items()}


def added_up(counts: Iterable[Mapping[str, Heard]]) -> dict[str, Heard]:
    """Add up the coverage of several cells or days, by agent."""
    sums: dict[str, Heard] = {}
    for each in counts:
        if not sums:
            sums.update(each)
            continue
        for agent, (recorded, reviewed, failed) in each.items():
            known = sums.get(agent, (0, 0, 0))
            sums[agent] = (known[0] + recorded, known[1] + reviewed, known[2] + failed)
    return sums


def together(days: Iterable[Mapping[str, Heard]]) -> list[Covered]:
    """Add up the coverage of several days, by agent, the widest gap first."""
    return _widest_first(added_up(days))


def _widest_first(sums: Mapping[str, Sequence[int]]) -> list[Covered]:
    rows = (Covered(key, *found) for key, found in sums.items() if found[0])
    return sorted(rows, key=lambda each: (each.reviewed - each.recorded, each.key))
