"""The types of settings' values: each error says in a few words what the value must be. Durations are as people write
them: `500ms` `90s` `2.5s` `15m` `2h` `1d`.
"""

import re
import shlex
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from consent_engine.config import urls
from consent_engine.domain.at_rest import OWN
from consent_engine.domain.order.order import FIVE_MONTHS, THREE_YEARS

LONGEST = timedelta(days=366)
SHORTEST_KEY = 32

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


def person_keys(kept: SecretStr) -> SecretStr:
    """Check the keys of persons. Raises ValueError, which repeats none."""
    keys = kept.get_secret_value().split()
    if not keys or len({*keys}) < len(keys) or any(each != OWN and len(each) < SHORTEST_KEY for each in keys):
        raise ValueError(f"must be random texts of {SHORTEST_KEY} characters or more, or {OWN}, each once, by blanks")
    return kept


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


SAMPLE = Path("sample")
"""The value of CONSENT_PLANS that names the bundled plans."""


def _sender(number: str) -> str:
    if not re.fullmatch("[0-9]{3,20}", number):
        raise ValueError("must be digits")
    return number


def _adapter(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+(:[a-z0-9]+(_[a-z0-9]+)*)?", name):
        raise ValueError("must be the name of an adapter, or NAME:BOX for a further one of that name; small letters")
    return name


def _listed(names: object) -> object:
    return [each.strip() for each in names.split(",")] if isinstance(names, str) else names


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len({*names}) < len(names):
        raise ValueError("must name each gateway once")
    return names


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("names a file that does not exist")
    return path.absolute()


def _plans(path: Path) -> Path:
    return path if path == SAMPLE else _existing(path)


def command_line(line: str) -> str:
    """Check a command as it is typed. Raises ValueError for an empty one, or one that a shell could not split."""
    try:
        arguments = shlex.split(line)
    except ValueError:
        arguments = []
    if not arguments:
        raise ValueError("must be a command with its arguments, as typed in a shell")
    return line


LONGEST_KEPT = timedelta(days=36_525)


def _parsed(value: object, longest: timedelta = LONGEST, none: str = "") -> object:
    """Read a duration; None where the text is `none`. Raises ValueError as `duration` does."""
    if isinstance(value, str):
        return None if none and value == none else duration(value, longest)
    return value


_long = partial(_parsed, longest=LONGEST_KEPT)
KeepPersons = Annotated[timedelta, BeforeValidator(_long), Field(ge=FIVE_MONTHS)]
KeepRecords = Annotated[timedelta, BeforeValidator(_long), Field(ge=THREE_YEARS)]
RedisUrl = Annotated[str, AfterValidator(urls.redis_url)]
AdapterName = Annotated[str, AfterValidator(_adapter)]
Gateways = Annotated[tuple[AdapterName, ...], BeforeValidator(_listed), AfterValidator(_each_once)]
Sender = Annotated[str, AfterValidator(_sender)]
Duration = Annotated[timedelta, BeforeValidator(_parsed), Field(gt=timedelta(0))]
DurationOrOff = Annotated[Duration | None, BeforeValidator(partial(_parsed, none="off"))]
DurationOrEver = Annotated[
    Annotated[timedelta, Field(gt=timedelta(0))] | None, BeforeValidator(partial(_long, none="ever"))
]
ExistingFile = Annotated[Path, AfterValidator(_existing)]
PlansFile = Annotated[Path, AfterValidator(_plans)]
