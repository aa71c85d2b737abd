"""The journal of one cell of Redis, and of many: `commit` appends to it; entries that the log has are removed."""

from collections.abc import Set
from contextlib import suppress

from consent_engine.adapters.redis.cells import OfCells
from consent_engine.adapters.redis.client import Calls
from consent_engine.adapters.redis.of_cell import OfCell
from consent_engine.domain.leaf import Leaf
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Journal, Piece, Waiting

LEASE_MS = 10_000
PIECE = 1_000


class RedisJournal(OfCell, Journal):
    """The Journal of one cell."""

    @property
    def _keys(self) -> list[str]:
        return [self._cell.journal, self._cell.journaled]

    def read(self, most: int, reader: str) -> list[Piece]:
        calls = Calls()
        calls.script("read_journal", self._keys, [most, reader, LEASE_MS, self._clock.argument()])
        [[first, entries]] = self._wire.send(calls, repeat=True)
        return [Piece(self._cell.number, int(first), entries)] if entries else []

    def drop(self, piece: Piece) -> bool:
        calls = Calls()
        calls.script("drop_journal", self._keys, [piece.first, len(piece.entries)])
        [dropped] = self._wire.send(calls, repeat=True)
        return bool(dropped)

    def waiting(self) -> Waiting:
        count, oldest = self._wire.ask(("LLEN", self._cell.journal), ("LINDEX", self._cell.journal, 0))
        at = 0
        with suppress(BrokenRecord):  # an entry that cannot be read is counted, without its instant
            at = Leaf.decode(oldest).at if oldest else 0
        return Waiting(count, at)

    def among(self, entries: Set[str]) -> set[str]:
        found: set[str] = set()
        first = 0
        while True:  # an entry removed meanwhile is in the log
            [rows] = self._wire.ask(("LRANGE", self._cell.journal, first, first + PIECE - 1))
            found |= entries & set(rows)
            first += PIECE
            if len(rows) < PIECE or len(found) == len(entries):
                return found


class ShardedJournal(OfCells, Journal):
    """The Journals of many cells, as far as these can be reached."""

    def read(self, most: int, reader: str) -> list[Piece]:
        return [piece for found in self._cells.reached(lambda cell: cell.journal.read(most, reader)) for piece in found]

    def drop(self, piece: Piece) -> bool:
        return self._cells.stores[piece.cell].journal.drop(piece)

    def waiting(self) -> Waiting:
        found = [each for each in self._cells.reached(lambda cell: cell.journal.waiting()) if each.count]
        return Waiting(sum(each.count for each in found), min(each.oldest for each in found)) if found else Waiting()

    def among(self, entries: Set[str]) -> set[str]:
        return set().union(*self._cells.reached(lambda cell: cell.journal.among(entries)))
