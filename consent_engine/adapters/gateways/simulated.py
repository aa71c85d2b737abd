"""A simulated gateway that takes every SMS at once and carries none: for first steps and demonstrations."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from consent_engine.adapters.gateways import http_json
from consent_engine.adapters.gateways.shared_settings import OLD, carried, prefix_of, skew
from consent_engine.adapters.outbound import flag, required
from consent_engine.domain.effects import Accepted, Outcome
from consent_engine.ports import Gateway, Sms


class Simulated:
    """A simulated gateway, whose webhooks have the form and signature of `http_json` for simulated subscribers."""

    def __init__(
        self, name: str, webhooks: http_json.JsonWebhooks, *, sub_numbers: bool, segments: int, reports: bool
    ) -> None:
        self.name = name
        self.sub_numbers, self.segments, self.reports = sub_numbers, segments, reports
        self.webhooks = webhooks

    async def send(self, sms: Sms) -> Outcome:
        """Accept an SMS. The same ref gets the same message id, as from a gateway that honours idempotency keys."""
        return Accepted(f"sim-{sha256(sms.ref.encode()).hexdigest()[:20]}")


def build(name: str, raw: Mapping[str, str], call_timeout: timedelta) -> Gateway:
    """Make a simulated gateway from its own settings: SECRET, SUB_NUMBERS, SKEW, SEGMENTS; with URL, an `http_json` one
    that sends its SMS to a handset there. Raises SettingsError.
    """
    if raw.get("URL"):
        return http_json.build(name, raw, call_timeout)
    prefix = prefix_of(name)
    webhooks = http_json.JsonWebhooks(name, required(prefix, raw, "SECRET"), skew(prefix, raw), raw.get(OLD, ""))
    return Simulated(
        name, webhooks, sub_numbers=flag(prefix, raw, "SUB_NUMBERS"), segments=carried(prefix, raw), reports=False
    )
