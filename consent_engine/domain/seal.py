"""Seals: a keyed hash over the chain of a record (order, line, call, ending or report), checked on reading.

The chain's head is a plain hash, so that anyone with the chain can check it; but an intruder who writes into the
store could make another. The seal beside it is keyed with the installation's secret. A record whose seal does not fit
is broken: it is parked and raises an alarm, and is never acted on.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar, cast

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.hashing import mac
from consent_engine.domain.lifecycle import State, advance
from consent_engine.domain.line.line import Line, line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.event import chain
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord, IllegalTransition

FIELD = "mac"
"""The field of a record that holds its seal."""
_LENGTH = 22
"""Characters of 16 bytes in base64 without padding."""
_NOUNS: Mapping[type, str] = {Call: "call", Ending: "ending", Report: "report"}
"""The nouns that the keys of each kind are derived from: changing one breaks every stored seal of its kind."""
R = TypeVar("R", Call, Ending, Report)
K = TypeVar("K", bound=Order | Call | Ending | Report)
LINES_KNOWN = 4_096
"""How many numbers' line ids a process caches: a number is read several times while its order is under way."""


class Seal:
    """Makes and checks seals, under one secret."""

    def __init__(self, secret: str) -> None:
        self._line_of = lru_cache(maxsize=LINES_KNOWN)(partial(line_id, secret))
        self._key = mac(secret.encode(), b"order record 2")
        self._keys = {kind: mac(secret.encode(), f"{noun} record".encode()) for kind, noun in _NOUNS.items()}
        self._line_key = mac(secret.encode(), b"line record")

    def of(self, order: Order) -> str:
        """The seal of an order as it stands: one keyed hash of its id, line, state, head and public links.

        HMAC-SHA-256, cut to 16 bytes, in base64.
        """
        return b2a_base64(mac(self._key, _sealed(order)), newline=False)[:_LENGTH].decode()

    def check(self, order: Order, kept: str | None) -> Order:
        """Return the order if its seal fits; raises BrokenRecord, also for one without a seal."""
        if kept is None or not hmac.compare_digest(kept.encode("utf-8", "surrogatepass"), self.of(order).encode()):
            raise BrokenRecord("an order's record does not match its seal: somebody changed it")
        return order

    def of_record(self, record: Call | Ending | Report) -> str:
        """The seal of a call, an ending or a report as it stands, made as `of` does, under a key of its kind."""
        parts = (record.id, record.line, record.state, record.head, *record.publics)
        content = "\n".join(parts).encode("utf-8", "surrogatepass")
        return b2a_base64(mac(self._keys[type(record)], content), newline=False)[:_LENGTH].decode()

    def record(self, record: R, kept: str | None) -> R:
        """Return the call, ending or report if its seal fits; raises BrokenRecord, also for one without a seal."""
        made, noun = self.of_record(record).encode(), _NOUNS[type(record)]
        if kept is None or not hmac.compare_digest(kept.encode("utf-8", "surrogatepass"), made):
            raise BrokenRecord(f"the {noun}'s record does not match its seal: somebody changed it")
        if record.person.msisdn and not self._is_line(record.line, record.person.msisdn):
            raise BrokenRecord(f"the {noun}'s record has another number than its line: somebody changed it")
        return record

    def of_line(self, line: Line) -> str:
        """The seal of a line's history, made as `of` makes an order's, under a key of its own."""
        content = "\n".join((line.id, line.head, *line.publics)).encode("utf-8", "surrogatepass")
        return b2a_base64(mac(self._line_key, content), newline=False)[:_LENGTH].decode()

    def line(self, line: Line) -> Line:
        """Return the line if its id is that of its number, and its seal fits; raises BrokenRecord."""
        if (line.publics or line.seal) and not hmac.compare_digest(line.seal.encode(), self.of_line(line).encode()):
            raise BrokenRecord("a line whose history does not match its seal: somebody changed it")
        if line.msisdn and not self._is_line(line.id, line.msisdn):
            raise BrokenRecord("a line with another number than its own: somebody changed it")
        return line

    def _is_line(self, line: str, msisdn: str) -> bool:
        return line == self._line_of(Msisdn(msisdn))


def opened(kind: type[K], fields: Mapping[str, str], seal: Seal | None) -> K:
    """Return the record of a kind from its fields. Raises BrokenRecord, also where its seal does not fit. seal: None,
    it is not checked
    """
    record: K = cast(Any, kind).decode(fields)
    if seal is not None:
        kept = fields.get(FIELD)
        seal.check(record, kept) if isinstance(record, Order) else seal.record(cast(Any, record), kept)
    return record


def _sealed(order: Order) -> bytes:
    parts = (order.id, order.line, order.state, order.head, *order.publics)
    return "\n".join(parts).encode("utf-8", "surrogatepass")


def sound(order: Order) -> bool:
    """Whether an order's history gives its state and the head of its chain."""
    state = State.AGREED
    try:
        for event in order.events:
            state = advance(state, event.trigger)
    except IllegalTransition:
        return False
    return state is order.state and chain("", order.publics) == order.head
