"""SMS from the phone (Reply, MO), reports on SMS to it (DeliveryReport, DLR), and the segments that a text takes on the
air, which set its cost, and how many reports will come back.
"""

import re
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import Msisdn

LONGEST = 2_000
"""The most characters kept of a reply: as many as thirty SMS have."""
MOST_SAID = 20_000
"""The most characters of an SMS, of however many parts: a longer text is no reply."""
MOST_POSTED = 2 * LONGEST
"""The most characters kept of a gateway's post about one reply: a longer one is kept as its reply alone."""
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
    it is no text, or not for a person · stamp: when it was written, by the gateway's clock alone · came: when it
    reached us, of one that waited until the store could take it; 0: now · posted: the post about it as JSON, without
    proofs of the gateway; '' where it is longer than MOST_POSTED
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
    came: Millis = 0
    posted: str = ""

    @property
    def whole(self) -> bool:
        """Whether the text is complete, so that it can mean a yes or a no."""
        return not self.data and (self.part is None or (self.part.n, self.part.of) == (1, 1))


class DeliveryReport(Struct, frozen=True):
    """The delivery of an SMS to the phone (or one segment of it). `ref` is the engine's: `<owner>.<purpose>.<n>`.

    message_id: the id that the gateway's answer gives this SMS; '' where the gateway's reports have others · alone: its
    segments were handed over one by one, so that a report on one says nothing of the others · came: as of a Reply
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
    came: Millis = 0


class Encoding(StrEnum):
    """The encoding of an SMS's characters."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


MOST_SEGMENTS = 255
"""The most segments that the header of a segment can count."""

# 3GPP TS 23.038: the basic alphabet, and the characters that need an escape before them.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("\f^{}\\[~]|€")
_GSM7 = _BASIC | _ESCAPED
_LAST_BMP = "\uffff"

# (room of a single segment, of one of several: a header takes the difference)
_ROOM = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}


def encoding(text: str) -> Encoding:
    """Return GSM-7 when every character is in its alphabet, else UCS-2 for the whole text."""
    return Encoding.GSM7 if _GSM7.issuperset(text) else Encoding.UCS2


def segments(text: str) -> int:
    """Return how many segments `text` is sent in. An empty text is one SMS.

    >>> segments("a" * 160), segments("a" * 161), segments("是" * 70), segments("是" * 71)
    (1, 2, 1, 2)
    """
    used = encoding(text)
    alone, each = _ROOM[used]
    doubles = _doubles(text, used)
    units = len(text) + doubles
    if units <= alone:
        return 1
    return len(_cut(text, used, each)) if doubles else -(-units // each)


def split(text: str) -> list[str]:
    """Split `text` into the segments it is sent in, as many as `segments` says; no character is cut in half.

    >>> [len(part) for part in split("是" * 71)], split("Y")
    ([67, 4], ['Y'])
    """
    used = encoding(text)
    alone, each = _ROOM[used]
    return [text] if len(text) + _doubles(text, used) <= alone else _cut(text, used, each)


def _doubles(text: str, used: Encoding) -> int:
    """Count the characters that take two units."""
    if used is Encoding.UCS2:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2 - len(text)
    return 0 if _ESCAPED.isdisjoint(text) else sum(map(_ESCAPED.__contains__, text))


def _cut(text: str, used: Encoding, each: int) -> list[str]:
    """Cut a text into segments of at most `each` units."""
    found, start, filled = [], 0, 0
    for n, character in enumerate(text):
        width = 2 if (character in _ESCAPED if used is Encoding.GSM7 else character > _LAST_BMP) else 1
        if filled + width > each:
            found.append(text[start:n])
            start, filled = n, 0
        filled += width
    return [*found, text[start:]]
