"""The journal of one cell of Redis: `commit` appends to it; entries that the log has are removed."""

from collections.abc import Iterator, Sequence, Set
from contextlib import suppress

from consent_engine.adapters.redis.client import Calls
from consent_engine.adapters.redis.of_cell import OfCell
from consent_engine.domain.effects import READ
from consent_engine.domain.seal import Chained, Leaf, newest_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Journal, LineKept, Piece, Waiting
from consent_engine.ports.store import lost

LEASE_MS = 10_000
PIECE = 1_000
_READ = f"f:{READ}"
"""The field of a line that has unread messages."""


class RedisJournal(OfCell, Journal):
    """The Journal of one cell."""

    @property
    def _keys(self) -> list[str]:
        return [self._cell.journal, self._cell.journaled]

    def read(self, most: int, reader: str, archive: str) -> list[Piece]:
        calls = Calls()
        calls.script("read_journal", self._keys, [most, reader, LEASE_MS, self._clock.argument(), archive])
        [found] = self._wire.send(calls, repeat=True)
        if found == "emptied":
            raise lost([self._cell.number])
        first, entries, now = found
        # Where more wait, they were written after these, and no commit is older than the instants of its events.
        as_of = int(now) if len(entries) < most else min(int(now), newest_of(entries))
        return [Piece(self._cell.number, int(first), entries, as_of)] if entries else []

    def drop(self, piece: Piece) -> bool:
        calls = Calls()
        calls.script("drop_journal", self._keys, [piece.first, len(piece.entries), piece.as_of])
        [dropped] = self._wire.send(calls, repeat=True)
        return bool(dropped)

    def lines(self, lines: Sequence[str]) -> dict[str, LineKept]:
        found = self._wire.ask(*(("HGETALL", self._cell.line(line)) for line in lines))
        kept = dict(zip(lines, found, strict=True))
        unread = [line for line in lines if _READ in kept[line]]  # a message that came since has left an entry
        came = self._wire.ask(*(("LRANGE", self._cell.inbox(line), 0, -1) for line in unread))
        messages = dict(zip(unread, came, strict=True))
        return {line: LineKept(fields, messages.get(line, [])) for line, fields in kept.items()}

    def prove(self, cell: int, archive: str) -> None:
        of = ("HGET", self._cell.journaled, "of")
        if self._wire.ask(("HINCRBY", self._cell.journaled, "proofs", 1), of, prove=True)[1] != archive:
            raise lost([self._cell.number])

    def waiting(self) -> Waiting:
        noted = ("HGET", self._cell.journaled, "as_of")
        time, count, as_of = self._wire.ask(("TIME",), ("LLEN", self._cell.journal), noted)  # what comes later is newer
        now = self._clock.instant(time)
        return Waiting(count, int(as_of or 0) if count else now, now)

    def spans(self) -> list[tuple[int, int]]:
        count, first = self._wire.ask(("LLEN", self._cell.journal), ("HGET", self._cell.journaled, "first"))
        return [(int(first or 0), count)]

    def among(self, entries: Set[str]) -> set[str]:
        found: set[str] = set()
        for rows in self._rows():  # an entry removed meanwhile is in the log
            found |= entries & set(rows)
            if len(found) == len(entries):
                break
        return found

    def refusals(self) -> list[Leaf]:
        kind, found = f"{Chained.REFUSAL} ", list[Leaf]()
        for rows in self._rows():
            for entry in rows:
                with suppress(BrokenRecord):
                    if entry.startswith(kind):
                        found.append(Leaf.decode(entry))
        return found

    def _rows(self) -> Iterator[list[str]]:
        """Yield the waiting entries, piece by piece. None is passed over because a reader removes others meanwhile."""
        asked = ("HGET", self._cell.journaled, "first")
        read = first = 0
        while True:
            ahead = max(0, read - first)
            was, rows, now = self._wire.ask(asked, ("LRANGE", self._cell.journal, ahead, ahead + PIECE - 1), asked)
            if not first == int(was or 0) == int(now or 0):
                first = int(now or 0)
                continue
            yield rows
            read = first + ahead + len(rows)
            if len(rows) < PIECE:
                return
