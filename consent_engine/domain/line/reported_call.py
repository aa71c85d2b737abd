"""A report of a call, as its reporter's line names it: the basis for rewards, and for how often the number reports."""

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis

NAMED_FOR_MS = 400 * 86_400_000
"""How long a line names a report: longer than the year of any ledger."""
MOST_NAMED = 500
"""The most reports that a line names, the newest; all rewarded ones stay beside them, however many others follow."""


class ReportedCall(Row, frozen=True):
    """A report, in short.

    at: when it reached the store · called_at: when the call was · carrier: the one it is about · call: our call that it
    is about, '' where none is known · granted_at: when its reward was granted; 0: it was not
    """

    report: str
    at: Millis
    called_at: Millis
    carrier: str
    call: str = ""
    granted_at: Millis = 0

    @property
    def until(self) -> Millis:
        """Until when the line names the report: the period begins anew when its reward is granted."""
        return max(self.at, self.granted_at) + NAMED_FOR_MS

    @property
    def field(self) -> str:
        """The report's field on the line."""
        return f"q:{self.report}"


ReportedCall.rows = Rows(ReportedCall, least=3, named=1)
