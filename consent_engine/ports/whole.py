"""The port to all that a store had, as SQL has it: an empty store is filled from it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.order.order import Order
from consent_engine.ports.journal import LineKept
from consent_engine.ports.records import Owner


class Kept(NamedTuple):
    """A record and its fields as the store had them, pending effects included. record: None where it cannot be read"""

    id: str
    record: Order | Call | Ending | Report | None
    fields: Mapping[str, str]


class Whole(Protocol):
    """All that a store had at the scribe's last beat. Every method raises ArchiveUnavailable as the Archive does."""

    def records(self, owner: Owner) -> Iterator[list[Kept]]:
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
