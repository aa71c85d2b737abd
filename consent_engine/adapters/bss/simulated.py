"""A BSS that accepts everything at once, switches nothing and knows no subscriber: for demonstrations and shadows."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from consent_engine.adapters.outbound import flag
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import UNSETTLED, Accepted, Outcome, Settlement, Unavailable
from consent_engine.domain.line.holder import Subscriber
from consent_engine.ports import Activation, Deactivation, Subscribers


class SimulatedBss:
    """A BSS that is idempotent because it remembers nothing: it makes its answer from the order or ending alone.

    mark: how the refs that it gives begin
    """

    def __init__(self, name: str, mark: str = "sim-") -> None:
        self.name = name
        self._mark = mark
        self.can_ask = False

    async def activate(self, activation: Activation) -> Outcome:
        """Accept an activation, as active since the order was confirmed."""
        ref = f"{self._mark}{sha256(activation.order_id.encode()).hexdigest()[:20]}"
        return Accepted(ref, GREENWICH.instant(activation.confirmed_at))

    async def ask(self, order_id: str) -> Outcome | None:
        """Return None: it cannot be asked."""
        return None

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        """Accept a deactivation, in force since the moment it was asked for."""
        ref = f"{self._mark}{sha256(deactivation.ending_id.encode()).hexdigest()[:20]}"
        settled = Settlement(fee="0.00") if deactivation.free_exit else UNSETTLED
        return Accepted(ref, GREENWICH.instant(deactivation.asked_at), settled=settled)

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """Return None: it cannot be asked."""
        return None


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> SimulatedBss:
    """Make a simulated BSS; it has no settings of its own."""
    return SimulatedBss(name)


class SimulatedSubscribers:
    """A look-up that answers at once, and gives no reason against any subscriber."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}/lookup"

    async def look_up(self, msisdn: str) -> Subscriber | Unavailable:
        """Return a subscriber of an unknown network."""
        return Subscriber()


def build_look_up(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> Subscribers | None:
    """Make the look-up of a simulated BSS; None unless its setting CAN_LOOK_UP is true. Raises SettingsError."""
    prefix = f"CONSENT_BSS_{name.replace(':', '_').upper()}__"
    return SimulatedSubscribers(name) if flag(prefix, raw, "CAN_LOOK_UP") else None
