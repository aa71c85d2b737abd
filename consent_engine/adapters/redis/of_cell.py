"""The base of the store's parts in one cell of Redis: its clock, and the reading of records that may be unreadable."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.effects import Millis
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord


@dataclass(frozen=True, slots=True)
class Clock:
    """The server's clock. hand: another clock instead, in tests"""

    hand: Callable[[], Millis] | None = None

    def now(self) -> Millis | None:
        """Return the instant for a script's packed argument; None without a hand-driven clock: it asks the server."""
        return None if self.hand is None else self.hand()

    def argument(self) -> str:
        """Return the instant as a script's argument; '' without a hand-driven clock: the script asks the server."""
        return "" if self.hand is None else str(self.hand())

    def instant(self, time: Sequence[Any]) -> Millis:
        """Return the instant in an answer to TIME, or that of the hand-driven clock."""
        return int(time[0]) * 1000 + int(time[1]) // 1000 if self.hand is None else self.hand()


log = logging.getLogger(__name__)
T = TypeVar("T")
SERVERS = Clock()


class OfCell:
    """A part of the store in one cell. seal: checks records against tampering; None: they are not checked"""

    def __init__(self, wire: Wire, cell: Cell, clock: Clock = SERVERS, seal: Seal | None = None) -> None:
        self._wire = wire
        self._cell = cell
        self._clock = clock
        self._seal = seal


def readable(
    kept: Mapping[str, dict[str, str]], read: Callable[[str, dict[str, str]], T], unreadable: set[str]
) -> dict[str, T]:  # fmt: skip
    """Return the records that can be read, by id. One that cannot is logged and left out, so that the others of its
    round trip can still be used. kept: their fields, by id · unreadable: takes the ids of those left out
    """
    found: dict[str, T] = {}
    for record, fields in kept.items():
        try:
            found[record] = read(record, fields)
        except BrokenRecord as error:
            log.error("%s: %s", record, error)
            unreadable.add(record)
    return found
