"""The port for a look over all that is stored: in pieces, reading only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from consent_engine.domain.effects import Lane, Millis


class Kind(StrEnum):
    """What a record is of."""

    ORDER = "order"
    LINE = "line"
    INBOX = "inbox"
    RESERVATION = "reservation"


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself. config: empty where it may not be asked. open: it needs no password."""

    info: Mapping[str, Any]
    config: Mapping[str, str]
    open: bool


class Survey(Protocol):
    """Looks at what is stored, a piece at a time. Raises StoreUnavailable as the Store does; writes nothing."""

    def names(self, kind: Kind, pieces: int | None = None) -> Iterator[list[str]]:
        """The ids of all records of a kind, in pieces of the whole store; at most so many. A name may come twice."""

    def placed(self, since: Millis, until: Millis) -> int:
        """How many orders were placed from `since` on and before `until`."""

    def placed_ids(self, since: Millis, until: Millis) -> list[str]:
        """Those orders."""

    def days(self) -> list[str]:
        """The days (UTC) that the funnel has counts for."""

    def waiting(self, lane: Lane, limit: int | None) -> Iterator[list[str]]:
        """What stands in a lane's due-set, in pieces, about `limit` of it."""

    def dues(self, members: Sequence[tuple[Lane, str]]) -> list[float | None]:
        """When each is due (infinity: parked), None for what stands in no due-set."""

    def unread(self, lines: Sequence[str]) -> list[int]:
        """How many messages each line has not read."""

    def reservations(self, keys: Sequence[str]) -> list[tuple[str, Millis]]:
        """The order and the instant that each reservation stands for; ('', 0) for what went meanwhile."""

    def lifted(self) -> Iterator[list[str]]:
        """What was kept of liftings (json: line, carrier, at, ...), in pieces."""

    def unmatched(self, since: Millis, until: Millis, most: int) -> int:
        """How many unmatched messages came from `since` on and before `until`, repeats not counted.

        At most `most` are looked at.
        """
