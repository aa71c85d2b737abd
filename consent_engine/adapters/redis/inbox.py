"""The inboxes of one cell of Redis, and its streams of unmatched messages and of lifted restrictions."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from consent_engine.adapters.redis.client import GROUP, Calls, Wire
from consent_engine.adapters.redis.clock import Clock
from consent_engine.adapters.redis.codec import packed
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.of_cell import OfCell
from consent_engine.adapters.redis.records import LOOK_BACK
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.line import STRANGER_MS
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS, is_lasting
from consent_engine.domain.order.retention import Retention
from consent_engine.domain.seal import entry_at
from consent_engine.ports import Inbox, Posted, Stored

MOST_KEPT = 1_000_000


class PackedMessages(Struct, omit_defaults=True):
    """The argument of `receive.lua`, which says what each field means."""

    posted: Sequence[Posted]
    kept: Millis
    lasts: Millis
    entries: dict[int, list[str]] = {}
    now: Millis | None = None


def _entries(m: Posted) -> list[str]:
    return [entry_at(m.line, name) if is_lasting(name) else "" for name in m.makes]


class RedisInbox(OfCell, Inbox):
    """The Inbox of one cell. keep: how long unmatched messages, the evidence of liftings and the answers to requests
    for permits are kept"""

    def __init__(self, wire: Wire, cell: Cell, clock: Clock, keep: Retention) -> None:
        super().__init__(wire, cell, clock)
        self._keep = keep

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        calls, cell = Calls(gathered=True), self._cell
        shared = [cell.due[Lane.INBOUND], cell.due[Lane.TIMER], cell.lifted, cell.unmatched, cell.journal]
        for some in (messages[n : n + GROUP] for n in range(0, len(messages), GROUP)):
            entries = {n: _entries(m) for n, m in enumerate(some, 1) if m.makes}
            asked = PackedMessages(some, STRANGER_MS, SUSPICION_LASTS_MS, entries, self._clock.now())
            keys = [key for m in some for key in (cell.line(m.line), cell.inbox(m.line))]
            calls.script("receive", [*shared, *keys], [packed(asked)])
        answers = self._wire.send(calls, prove=prove, repeat=True)
        return [Stored(word == "stored", int(at), word == "gone") for group in answers for word, at in group]

    def put_back(self, unread: Mapping[str, Sequence[str]]) -> None:
        names = [self._cell.inbox(line) for line in unread]
        there = self._wire.ask(*(("LRANGE", name, 0, -1) for name in names))
        calls = Calls()
        for name, rows, known in zip(names, unread.values(), there, strict=True):
            if lacking := [row for row in rows if row not in known]:
                calls.plain("LPUSH", name, *reversed(lacking))
        self._wire.send(calls)

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        calls = Calls()
        for entry in entries:
            calls.script("keep_entry", [self._cell.unmatched], [entry, LOOK_BACK])
        self._wire.send(calls, prove=prove, repeat=True)

    def trim(self, most: int = MOST_KEPT) -> int:
        """Delete as the port says, in pieces of some thousands, so that no other client has to wait."""
        now = int(self._wire.ask(("TIME",))[0][0]) * 1000
        gone = 0
        streams = {
            self._cell.unmatched: self._keep.no_service,
            self._cell.permits: self._keep.no_service,
            self._cell.lifted: self._keep.records,
        }
        for stream, keep_ms in streams.items():
            for rule, bound in (("MINID", now - keep_ms), ("MAXLEN", most)):
                while done := int(self._wire.ask(("XTRIM", stream, rule, "~", bound))[0]):
                    gone += done
                gone += int(self._wire.ask(("XTRIM", stream, rule, bound))[0])  # the exact rest in the last piece
        return gone
