"""The seal of an order's record, and of a call's: what the chain covers, compared when it is read.

The chain's head is a plain hash, so that anybody who holds one can check it; somebody who writes into the store could
make another. The seal beside it is keyed with the installation's secret. A record whose seal does not fit is broken: it
is parked and shouted, never acted on.
"""

import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Callable
from functools import lru_cache, partial

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import mac
from consent_engine.domain.lifecycle import State, advance
from consent_engine.domain.line.line import Line, line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.event import chain
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord, IllegalTransition

FIELD = "mac"
"""The field of an order's record that holds it."""
_LENGTH = 22
"""Of 16 bytes in base64 without padding."""
LINES_KNOWN = 4_096
"""Of so many numbers a process keeps the line's name: one is read several times while its order is under way."""


class Seal:
    """Makes and checks seals, under one secret.

    since: asks since when every order has one; None: that is not known, and one without is believed
    """

    def __init__(self, secret: str, since: Callable[[], Millis | None] = lambda: None) -> None:
        self._line_of = lru_cache(maxsize=LINES_KNOWN)(partial(line_id, secret))
        self._first_key = mac(secret.encode(), b"order record")
        self._key = mac(secret.encode(), b"order record 2")
        self._call_key = mac(secret.encode(), b"call record")
        self._ending_key = mac(secret.encode(), b"ending record")
        self._report_key = mac(secret.encode(), b"report record")
        self._line_key = mac(secret.encode(), b"line record")
        self._ask = since
        self._since: Millis | None = None

    def of(self, order: Order) -> str:
        """The seal of an order as it stands: one keyed pass over all that is public and decides.

        HMAC-SHA-256, cut to 16 bytes, in base64.
        """
        return b2a_base64(mac(self._key, _sealed(order)), newline=False)[:_LENGTH].decode()

    def _first(self, order: Order) -> str:
        """The seal as the first program that sealed made it: BLAKE2b, in hex. The next change makes another."""
        return hashlib.blake2b(_sealed(order), key=self._first_key, digest_size=16).hexdigest()

    def check(self, order: Order, kept: str | None) -> Order:
        """The order, when its seal fits; raises BrokenRecord. One without is believed when it is older than seals."""
        if kept is None:
            return self._unsealed(order)
        made = self.of(order) if len(kept) == _LENGTH else self._first(order)
        if not hmac.compare_digest(kept.encode("utf-8", "surrogatepass"), made.encode()):
            raise BrokenRecord("an order's record does not match its seal: somebody changed it")
        return order

    def of_call(self, call: Call) -> str:
        """The seal of a call as it stands, as `of` makes an order's, under a key of its own."""
        parts = (call.id, call.line, call.state, call.head, *call.publics)
        told = "\n".join(parts).encode("utf-8", "surrogatepass")
        return b2a_base64(mac(self._call_key, told), newline=False)[:_LENGTH].decode()

    def call(self, call: Call, kept: str | None) -> Call:
        """The call, when its seal fits; raises BrokenRecord. There is none without."""
        if kept is None or not hmac.compare_digest(kept.encode("utf-8", "surrogatepass"), self.of_call(call).encode()):
            raise BrokenRecord("a call's record does not match its seal: somebody changed it")
        if call.person.msisdn and not self._is_line(call.line, call.person.msisdn):
            raise BrokenRecord("a call with another number than its line's: somebody changed it")
        return call

    def of_ending(self, ending: Ending) -> str:
        """The seal of an ending as it stands, as `of` makes an order's, under a key of its own."""
        parts = (ending.id, ending.line, ending.state, ending.head, *ending.publics)
        told = "\n".join(parts).encode("utf-8", "surrogatepass")
        return b2a_base64(mac(self._ending_key, told), newline=False)[:_LENGTH].decode()

    def ending(self, ending: Ending, kept: str | None) -> Ending:
        """The ending, when its seal fits; raises BrokenRecord. There is none without."""
        made = self.of_ending(ending)
        if kept is None or not hmac.compare_digest(kept.encode("utf-8", "surrogatepass"), made.encode()):
            raise BrokenRecord("an ending's record does not match its seal: somebody changed it")
        if ending.person.msisdn and not self._is_line(ending.line, ending.person.msisdn):
            raise BrokenRecord("an ending with another number than its line's: somebody changed it")
        return ending

    def of_report(self, report: Report) -> str:
        """The seal of a report as it stands, as `of` makes an order's, under a key of its own."""
        parts = (report.id, report.line, report.state, report.head, *report.publics)
        told = "\n".join(parts).encode("utf-8", "surrogatepass")
        return b2a_base64(mac(self._report_key, told), newline=False)[:_LENGTH].decode()

    def report(self, report: Report, kept: str | None) -> Report:
        """The report, when its seal fits; raises BrokenRecord. There is none without."""
        made = self.of_report(report).encode()
        if kept is None or not hmac.compare_digest(kept.encode("utf-8", "surrogatepass"), made):
            raise BrokenRecord("a report's record does not match its seal: somebody changed it")
        if report.person.msisdn and not self._is_line(report.line, report.person.msisdn):
            raise BrokenRecord("a report with another number than its line's: somebody changed it")
        return report

    def _unsealed(self, order: Order) -> Order:
        if self._since is None:
            self._since = self._ask()
        if self._since is not None and order.doc.placed_at >= self._since:
            raise BrokenRecord("an order without its seal")
        # All that can be compared of it is.
        if not sound(order) or (order.person.msisdn and not self._is_line(order.line, order.person.msisdn)):
            raise BrokenRecord("an order whose history does not give its record: somebody changed it")
        return order

    def of_line(self, line: Line) -> str:
        """The seal of what became of a line's number, as `of` makes an order's, under a key of its own."""
        told = "\n".join((line.id, line.head, *line.publics)).encode("utf-8", "surrogatepass")
        return b2a_base64(mac(self._line_key, told), newline=False)[:_LENGTH].decode()

    def line(self, line: Line) -> Line:
        """The line, when its number is the one that it is named by, and its seal fits; raises BrokenRecord."""
        if (line.publics or line.seal) and not hmac.compare_digest(line.seal.encode(), self.of_line(line).encode()):
            raise BrokenRecord("a line whose history does not match its seal: somebody changed it")
        if line.msisdn and not self._is_line(line.id, line.msisdn):
            raise BrokenRecord("a line with another number than its own: somebody changed it")
        return line

    def _is_line(self, line: str, msisdn: str) -> bool:
        return line == self._line_of(Msisdn(msisdn))


def _sealed(order: Order) -> bytes:
    parts = (order.id, order.line, order.state, order.head, *order.publics)
    return "\n".join(parts).encode("utf-8", "surrogatepass")


def sound(order: Order) -> bool:
    """Whether its history gives its state and the head of its chain."""
    state = State.AGREED
    try:
        for event in order.events:
            state = advance(state, event.trigger)
    except IllegalTransition:
        return False
    return state is order.state and chain("", order.publics) == order.head
