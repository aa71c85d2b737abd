"""A BSS that switches everything on at once and nothing really, and knows nobody: for first steps and demos."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from consent_engine.adapters.outbound import NothingKept, flag
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Accepted, Outcome, Unavailable
from consent_engine.domain.line.subscriber import Subscriber
from consent_engine.ports import Activation, Deactivation, Subscribers


class SimulatedBss(NothingKept):
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


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> SimulatedBss:
    """A simulated BSS; it has no settings."""
    return SimulatedBss(name)


class SimulatedSubscribers(NothingKept):
    """Asked about a subscriber it answers at once, and says nothing against anybody."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}/lookup"

    async def look_up(self, msisdn: str) -> Subscriber | Unavailable:
        """A subscriber of an unknown network."""
        return Subscriber()


def build_look_up(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> Subscribers | None:
    """The look-up of a simulated BSS, where its setting CAN_LOOK_UP says so. Raises SettingsError."""
    prefix = f"CONSENT_BSS_{name.replace(':', '_').upper()}__"
    return SimulatedSubscribers(name) if flag(prefix, raw, "CAN_LOOK_UP") else None
