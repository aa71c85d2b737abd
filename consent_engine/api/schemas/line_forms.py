"""Forms of what is said of a number itself: its registrations, and what became of it."""

from typing import Literal

from pydantic import Field

from consent_engine.api.schemas.forms import Channel, Instant, Number, OwnAct
from consent_engine.domain.admission.strict_form import StrictForm
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.line.holder import LineEvent


class Register(StrictForm):
    """A number that is marketing-free, by its subscriber's word or a national list. Without a carrier: to all."""

    msisdn: Number
    carrier: Carrier | None = None
    kind: Literal["marketing_free"] = "marketing_free"
    channel: Channel


class Unregister(StrictForm):
    """A registration to lift, on the subscriber's own act. Without a carrier: the one to all of them."""

    msisdn: Number
    carrier: Carrier | None = None
    kind: Literal["marketing_free"] = "marketing_free"
    evidence: OwnAct


class TellLine(StrictForm):
    """What became of a number, as its network says: another holder (`assigned`), none (`released`), and the like."""

    msisdn: Number
    event: LineEvent
    at: Instant = Field(description="when it happened; not in the future, nor before the newest that is known")
    carrier: Carrier | None = Field(None, description="which one it was ported out of, or into; without: all of them")
