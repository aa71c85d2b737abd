"""How orders leave one cell of Redis for the archive."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import Offers, whole
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_LINE, Lane, Millis, lane_of
from consent_engine.domain.line.line import STRANGER_MS, request_key
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Aged, Left, Retiring

log = logging.getLogger(__name__)


class Departures:
    """Leaving, for one cell."""

    def __init__(self, wire: Wire, cell: Cell, offers: Offers) -> None:
        self._wire = wire
        self._cell = cell
        self._offers = offers

    def records(self, orders: Sequence[str]) -> dict[str, dict[str, str]]:
        """See Leaving.records."""
        calls = Calls()
        for order_id in orders:
            calls.plain("HGETALL", self._cell.order(order_id))
        kept = self._wire.send(calls, repeat=True)
        found: dict[str, dict[str, str]] = {}
        for order_id, fields in zip(orders, kept, strict=True):
            with told(order_id):
                if fields:
                    found[order_id] = whole(fields, self._offers)
        return found

    def retire(self, orders: Sequence[Retiring], idle_before: Millis) -> list[tuple[Left, Millis]]:
        """See Leaving.retire."""
        calls = Calls()
        cell = self._cell
        for each in orders:
            keys = [cell.order(each.order), cell.line(each.line), cell.inbox(each.line), cell.due[Lane.TIMER]]
            args: list[str | int] = [each.order, each.version, WAKE_ARCHIVE, each.token, idle_before]
            calls.script("retire_order", [*keys, cell.placed], [*args, STRANGER_MS])
        return [(Left(word), int(at)) for word, at in self._wire.send(calls, repeat=True)]

    def age(self, lines: Sequence[tuple[str, int]], now: Millis) -> list[Aged]:
        """See Leaving.age."""
        calls = Calls()
        for line, token in lines:
            keys = [self._cell.line(line), self._cell.inbox(line), self._cell.due[Lane.TIMER]]
            calls.script("retire_line", keys, [line, WAKE_LINE, token, now - STRANGER_MS, STRANGER_MS])
        return [Aged(word) for word in self._wire.send(calls, repeat=True)]

    def forget(self, orders: Sequence[str]) -> None:
        """See Leaving.forget."""
        calls = Calls()
        for order_id in orders:
            calls.script("forget_request", [self._cell.reservation(request_key(order_id))], [order_id])
        self._wire.send(calls, repeat=True)

    def postpone(self, effect: str, dues: Mapping[str, Millis]) -> None:
        """See Leaving.postpone."""
        calls = Calls()
        scored = [part for order, due in dues.items() for part in (due, f"o:{order}:{effect}")]
        if scored:
            calls.plain("ZADD", self._cell.due[lane_of(effect)], "XX", *scored)
        self._wire.send(calls, repeat=True)

    def bind_archive(self, archive: str, *, anew: bool = False) -> str:
        """See Leaving.bind_archive."""
        calls = Calls()
        calls.plain("HSET" if anew else "HSETNX", f"{self._cell.shared}meta", "archive", archive)
        calls.plain("HGET", f"{self._cell.shared}meta", "archive")
        return str(self._wire.send(calls, prove=anew, repeat=True)[1])


@contextmanager
def told(record: str) -> Iterator[None]:
    """A record nobody can read is left out, and said: it must not sink the others of its round trip."""
    try:
        yield
    except BrokenRecord as error:
        log.error("%s: %s", record, error)
