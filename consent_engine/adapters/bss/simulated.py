"""A BSS that switches everything on at once and nothing really: for first steps and demonstrations."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Accepted, Outcome
from consent_engine.ports import Activation, Deactivation


class SimulatedBss:
    """Idempotent because it remembers nothing: the answer is made from the order alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.can_ask = False

    async def activate(self, activation: Activation) -> Outcome:
        """Switch it on, since the moment it was confirmed."""
        ref = f"sim-{sha256(activation.order_id.encode()).hexdigest()[:20]}"
        return Accepted(ref, GREENWICH.instant(activation.confirmed_at))

    async def ask(self, order_id: str) -> Outcome | None:
        """Cannot be asked."""
        return None

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        """Switch it off, since the moment it was asked for."""
        ref = f"sim-{sha256(deactivation.ending_id.encode()).hexdigest()[:20]}"
        return Accepted(ref, GREENWICH.instant(deactivation.asked_at))

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """Cannot be asked."""
        return None

    async def close(self) -> None:
        """There is nothing to give back."""


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> SimulatedBss:
    """A simulated BSS; it has no settings."""
    return SimulatedBss(name)
