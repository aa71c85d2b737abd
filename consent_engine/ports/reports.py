"""The reports of calls to list, and how they are counted."""

from msgspec import Struct

from consent_engine.domain.call.report import Report, ReportClass, ReportDoor, ReportState, Reward
from consent_engine.domain.effects import Millis


class OpenReports(Struct, frozen=True):
    """The number of open reports that came by a door and have a proposed class, and how many of them are overdue."""

    door: ReportDoor
    proposed: ReportClass
    open: int
    overdue: int


class ReportFilter(Struct, frozen=True):
    """The reports to list; None admits all. overdue_at: overdue then"""

    state: ReportState | None = None
    door: ReportDoor | None = None
    found: ReportClass | None = None
    carrier: str | None = None
    overdue_at: Millis | None = None
    reward: Reward | None = None

    def fits(self, report: Report) -> bool:
        """Whether a report belongs in the list."""
        received = report.received
        pairs = (
            (self.state, report.state), (self.door, received.door), (self.found, report.found),
            (self.carrier, received.carrier), (self.reward, report.reward),
        )  # fmt: skip
        late = self.overdue_at is None or report.is_overdue(self.overdue_at)
        return late and all(wanted is None or wanted == found for wanted, found in pairs)
