"""SMS from the phone (Reply, MO), and reports on SMS to it (DeliveryReport, DLR)."""

import re
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import Msisdn

LONGEST = 2_000
"""The most characters kept of a reply: as many as thirty SMS have."""
MOST_SAID = 20_000
"""The most characters of an SMS, of however many parts: a longer text is no reply."""
_CUT = " … "
_END = LONGEST // 2
"""Characters kept of the end of a text that is cut: people write a refusal below the text they forward."""
_HALF = re.compile("[\ud800-\udfff]")


def heard(text: str) -> str:
    """A reply's words as they arrive, of any kind: a refusal among them counts. A lone surrogate, as where
    a long text was cut within a character, becomes U+FFFD; a text longer than any person writes is cut in its middle,
    with a mark. Neither is a yes.
    """
    return _HALF.sub(
        "\ufffd", text if len(text) <= LONGEST else text[: LONGEST - _END - len(_CUT)] + _CUT + text[-_END:]
    )


REPEATED = "repeated"
"""The reason of an unmatched reply whose id came before: its gateway may have used an id twice."""


class Delivery(StrEnum):
    """The status that a delivery report gives one of our SMS, in the engine's words."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"


class Part(Struct, frozen=True):
    """The place of an SMS in a longer text: part n (from 1) of `of`. reference: the same for all parts of one text"""

    reference: str
    n: int
    of: int


class Reply(Struct, frozen=True):
    """An SMS from a subscriber, as a gateway posted it.

    message_id: the gateway's own id, the same on a repeat · to: the number it was sent to, digits ·
    written_at: the latest instant it can have been written, by the gateway's clock with its resolution and skew
    added; None when the gateway does not say · part: its place in a longer text, None for a whole one · data: whether
    it is no text, or not for a person · stamp: when it was written, by the gateway's clock alone
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
        """Whether the text is complete, so that it can mean a yes or a no."""
        return not self.data and (self.part is None or (self.part.n, self.part.of) == (1, 1))


class DeliveryReport(Struct, frozen=True):
    """The delivery of an SMS to the phone (or one segment of it). `ref` is the engine's: `<owner>.<purpose>.<n>`.

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
