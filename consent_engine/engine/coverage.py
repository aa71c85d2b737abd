"""Review coverage: how many of the recorded calls of some days a reviewer has heard."""

from collections.abc import Mapping, Sequence

from consent_engine.domain.call.counted import Covered, Heard, coverage_of, covered, together
from consent_engine.ports import Lists

MOST_DAYS = 8
"""Days whose coverage by agent is remembered: a week, and the day just begun. Some MB where agents are many."""


class Coverage:
    """Coverage in one store. By day and carrier it reads sums. By agent it reads all counts of a day, and again only
    when one of its sums has changed: every count of an agent changes a sum.
    """

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._known: dict[str, tuple[Mapping[str, int], Mapping[str, Heard]]] = {}

    def of(self, days: Sequence[str], by: str) -> list[Covered]:
        """Return coverage by `day`, `carrier` or `agent`, the widest gap first. Raises StoreUnavailable."""
        sums = [coverage_of(each) for each in self._lists.summed(days)]
        if by != "agent":
            return covered(zip(days, sums, strict=True), by)
        return together(self._by_agent(day, its) for day, its in zip(days, sums, strict=True))

    def _by_agent(self, day: str, sums: Mapping[str, int]) -> Mapping[str, Heard]:
        if not any(sums.values()):
            return {}
        known = self._known.get(day)
        if known is not None and known[0] == sums:
            return known[1]
        heard = self._lists.heard_by_agent(day)
        self._known.pop(day, None)
        self._known[day] = (sums, heard)  # read after its sums: a count in between changes a sum, so it is read again
        while len(self._known) > MOST_DAYS:
            self._known.pop(next(iter(self._known)), None)
        return heard
