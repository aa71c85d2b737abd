"""The ports to the journal, where each commit leaves its entries, and to the log, which numbers each entry once."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from math import nan
from typing import NamedTuple, Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.seal import Leaf, Seal
from consent_engine.ports.archive import Kept, PlansKept
from consent_engine.ports.public_log import Feeds, PublicLog
from consent_engine.ports.records import Owner, R


class Waiting(Struct, frozen=True):
    """How many journal entries SQL does not have yet. now: when this was so · as_of: SQL has all that was committed
    before this instant, `now` where none waits; 0: not known, as no scribe has looked yet, or a cell cannot be reached
    """

    count: int
    as_of: Millis
    now: Millis

    @property
    def lag_s(self) -> float:
        """For how many seconds at most the oldest entry has waited; 0 where none does, NaN where it is not known."""
        if not self.count:
            return 0
        return (self.now - self.as_of) / 1000 if self.as_of else nan


class Piece(Struct, frozen=True):
    """The oldest entries of one cell's journal, in order. first: the index of the first one, counted from 0 · as_of: no
    entry was written before this instant that is neither here nor in SQL
    """

    cell: int
    first: int
    entries: Sequence[str]
    as_of: Millis


class LineKept(NamedTuple):
    """A number as the store keeps it: its fields, none where the store has it no more, and its unread messages."""

    fields: Mapping[str, str]
    unread: Sequence[str]


class Journal(Protocol):
    """The entries that commits wrote, cell by cell. Raises StoreUnavailable as the Store does."""

    def read(self, most: int, reader: str, archive: str) -> list[Piece]:
        """Return waiting entries, up to `most` from each cell that can be reached. Each cell has one reader at a time:
        a reader that finds entries holds the cell for some seconds. Raises NotOurArchive for a cell that is not bound
        to this archive: it lost its data, and its record of a number must not replace SQL's.
        """

    def drop(self, piece: Piece) -> bool:
        """Remove a piece that SQL has, note as of when SQL is now, and let go of its cell; False, nothing is removed,
        when another reader did.
        """

    def lines(self, lines: Sequence[str]) -> dict[str, LineKept]:
        """Return these lines as the store has them, each whole."""

    def prove(self, cell: int, archive: str) -> None:
        """Prove durable all that was written in a cell before. Raises NotOurArchive as `read` does."""

    def waiting(self) -> Waiting:
        """Return how much waits now in the cells that can be reached, and as of when SQL is."""

    def spans(self) -> list[tuple[int, int]]:
        """Return the index of the first entry of each cell, and how many wait there: together never less than the index
        behind the newest one. Raises StoreUnavailable where a cell cannot be reached.
        """

    def among(self, entries: Set[str]) -> set[str]:
        """Return those of these entries that wait now in the cells that can be reached. No reader's turn is taken."""

    def refusals(self) -> list[Leaf]:
        """Return the waiting entries of refusals and registrations in all cells, each cell's in order. Data from a
        backup have entries among them that the log has already.
        """


class Writing(Protocol):
    """A transaction of the scribe. Each of its methods raises ArchiveUnavailable as the Archive does."""

    def records(self, owner: Owner, records: Mapping[str, Mapping[str, str]], *, gone: bool = False) -> set[str]:
        """Write records of a kind as the store has them; return the ids of those kept. A record that cannot be read,
        and another one than is known under this id, is not. gone: the store is to let them go
        """

    def lines(self, lines: Mapping[str, LineKept]) -> None:
        """Write lines as the store has them, and their restrictions."""

    def plans(self, kept: PlansKept) -> None:
        """Write the catalogue, in place of the one here."""

    def append(self, entries: Sequence[str]) -> int:
        """Number the leaves that are not in the log yet, in their order. Return how many they were. Raises BrokenRecord
        as `Log.ends` does.
        """


class Log(Protocol):
    """The log: all entries of all cells, numbered densely from 0, each once, kept for ever. Raises ArchiveUnavailable
    as the Archive does.
    """

    public: PublicLog
    """what outsiders see of it"""
    feeds: Feeds
    """the systems of customers that follow it"""

    def writing(self) -> AbstractContextManager["Writing"]:
        """Open a transaction of the scribe: no other one writes meanwhile. Raises ArchiveUnavailable; an error that
        leaves it undoes it.
        """

    def among(self, entries: Set[str]) -> set[str]:
        """Return those of these entries that the log has."""

    def recount(self) -> int | None:
        """Count the entries anew where the count cannot be right; return how many there are, else None. The caller has
        checked whose archive it is.
        """

    def ends(self) -> tuple[int, int]:
        """Return the number behind the last entry, and how many were counted, which is more where the last ones are
        gone. Raises BrokenRecord for a count that is no number, or too small: it was changed.
        """

    def begins(self, since: Millis) -> int:
        """Return a number before which every entry is older than `since`: where to start looking for later ones."""

    def entries(self, first: int, most: int) -> list[tuple[int, str, str]]:
        """Return entries with their numbers and leaf hashes, from a number on."""

    def newest(self, most: int) -> list[tuple[int, str, str]]:
        """Return the newest entries, oldest first, as `entries` does."""


class Whole(Protocol):
    """All that a store had at the scribe's last beat. Every method raises ArchiveUnavailable as the Archive does."""

    seal: Seal | None
    """encrypts persons in what is kept here; None: they are not encrypted"""

    def records(self, kind: type[R]) -> Iterator[list[Kept[R]]]:
        """Yield the records of a kind that had not left the store, in pieces, by id."""

    def standing(self, orders: Sequence[str]) -> set[str]:
        """Return those of these orders that had not left the store."""

    def lines(self) -> Iterator[dict[str, LineKept]]:
        """Yield the numbers, each whole, in pieces, by id."""

    def plans(self) -> PlansKept:
        """Return the catalogue, as `Retirement.plans` gave it, without its mark. secret: of all that is here; "" where
        nothing was ever written out
        """

    def until(self) -> Millis:
        """Return the instant of the newest change that is here; 0 where there is none."""
