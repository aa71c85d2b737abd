"""The port to reservations: an Idempotency-Key stands for one request, a recording for one call."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Claim(Struct, frozen=True):
    """A reservation of an Idempotency-Key. taken: where another request has it, that request's fingerprint,
    order and instant."""

    now: Millis
    taken: tuple[str, str, Millis] | None
    seen: str = ""


class Reservations(Protocol):
    """Idempotency-Keys and recordings that are taken, by their hashes."""

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        """Reserve keys: (key hash, fingerprint, id of the record, claimant, reservation to take over or '')."""

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        """Give reservations back: (key hash, claimant)."""

    def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        """Delete reservations of records that were retired: (key hash, id of the record it stands for)."""
