"""A gateway that takes every SMS at once and carries none: for first steps, demonstrations, and a shadow."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from consent_engine.adapters.gateways import templated
from consent_engine.adapters.gateways.shared_settings import carried, prefix_of
from consent_engine.adapters.outbound import flag
from consent_engine.domain.effects import Accepted, Outcome
from consent_engine.ports import Gateway, Sms, Webhooks
from consent_engine.verify import SHADOW


class Simulated:
    """A gateway without a way out: what it accepts is written down where it was asked for, and nowhere else.

    mark: how the ids that it gives begin
    """

    reports = False

    def __init__(self, name: str, webhooks: Webhooks, *, sub_numbers: bool, segments: int, mark: str = "sim-") -> None:
        self.name = name
        self.sub_numbers, self.segments = sub_numbers, segments
        self.webhooks = webhooks
        self._mark = mark

    async def send(self, sms: Sms) -> Outcome:
        """Accept an SMS. The same ref gets the same message id, as from a gateway that honours idempotency keys."""
        return Accepted(f"{self._mark}{sha256(sms.ref.encode()).hexdigest()[:20]}")


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> Gateway:
    """Make a simulated gateway from its own settings: SECRET, SUB_NUMBERS, SKEW, SEGMENTS; with URL, an `http_json` one
    that sends its SMS to a handset there. Raises SettingsError.
    """
    if raw.get("URL"):
        return templated.build(name, raw, call_timeout)
    prefix = prefix_of(name)
    webhooks = templated.webhooks(name, raw, templated.mapping_of(templated.GENERIC))
    return Simulated(name, webhooks, sub_numbers=flag(prefix, raw, "SUB_NUMBERS"), segments=carried(prefix, raw))


def shadow_of(gateway: Gateway) -> Gateway:
    """Return the shadow of a gateway: it reads the same posts, and takes SMS without handing them on. Nobody answers a
    question of the shadow's: the replies that come are to another system's, so it has no numbers of its own for orders,
    and no reports.
    """
    return Simulated(gateway.name, gateway.webhooks, sub_numbers=False, segments=gateway.segments, mark=SHADOW)
