"""What lists of restrictions hold, and what becomes of lifting one."""

from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Restriction


class LiftedWord(StrEnum):
    """What became of a lifting."""

    OK = "ok"
    NONE = "none"
    """no such refusal stands"""
    NEWER = "newer"
    """it stands for an act newer than the one that was to lift it"""


class Tally(Struct, frozen=True):
    """How many restrictions of a kind stand, and since when the oldest does; 0: none stands."""

    count: int = 0
    oldest: Millis = 0


class Standing(Struct, frozen=True):
    """A restriction in a list: its name and instant there (the cursor), its line and number; None: it just went."""

    name: str
    at: Millis
    line: str
    msisdn: str
    restriction: Restriction | None
