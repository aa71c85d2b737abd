"""The port for a survey of everything in the store: in pieces, read-only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from consent_engine.domain.effects import Lane, Millis


class Kind(StrEnum):
    """The kinds of keys that a survey walks over."""

    ORDER = "order"
    CALL = "call"
    LINE = "line"
    INBOX = "inbox"
    RESERVATION = "reservation"


@dataclass(frozen=True, slots=True)
class Server:
    """A server's INFO and configuration. config: empty where it may not be asked · open: it needs no password"""

    info: Mapping[str, Any]
    config: Mapping[str, str]
    open: bool


class Survey(Protocol):
    """A survey of the store, one piece at a time. Raises StoreUnavailable as the Store does; writes nothing."""

    def names(self, kind: Kind, pieces: int | None = None) -> Iterator[list[str]]:
        """Yield the ids of all records of a kind, piece by piece. A name may come twice. pieces: how many at most"""

    def waiting(self, lane: Lane, limit: int | None) -> Iterator[list[str]]:
        """Yield the members of a lane's due-set in pieces, about `limit` of them."""

    def dues(self, members: Sequence[tuple[Lane, str]]) -> list[float | None]:
        """Return when each member is due (infinity: parked), None for one that is in no due-set."""

    def unread(self, lines: Sequence[str]) -> list[int]:
        """Return how many unread messages each line has."""

    def reservations(self, keys: Sequence[str]) -> list[tuple[str, Millis]]:
        """Return the order and the instant of each reservation; ('', 0) for one that has gone meanwhile."""

    def lifted(self) -> Iterator[list[str]]:
        """Yield the records of liftings (JSON: line, carrier, at, ...) in pieces."""

    def unmatched(self, since: Millis, until: Millis, most: int) -> int:
        """Return how many unmatched messages came from `since` on and before `until`, repeats not counted.

        At most `most` are looked at.
        """
