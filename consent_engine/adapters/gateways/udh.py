"""User data headers (3GPP TS 23.040, 9.2.3.24): which part of a longer SMS this is, and whether it is for a program."""

from urllib.parse import unquote_to_bytes

from msgspec import Struct

from consent_engine.domain.sms import Part

CONCATENATED_8, CONCATENATED_16 = 0x00, 0x08
PORTS = frozenset({0x04, 0x05})
_LENGTHS = {CONCATENATED_8: 3, CONCATENATED_16: 4}
UNREADABLE = Part("", 0, 0)
"""Of a header that says nothing we can read: some part of something."""


def concatenated(reference: int, of: int, n: int) -> str:
    """The header of the n-th of so many parts, escaped. reference: what they have in common; 8 bits of it count."""
    return "".join(f"%{octet:02x}" for octet in (5, CONCATENATED_8, 3, reference & 0xFF, of, n))


class Header(Struct, frozen=True):
    """What a header says. part: which one of a longer text · to_a_program: it names a port, so nobody reads it."""

    part: Part | None = None
    to_a_program: bool = False

    @classmethod
    def read(cls, escaped: str) -> "Header":
        """A header as it stands in a URL or in an HTTP header, escaped; '' when there is none. Never raises."""
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
