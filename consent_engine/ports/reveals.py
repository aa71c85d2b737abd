"""The port to reveals: the person shown an order's masked number, the instant, the reason."""

from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Reveal(Struct, frozen=True, array_like=True):
    """One showing of a masked number and its subscriber's words. by: name of the key · role: the key's role then ·
    name: its own, in the order's chain, too; two of one instant are two
    """

    at: Millis
    order: str
    by: str
    role: str
    reason: str
    name: str


class Reveals(Protocol):
    """The reveals of an installation. Writes are proven durable."""

    def note(self, reveal: Reveal) -> None:
        """Keep a reveal; nothing is shown before this returns. Raises StoreUnavailable."""

    def newest(self, most: int) -> list[Reveal]:
        """Return the newest reveals, newest first. Raises StoreUnavailable."""
