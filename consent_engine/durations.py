"""Durations as people write them in settings: `500ms` `90s` `2.5s` `15m` `2h` `1d`."""

import re
from datetime import timedelta
from fractions import Fraction

LONGEST = timedelta(days=366)

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHAPE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)


def duration(text: str) -> timedelta:
    """Read a duration, in whole milliseconds. ValueError says what is wrong, for people, without the text.

    >>> duration("90s"), duration("2.5s"), duration("1d")
    (datetime.timedelta(seconds=90), datetime.timedelta(seconds=2, microseconds=500000), datetime.timedelta(days=1))
    """
    shape = _SHAPE.fullmatch(text.strip())
    if shape is None:
        raise ValueError("is not a duration: write it like 500ms, 90s, 15m, 2h or 1d")
    length = round(Fraction(shape[1]) * _UNITS[shape[2]])
    if not 1 <= length <= LONGEST // timedelta(milliseconds=1):
        raise ValueError(f"must be at least 1ms and at most {LONGEST.days}d")
    return timedelta(milliseconds=length)


def millis(length: timedelta) -> int:
    """A duration in milliseconds."""
    return length // timedelta(milliseconds=1)
