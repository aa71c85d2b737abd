"""The port to reveals: who was shown the number of an order that is masked for them, and why."""

from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Reveal(Struct, frozen=True, array_like=True):
    """A masked number, and the words of its subscriber, were shown. by: name of the key · role: of the key, then"""

    at: Millis
    order: str
    by: str
    role: str
    reason: str


class Reveals(Protocol):
    """What was revealed. Writes are proven."""

    def note(self, reveal: Reveal) -> None:
        """Keep it; nothing is shown before this returns. Raises StoreUnavailable."""

    def newest(self, most: int) -> list[Reveal]:
        """The newest ones, newest first. Raises StoreUnavailable."""
