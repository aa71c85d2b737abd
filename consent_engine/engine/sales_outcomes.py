"""How many agents seem to press subscribers, over two weeks: a day is read now and then, not at each look.

A day of 8,000 agents is some 100,000 counts. The outcome of today's orders is known within minutes; a service is taken
back days later, so a week is read again when no more of that can come.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from threading import Lock
from time import monotonic

from consent_engine.domain.call.sales_figures import Wronged, pressing, wronged_by_agent
from consent_engine.domain.days import Days, later
from consent_engine.ports.queries import OrderQueries

WEEK = 7
TODAY_S = 300.0
BEFORE_S = 3600.0
"""How old the counts of today, and of an earlier day, may be: then they are read again, one day a look."""


class Over(StrEnum):
    """The periods whose days are counted together."""

    TODAY = "today"
    WEEK = "week"
    """The last seven days, today with them."""
    WEEK_BEFORE = "week_before"
    """The seven days before: services of these that are taken back within a week are known, but for the last hours."""


class PressureWatch:
    """The counts of two weeks that one process knows; for all its threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Mapping[str, Wronged]]] = {}
        self._looking = Lock()

    def look(self, orders: OrderQueries, days_of: Days, today: str) -> dict[Over, int]:
        """Return how many agents seem to press; this reads one day at most. Periods with a day that is not read yet
        are left out: some minutes after a start all are there. Raises ArchiveUnavailable.
        """
        days = [later(today, -n) for n in range(2 * WEEK)]
        with self._looking:
            self._known = {day: known for day, known in self._known.items() if day in days}
            if day := self._due(days):
                self._known[day] = monotonic(), wronged_by_agent(orders.sold(days_of.begins(day), days_of.ends(day)))
            spans = {Over.TODAY: days[:1], Over.WEEK: days[:WEEK], Over.WEEK_BEFORE: days[WEEK:]}
            return {
                over: pressing(self._known[day][1] for day in span)
                for over, span in spans.items()
                if self._known.keys() >= set(span)
            }

    def _due(self, days: Sequence[str]) -> str:
        """Return the day to be read now; '' for none. Today comes first, then unknown days, then the oldest reading."""
        now = monotonic()
        today = days[0]
        if today not in self._known or now - self._known[today][0] >= TODAY_S:
            return today
        if unknown := [day for day in days if day not in self._known]:
            return unknown[0]
        read_at, oldest = min((self._known[day][0], day) for day in days[1:])
        return oldest if now - read_at >= BEFORE_S else ""
