"""What lists of restrictions hold, and what becomes of lifting one."""

from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.restriction import Restriction


class LiftedWord(StrEnum):
    """What became of a lifting."""

    OK = "ok"
    NONE = "none"
    """no such refusal stands"""
    NEWER = "newer"
    """it stands for an act newer than the one that was to lift it"""


class Standing(Struct, frozen=True):
    """A restriction in a list: its name and instant there (the cursor), its line and number; None: it just went."""

    name: str
    at: Millis
    line: str
    msisdn: str
    restriction: Restriction | None
