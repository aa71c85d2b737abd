"""The text of a message that comes as bytes: in the charset that is named, or, where they are not of it, the refusal
that they are in another one.
"""

from contextlib import suppress

from consent_engine.adapters.gateways.refusals import refuses

READ = frozenset({"utf-8", "utf8", "utf-16be", "us-ascii", "iso-8859-1", "windows-1252"})
"""The charsets in which any answer is read."""
ONE_BYTE = frozenset({"iso-8859-1", "windows-1252"})
"""Those of them in which nearly all bytes are text, also those of a text in another charset."""
HEARD = ("utf-8", "utf-16-be", "utf-16-le", "gb18030")
"""The charsets in which a refusal is heard, with any charset named."""


def text_of(body: bytes, named: str) -> tuple[str, bool]:
    """Return the text, and whether it may be an answer, or a part of one. Nothing is but a text in a charset that is
    named and read: of any other, whatever it looks like, only a refusal is sure. Bytes that do not decode stay visible
    as backslash escapes, which can form no keyword: a part that was cut within a character has some.
    """
    charset, text = named.lower(), None
    if charset in READ:
        with suppress(UnicodeDecodeError):
            text = body.decode(charset)
    if text is not None and (charset not in ONE_BYTE or body.isascii() or refuses(text)):
        return text, True
    for each in HEARD:
        other = body.decode(each, "replace")
        if refuses(other.removeprefix("\ufeff")):
            return other, False
    if text is not None:
        return text, True
    return body.decode(charset if charset in READ else "utf-8", "backslashreplace"), charset in READ
