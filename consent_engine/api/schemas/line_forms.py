"""Forms about a number itself: its registrations as marketing-free, and its events."""

from typing import Literal

from pydantic import Field

from consent_engine.api.schemas.forms import Channel, Instant, Number, OwnAct
from consent_engine.domain.admission.fields import StrictForm
from consent_engine.domain.carriers import Carrier

Reported = Literal["assigned", "released", "ported_out", "ported_in", "suspended", "resumed"]
"""The events that a network reports; others come from the BSS's answers alone."""


class Register(StrictForm):
    """A number that is marketing-free, by its subscriber's word or a national list. Without a carrier: for all."""

    msisdn: Number
    carrier: Carrier | None = None
    kind: Literal["marketing_free"] = "marketing_free"
    channel: Channel


class Unregister(StrictForm):
    """A registration to lift, on the subscriber's own act. Without a carrier: the one for all carriers."""

    msisdn: Number
    carrier: Carrier | None = None
    kind: Literal["marketing_free"] = "marketing_free"
    evidence: OwnAct


class TellLine(StrictForm):
    """An event of a number, as its network reports it: another holder (`assigned`), none (`released`), and the like."""

    msisdn: Number
    event: Reported
    at: Instant = Field(description="when it happened; not in the future")
    carrier: Carrier | None = Field(None, description="the carrier left or joined by porting; left out: all carriers")
