"""Records as they were read together, at one instant of the store."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar, cast

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord

Recorded = Order | Call | Ending | Report
"""A record of any kind but a line: it leaves the store, and is then in SQL alone."""
R = TypeVar("R", bound=Recorded)
PARTS: Mapping[type, str] = {Order: "orders", Call: "calls", Ending: "endings", Report: "reports"}
"""The name of each kind in a snapshot, and in a request for one."""


class Snapshot(NamedTuple):
    """The records that exist and can be read, and the server's instant at which they were read."""

    now: Millis
    orders: dict[str, Order]
    lines: dict[str, Line]
    calls: Mapping[str, Call] = {}
    endings: Mapping[str, Ending] = {}
    reports: Mapping[str, Report] = {}

    def of(self, kind: type[R]) -> Mapping[str, R]:
        """Return the loaded records of a kind."""
        return cast("Mapping[str, R]", getattr(self, PARTS[kind]))

    def line(self, line_id: str) -> Line:
        """Return a loaded line. Raises BrokenRecord when it cannot be read: its refusals must not be guessed."""
        try:
            return self.lines[line_id]
        except KeyError:
            raise BrokenRecord("a line's record cannot be read") from None
