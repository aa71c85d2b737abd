"""Segments that a text takes on the air: they set its cost, and how many reports will come back."""

from enum import StrEnum


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
