"""A BSS that switches everything on at once and nothing really: for first steps and demonstrations."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from consent_engine.domain.effects import Accepted, Outcome
from consent_engine.ports import Activation, Deactivation


class SimulatedBss:
    """Idempotent because it remembers nothing: the answer is made from the order alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.can_ask = False

    async def activate(self, activation: Activation) -> Outcome:
        """Switch it on, since the moment it was confirmed."""
        since = datetime.fromtimestamp(activation.confirmed_at / 1000, UTC)
        ref = f"sim-{sha256(activation.order_id.encode()).hexdigest()[:20]}"
        return Accepted(ref, since.isoformat(timespec="milliseconds"))

    async def ask(self, order_id: str) -> Outcome | None:
        """Cannot be asked."""
        return None

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        """Switch it off, since the moment it was asked for."""
        since = datetime.fromtimestamp(deactivation.asked_at / 1000, UTC)
        ref = f"sim-{sha256(deactivation.ending_id.encode()).hexdigest()[:20]}"
        return Accepted(ref, since.isoformat(timespec="milliseconds"))

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """Cannot be asked."""
        return None

    async def close(self) -> None:
        """There is nothing to give back."""


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> SimulatedBss:
    """A simulated BSS; it has no settings."""
    return SimulatedBss(name)
