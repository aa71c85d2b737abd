"""A gateway that takes every SMS at once and carries none: for first steps, demonstrations, and a shadow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from consent_engine.adapters.gateways import templated
from consent_engine.adapters.gateways.shared_settings import OfEveryGateway, of_every
from consent_engine.domain.effects import Accepted, Outcome
from consent_engine.ports import Gateway, Sms
from consent_engine.verify import SHADOW


@dataclass
class Simulated(OfEveryGateway):
    """A gateway without a way out: what it accepts is written down where it was asked for, and nowhere else.

    mark: how the ids that it gives begin
    """

    mark: str = "sim-"

    async def send(self, sms: Sms) -> Outcome:
        """Accept an SMS. The same ref gets the same message id, as from a gateway that honours idempotency keys."""
        return Accepted(f"{self.mark}{sha256(sms.ref.encode()).hexdigest()[:20]}")


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> Gateway:
    """Make a simulated gateway from its own settings: SECRET, SUB_NUMBERS, SKEW, SEGMENTS; with URL, an `http_json` one
    that sends its SMS to a handset there. Raises SettingsError.
    """
    if raw.get("URL"):
        return templated.build(name, raw, call_timeout)
    made = Simulated(*of_every(name, raw, templated.webhooks(name, raw, templated.mapping_of(templated.GENERIC))))
    return replace(made, reports=False)


def shadow_of(gateway: Gateway) -> Gateway:
    """Return the shadow of a gateway: it reads the same posts, and takes SMS without handing them on. Nobody answers a
    question of the shadow's: the replies that come are to another system's, so it has no numbers of its own for orders,
    and no reports.
    """
    return Simulated(
        gateway.name, gateway.webhooks, sub_numbers=False, segments=gateway.segments, reports=False, mark=SHADOW
    )
