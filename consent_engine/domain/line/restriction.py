"""Restrictions: whatever stands on a line and bars something. One concept, and one table of the kinds there are.

A restriction is a field of its line, `r:<carrier>` for a refusal and `r:<kind>:<carrier>` for the others (`*` for every
carrier), so that the scripts read and write the very rows that the door, dialling and lifting go by.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from consent_engine.domain.canonical_json import Rows
from consent_engine.domain.effects import Millis

EVERY_CARRIER = "*"
SUSPICION_LASTS_MS = 24 * 3_600_000
"""How long a suspected refusal waits for a person; undecided after that, it is a refusal."""


class Kind(StrEnum):
    """Why something is barred."""

    REFUSED = "refused"
    """The subscriber wants no more calls. It ends the open orders."""
    SUSPECTED = "suspected"
    """Words that a person must read may be a refusal. The open orders wait."""


_PREFIX: Mapping[Kind, str] = MappingProxyType({Kind.REFUSED: "", Kind.SUSPECTED: "suspected:"})


class Restriction(Struct, frozen=True):
    """What stands on a line.

    carrier: which may not, `*` for all · since: when it began to stand · door, ref: how it came, and its id there ·
    last: the newest act of the subscriber that means the same · reason, text: of a suspicion, why, and the words ·
    left_out, newest_text: where these would be too many, how many messages are not kept here, and the newest one
    """

    kind: Kind
    carrier: str
    since: Millis
    door: str
    ref: str
    last: Millis = 0
    reason: str = ""
    text: str = ""
    left_out: int = 0
    newest_text: str = ""

    @property
    def words(self) -> str:
        """The words of a suspicion, a message a line; a line `…` stands for messages that are not kept here."""
        return "\n".join((self.text, *["…"] * bool(self.left_out), *[self.newest_text] * bool(self.newest_text)))

    @property
    def name(self) -> str:
        """Its name on the line: `mobile`, `*`, `suspected:mobile`."""
        return name_of(self.kind, self.carrier)

    @property
    def newest(self) -> Millis:
        """The newest act of the subscriber that this restriction stands for."""
        return max(self.since, self.last)

    def bars(self, carrier: str | None) -> bool:
        """Whether it stands against `carrier`; None: against any."""
        return carrier is None or self.carrier in {carrier, EVERY_CARRIER}

    @classmethod
    def read(cls, name: str, kept: str) -> "Restriction":
        """A restriction from its field, without the `r:`. Raises ValueError."""
        kind, _, carrier = name.rpartition(":")
        return _ROWS.read(kept, Kind(kind) if kind else Kind.REFUSED, carrier)

    def kept(self) -> str:
        """As kept in its field."""
        return _ROWS.write(self)


_ROWS = Rows(Restriction, least=3, named=2)


def name_of(kind: Kind, carrier: str) -> str:
    """The name of a restriction on its line."""
    return f"{_PREFIX[kind]}{carrier}"


@lru_cache(maxsize=64)  # asked with every reply and every yes
def names_barring(carrier: str) -> tuple[str, ...]:
    """The names of all that bars `carrier`; `{}` for a carrier gives the pattern of them."""
    return tuple(name_of(kind, scope) for kind in Kind for scope in (EVERY_CARRIER, carrier))


SETTLING = tuple(name_of(Kind.REFUSED, scope) for scope in (EVERY_CARRIER, "{}"))
"""The pattern of what ends an open order; all else makes it wait."""
BARRING = names_barring("{}")
