"""The simulated BSS asked about a subscriber: it knows nobody, so it says nothing against anybody."""

from collections.abc import Mapping
from datetime import timedelta

from consent_engine.adapters.outbound import flag
from consent_engine.domain.effects import Unavailable
from consent_engine.domain.line.subscriber import Subscriber
from consent_engine.ports import Subscribers


class SimulatedSubscribers:
    """Answers at once, and reaches nobody."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}/lookup"

    async def look_up(self, msisdn: str) -> Subscriber | Unavailable:
        """A subscriber of an unknown network."""
        return Subscriber()

    async def close(self) -> None:
        """There is nothing to give back."""


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> Subscribers | None:
    """The look-up of a simulated BSS, where its setting CAN_LOOK_UP says so. Raises SettingsError."""
    prefix = f"CONSENT_BSS_{name.replace(':', '_').upper()}__"
    return SimulatedSubscribers(name) if flag(prefix, raw, "CAN_LOOK_UP") else None
