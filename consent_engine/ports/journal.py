"""The ports to the journal, where a commit leaves what it sealed, and to the log, which numbers all of it once."""

from collections.abc import Sequence, Set
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Waiting(Struct, frozen=True):
    """How much of the journal is not in the log yet, and since when its oldest entry waits; 0: nothing does."""

    count: int = 0
    oldest: Millis = 0


class Piece(Struct, frozen=True):
    """The oldest entries of one cell's journal, in their order. first: the index of the first one; dense from 0."""

    cell: int
    first: int
    entries: Sequence[str]


class Journal(Protocol):
    """What commits sealed, cell by cell. Raises StoreUnavailable as the Store does."""

    def read(self, most: int, reader: str) -> list[Piece]:
        """What waits, up to `most` of each cell that can be reached, for one reader at a time: whoever reads has the
        cell for some seconds.
        """

    def drop(self, piece: Piece) -> bool:
        """Take a piece out that the log has; False, and nothing happens, when another has."""

    def waiting(self) -> Waiting:
        """What waits now, in the cells that can be reached."""

    def among(self, entries: Set[str]) -> set[str]:
        """Those of these entries that wait now, in the cells that can be reached. It takes no reader's turn."""


class Log(Protocol):
    """All entries of all cells, numbered densely from 0, each once, for ever. Raises ArchiveUnavailable as the Archive
    does.
    """

    def append(self, entries: Sequence[str]) -> int:
        """Number those that are not there yet, in their order, all or none; how many these were."""

    def has(self, entry: str) -> bool:
        """Whether this one is there."""

    def size(self) -> int:
        """How many there are."""

    def begins(self, since: Millis) -> int:
        """A number before which every entry is of a time before `since`: where to begin to look for what is not."""

    def entries(self, first: int, most: int) -> list[tuple[int, str, str]]:
        """Entries with their numbers and leaf hashes, from a number on."""
