"""Records as they were read together, at one instant of the store."""

from collections.abc import Mapping
from typing import NamedTuple

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord


class Snapshot(NamedTuple):
    """The records that exist and can be read, and the server's instant at which they were read."""

    now: Millis
    orders: dict[str, Order]
    lines: dict[str, Line]
    calls: Mapping[str, Call] = {}
    endings: Mapping[str, Ending] = {}
    reports: Mapping[str, Report] = {}

    def line(self, line_id: str) -> Line:
        """Return a loaded line. Raises BrokenRecord when it cannot be read: its refusals must not be guessed."""
        try:
            return self.lines[line_id]
        except KeyError:
            raise BrokenRecord("a line's record cannot be read") from None
