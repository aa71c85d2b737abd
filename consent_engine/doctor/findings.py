"""The result of a check: its level, the fault, and the command to type."""

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
    """The result of one check; `do` is the command to type, where something is wrong."""

    level: Level
    what: str
    do: str = ""


def good(text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.GOOD, text)


def warn(text: str, do: str) -> Finding:
    """Return a finding that can wait for working hours."""
    return Finding(Level.WARN, text, do)


def bad(text: str, do: str) -> Finding:
    """Return a finding that endangers a promise, or stops work."""
    return Finding(Level.BAD, text, do)


def named(ids: Iterable[str]) -> str:
    """Return the number of ids, and the first of them.

    >>> named(f"o{n}" for n in range(7))
    '7: o0, o1, o2, o3, o4, ...'
    """
    found = list(dict.fromkeys(ids))
    return f"{len(found)}: {', '.join(found[:SHOWN])}{', ...' if len(found) > SHOWN else ''}"
