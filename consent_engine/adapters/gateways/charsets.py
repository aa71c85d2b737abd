"""The text of a message that comes as bytes: in the charset that is named, or, where they are not of it, the refusal
that they are in another one.
"""

from contextlib import suppress

from consent_engine.domain.grammar import Keyword, counted, read

READ = frozenset({"utf-8", "utf-16be", "us-ascii", "iso-8859-1", "windows-1252"})
"""The charsets in which any answer is read."""
HEARD = ("utf-8", "utf-16-be", "utf-16-le", "gb18030")
"""Those in which a refusal is heard, whatever charset was named."""
REFUSALS = frozenset({Keyword.STOP, Keyword.HOLD})


def text_of(body: bytes, named: str) -> tuple[str, bool]:
    """Return the text, and whether it may be an answer: else it is a refusal, and nothing but that is sure of it. Bytes
    that do not decode stay visible as backslash escapes, which can form no keyword.
    """
    charset = named.lower()
    if charset in READ:
        with suppress(UnicodeDecodeError):
            return body.decode(charset), True
    for each in HEARD:
        text = body.decode(each, "replace")
        if counted(read(text.removeprefix("\ufeff")).keyword) in REFUSALS:
            return text, each == HEARD[0] and "\ufffd" not in text
    return body.decode(charset if charset in READ else "utf-8", "backslashreplace"), True
