"""What a look finds: how bad it is, what it is, and what to type."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SHOWN = 5
"""How many records a finding names."""


class Level(StrEnum):
    """How bad a finding is. BAD endangers a promise, or stops work."""

    GOOD = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `do` is what to type, where something is wrong."""

    level: Level
    what: str
    do: str = ""


def good(what: str) -> Finding:
    """All is well with this."""
    return Finding(Level.GOOD, what)


def warn(what: str, do: str) -> Finding:
    """To be seen to by day."""
    return Finding(Level.WARN, what, do)


def bad(what: str, do: str) -> Finding:
    """This endangers a promise, or stops work."""
    return Finding(Level.BAD, what, do)


def named(ids: Iterable[str]) -> str:
    """How many, and the first of them.

    >>> named(f"o{n}" for n in range(7))
    '7: o0, o1, o2, o3, o4, ...'
    """
    found = list(dict.fromkeys(ids))
    return f"{len(found)}: {', '.join(found[:SHOWN])}{', ...' if len(found) > SHOWN else ''}"
