"""SMS from the phone (Reply, MO), reports on ours (DeliveryReport, DLR), and how many segments a text takes."""

from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import Msisdn

REPEATED = "repeated"
"""Why a reply is kept as unmatched that came again: its gateway may have used an id twice."""


class Delivery(StrEnum):
    """What a report says of one of our SMS, in our words."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"


class Reply(Struct, frozen=True):
    """An SMS from a subscriber, as a gateway told it.

    message_id: the gateway's own id, the same on a repeat · to: the number it was sent to, digits ·
    written_at: the latest instant it can have been written, by the gateway's clock with its resolution and skew
    added; None when the gateway does not say.
    """

    gateway: str
    message_id: str
    msisdn: Msisdn
    to: str
    text: str
    written_at: Millis | None = None


class DeliveryReport(Struct, frozen=True):
    """What became of one of our SMS (or one segment of it). `ref` is ours: `<owner>.<purpose>.<n>`."""

    gateway: str
    ref: str
    message_id: str
    status: Delivery
    segment: int = 1
    segments: int = 1
    error: str = ""
    at: Millis | None = None
