"""The port to all that a store had, as SQL has it: an empty store is filled from it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from consent_engine.domain.effects import Millis
from consent_engine.ports.archive import Kept
from consent_engine.ports.journal import LineKept
from consent_engine.ports.snapshot import R


class Whole(Protocol):
    """All that a store had at the scribe's last beat. Every method raises ArchiveUnavailable as the Archive does."""

    def records(self, kind: type[R]) -> Iterator[list[Kept[R]]]:
        """Yield the records of a kind that had not left the store, in pieces, by id."""

    def standing(self, orders: Sequence[str]) -> set[str]:
        """Return those of these orders that had not left the store."""

    def lines(self) -> Iterator[dict[str, LineKept]]:
        """Yield the numbers, each whole, in pieces, by id."""

    def plans(self) -> Mapping[str, Mapping[str, str]]:
        """Return the catalogue, as `Retirement.plans` gave it."""

    def secret(self) -> str:
        """Return the check value of the secret that all of it is under; "" where nothing was ever written out."""

    def until(self) -> Millis:
        """Return the instant of the newest change that is here; 0 where there is none."""
