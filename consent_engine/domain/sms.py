"""SMS from the phone (Reply, MO), reports on SMS to it (DeliveryReport, DLR), and how many segments a text takes."""

import re
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import Msisdn

LONGEST = 2_000
"""Characters of a reply that are kept; thirty SMS have as many."""
MOST_SAID = 20_000
"""No SMS has more, of however many parts: what does is no reply."""
_CUT = " … "
_END = LONGEST // 2
"""Characters of the end that are kept of what is cut: people refuse below what they forward."""
_HALF = re.compile("[\ud800-\udfff]")


def heard(text: str) -> str:
    """A reply's words as they are taken, whatever they are: a refusal among them counts. Half a character, of a long
    text that was cut in its middle, becomes U+FFFD; what is longer than any person writes is cut between its beginning
    and its end, and says so. Neither is a yes.
    """
    return _HALF.sub(
        "\ufffd", text if len(text) <= LONGEST else text[: LONGEST - _END - len(_CUT)] + _CUT + text[-_END:]
    )


REPEATED = "repeated"
"""Why a reply is kept as unmatched that came again: its gateway may have used an id twice."""


class Delivery(StrEnum):
    """What a report says of one of our SMS, in our words."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"


class Part(Struct, frozen=True):
    """Which part of a longer text an SMS is: the n-th (from 1) of so many. reference: the same for all of one text."""

    reference: str
    n: int
    of: int


class Reply(Struct, frozen=True):
    """An SMS from a subscriber, as a gateway posted it.

    message_id: the gateway's own id, the same on a repeat · to: the number it was sent to, digits ·
    written_at: the latest instant it can have been written, by the gateway's clock with its resolution and skew
    added; None when the gateway does not say · part: where it is a part of a longer one, which · data: it is no text,
    or not for a person · stamp: when it was written by the gateway's clock alone
    """

    gateway: str
    message_id: str
    msisdn: Msisdn
    to: str
    text: str
    written_at: Millis | None = None
    part: Part | None = None
    data: bool = False
    stamp: Millis | None = None

    @property
    def whole(self) -> bool:
        """Whether its words are all there are, so that they can mean a yes or a no."""
        return not self.data and (self.part is None or (self.part.n, self.part.of) == (1, 1))


class DeliveryReport(Struct, frozen=True):
    """What became of an SMS to the phone (or one segment of it). `ref` is the engine's: `<owner>.<purpose>.<n>`.

    alone: its segments were handed over one by one, so that a report on one says nothing of the others
    """

    gateway: str
    ref: str
    message_id: str
    status: Delivery
    segment: int = 1
    segments: int = 1
    error: str = ""
    at: Millis | None = None
    alone: bool = False
