"""Durations as people write them in settings: `500ms` `90s` `2.5s` `15m` `2h` `1d`."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST = timedelta(days=366)

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHAPE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)


def duration(text: str, longest: timedelta = LONGEST) -> timedelta:
    """Read a duration, in whole milliseconds. ValueError names the fault, for people, without quoting the text.

    >>> duration("90s"), duration("2.5s"), duration("1d")
    (datetime.timedelta(seconds=90), datetime.timedelta(seconds=2, microseconds=500000), datetime.timedelta(days=1))
    """
    shape = _SHAPE.fullmatch(text.strip())
    if shape is None:
        raise ValueError("is not a duration: write it like 500ms, 90s, 15m, 2h or 1d")
    length = round(Fraction(shape[1]) * _UNITS[shape[2]])
    if not 1 <= length <= longest // timedelta(milliseconds=1):
        raise ValueError(f"must be at least 1ms and at most {longest.days}d")
    return timedelta(milliseconds=length)


def written(length: timedelta) -> str:
    """Write a duration as `duration` reads it, in the largest unit without a remainder; in hours up to ten days.

    >>> written(timedelta(days=1096)), written(timedelta(hours=24)), written(timedelta(milliseconds=1500))
    ('1096d', '24h', '1500ms')
    """
    whole = millis(length)
    units = [(name, size) for name, size in _UNITS.items() if whole % size == 0 and (name != "d" or whole > 10 * size)]
    name, size = units[-1]
    return f"{whole // size}{name}"


def millis(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def quiet_span(text: str) -> tuple[int, int] | None:
    """Read quiet hours as minutes of the UTC day, from and to; None for `off`. Raises ValueError for anything else.

    Orders keep these minutes, so a zone whose clocks change would be off by an hour for half of the year.
    """
    if text == "off":
        return None
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d) ([A-Za-z_+/0-9-]+)", text)
    offsets = _offsets(match[5]) if match else set()
    if match is None or not offsets:
        raise ValueError("must be off, or like 22:00-08:00 Asia/Shanghai")
    if len(offsets) > 1:
        raise ValueError("must name a zone whose clocks do not change, like Asia/Shanghai or Etc/GMT-8")
    if match.group(1, 2) == match.group(3, 4):
        raise ValueError("must end at another minute than they begin; write off for no quiet hours")
    west = int(offsets.pop().total_seconds()) // 60
    start, end = (60 * int(match[n]) + int(match[n + 1]) - west for n in (1, 3))
    return start % 1440, end % 1440


def _offsets(zone: str) -> set[timedelta]:
    """Return how far a zone is ahead of UTC, month by month for a year from now; nothing for an unknown zone."""
    try:
        known = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return set()
    now = datetime.now(UTC)
    found = ((now + timedelta(days=30 * n)).astimezone(known).utcoffset() for n in range(13))
    return {each for each in found if each is not None}
