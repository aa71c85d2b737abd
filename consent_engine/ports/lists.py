"""The port to lists in the store, and what a count of records in SQL is."""

from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Tally(Struct, frozen=True):
    """How many of one kind there are (restrictions, endings, calls to review). oldest: since when; 0: there are none"""

    count: int = 0
    oldest: Millis = 0


class Lists(Protocol):
    """Lists of the store itself."""

    def open_orders(self, limit: int) -> list[str]:
        """Return orders with pending effects: every unsettled one, and some whose notification waits."""

    def lifted(self, most: int) -> list[str]:
        """Return the records of the newest liftings (JSON: carrier, at, by, evidence, ...), newest first."""
