"""An SMS in parts: charsets, the user data header, the parts' common reference, and the outcome of the whole."""

import re
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import unquote_to_bytes
from zlib import crc32

from msgspec import Struct

from consent_engine.adapters.gateways.shared_settings import refuses
from consent_engine.domain.effects import OF_ORDERS, Accepted, Outcome, Purpose, Throttled, Unavailable, Uncertain
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.sms import Part

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


CONCATENATED_8, CONCATENATED_16 = 0x00, 0x08
PORTS = frozenset({0x04, 0x05})
_LENGTHS = {CONCATENATED_8: 3, CONCATENATED_16: 4}
UNREADABLE = Part("", 0, 0)
"""The part of an SMS whose header cannot be read: an unknown part of an unknown text."""


def concatenated(reference: int, of: int, n: int) -> str:
    """Return the escaped header of part n of `of`. reference: common to all parts; its lowest 8 bits count"""
    return "".join(f"%{octet:02x}" for octet in (5, CONCATENATED_8, 3, reference & 0xFF, of, n))


UNKNOWN = "UNKNOWN"
"""The state of an SMS of which the SMSC has lost track: it may be on the handset."""
STATS = {
    "EXPIRED": Hitch.SMS_EXPIRED,
    "DELETED": Hitch.DELETED_AT_SMSC,
    "UNDELIV": Hitch.UNDELIVERABLE,
    "REJECTD": Hitch.REJECTED_BY_SMSC,
}
REFUSALS = {
    0x08: Hitch.SYSTEM_ERROR,
    0x0A: Hitch.WRONG_SOURCE,
    0x0B: Hitch.WRONG_DESTINATION,
    0x14: Hitch.QUEUE_FULL,
    0x45: Hitch.SUBMIT_FAILED,
    0x58: Hitch.THROTTLED,
}
"""The reasons with which an SMSC refuses an SMS: command_status, SMPP 3.4, 5.1.3."""
_NACK = re.compile(r"NACK/0x([0-9a-f]{8})/")
_STAT = re.compile(r"\bstat:([A-Z]{4,8})\b")
_ERR = re.compile(r"\berr:([0-9A-Za-z]{1,4})\b")


def receipt(said: str) -> tuple[str, str]:
    """Return the state that a receipt names ('' for none), and the reason of the failure. The rest of a receipt
    may quote the SMS, and is left out.
    """
    if nack := _NACK.match(said):
        status = int(nack[1], 16)
        name, shown = REFUSALS.get(status), f"0x{status:02x}"
        return "", Hitch.NACK_FOR.of(shown, name.of()) if name else Hitch.NACK.of(shown)
    head = said.partition("text:")[0]
    stat, err = _STAT.search(head), _ERR.search(head)
    if stat is None or stat[1] not in {UNKNOWN, *STATS}:
        return "", ""
    if stat[1] == UNKNOWN:
        return UNKNOWN, ""
    why = STATS[stat[1]].of()
    return stat[1], Hitch.WITH_ERROR.of(err[1], why) if err and err[1].strip("0") else why


class Header(Struct, frozen=True):
    """A user data header. part: which part of a longer text · to_a_program: it names a port, so no person reads it"""

    part: Part | None = None
    to_a_program: bool = False

    @classmethod
    def read(cls, escaped: str) -> "Header":
        """Read an escaped header, as in a URL or an HTTP header; '' when there is none. Never raises."""
        octets = unquote_to_bytes(escaped)
        if not octets:
            return cls()
        elements, rest = [], octets[1:]
        if octets[0] != len(rest):
            return cls(UNREADABLE)
        while rest:
            if len(rest) < 2 or len(rest) < 2 + rest[1]:  # noqa: PLR2004 - its kind and its length
                return cls(UNREADABLE)
            elements.append((rest[0], rest[2 : 2 + rest[1]]))
            rest = rest[2 + rest[1] :]
        parts = [_part(kind, data) for kind, data in elements if kind in _LENGTHS]
        return cls(parts[-1] if parts else None, any(kind in PORTS for kind, _ in elements))


def _part(kind: int, data: bytes) -> Part:
    if len(data) != _LENGTHS[kind]:
        return UNREADABLE
    *reference, of, n = data
    return Part(bytes((kind, *reference)).hex(), n, of) if 1 <= n <= of else UNREADABLE


def reference(ref: str) -> int:
    """Return the reference that the parts of an SMS have in common.

    It is the same at every attempt, so that a part sent again counts as a repeat; other SMS of the same order in these
    hours have another one. Only its lowest 8 bits are used.
    """
    owner, purpose, n = ref.split(".")
    return crc32(owner.encode()) + 16 * _PLACES.get(Purpose(purpose), _OF_A_LINE) + int(n)


_PLACES = {purpose: n for n, purpose in enumerate(OF_ORDERS)}
_OF_A_LINE = 15
"""The one place that all SMS of a line share, for these are numbered by the line's versions."""


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of the whole: that of its parts, or doubt where only some were taken, or may have been."""
    missing = [outcome for outcome in outcomes if not isinstance(outcome, Accepted)]
    if not missing:
        return next((each for each in outcomes if isinstance(each, Accepted) and each.note), outcomes[0])
    doubtful = next((each for each in missing if isinstance(each, Uncertain)), None)
    if len(missing) < len(outcomes):
        why = (doubtful or missing[0]).reason
        return Uncertain(Hitch.PARTS.of(len(missing), len(outcomes), why))
    if doubtful is not None:
        return doubtful
    later = [each for each in missing if isinstance(each, Unavailable)]
    return max(later, key=lambda each: (each.refusing, isinstance(each, Throttled), each.after), default=missing[0])
