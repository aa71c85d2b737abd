"""The port to reservations: an Idempotency-Key stands for one request, a recording for one call."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Claim(Struct, frozen=True):
    """The answer to reserving an Idempotency-Key. now: the server's instant · held_by: where another request has the
    key, that request's fingerprint, order and instant · seen: that reservation as kept, to name when taking it over"""

    now: Millis
    held_by: tuple[str, str, Millis] | None
    seen: str = ""


class Reservations(Protocol):
    """The Idempotency-Keys and recordings that are reserved, by their hashes."""

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        """Reserve keys, each: (key hash, fingerprint, id of the record, claimant, reservation to take over or '')."""

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        """Give reservations back, each: (key hash, claimant)."""

    def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        """Delete the reservations of retired records, each: (key hash, id of the record it is reserved for)."""
