"""The port to reports of calls: read whole, listed by when they came, and those that wait for an answer by when it is
due.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.report import Report, ReportClass, ReportDoor, ReportState, Reward
from consent_engine.domain.effects import Millis

MOST_WAITING = 10_000
"""So many open reports of a part of the store are counted."""


class Awaited(Struct, frozen=True):
    """An open report, in short: how it came, what it seems to be, by when it is answered."""

    report: str
    door: str
    proposed: str
    answer_by: Millis


class ReportFilter(Struct, frozen=True):
    """Which reports to list; None lets everything through. since, until: came at or after, and before."""

    state: ReportState | None = None
    door: ReportDoor | None = None
    found: ReportClass | None = None
    carrier: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    overdue_at: Millis | None = None
    reward: Reward | None = None

    def fits(self, report: Report) -> bool:
        """Whether a report belongs in the list."""
        told = report.received
        pairs = (
            (self.state, report.state), (self.door, told.door), (self.found, report.found),
            (self.carrier, told.carrier), (self.reward, report.reward),
        )  # fmt: skip
        later = self.since is None or told.received_at >= self.since
        earlier = self.until is None or told.received_at < self.until
        late = self.overdue_at is None or report.is_overdue(self.overdue_at)
        return later and earlier and late and all(wanted is None or wanted == found for wanted, found in pairs)


class Reports(Protocol):
    """Reports in the store."""

    def look(self, reports: Sequence[str]) -> tuple[Millis, dict[str, Report]]:
        """The server's instant, and those that exist and can be read."""

    def listed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Reports with the instants they came at, newest first, from where a page ended."""

    def answered(self, before: Millis, most: int) -> list[str]:
        """Reports of which nothing more becomes since before an instant, the longest first, `most` of a part of the
        store.
        """

    def expire(self, persons_before: Millis, records_before: Millis, most: int) -> tuple[int, int]:
        """Delete the person parts of decided reports that came before an instant, and whole ones that came before
        another, about `most` of each; how many of each. What nobody has decided stays, and holds up no other.
        """

    def awaited(self) -> list[Awaited]:
        """Those that nobody has decided, the next due first, MOST_WAITING of a part of the store at most."""
