"""CDR files: the calls that an exchange dialled, a line of CSV each, read one at a time."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import Days, millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import Msisdn, of_sender
from consent_engine.errors import ConsentError, Malformed


class CdrRefused(ConsentError, code="cdr_refused"):
    """A file that is no CDR file of this carrier, or cannot be compared: nothing of it was recorded."""


class Column(StrEnum):
    """What a CDR file must say of a call; also the names of its columns, where no others are given."""

    CALLER = "caller"
    """The number that the call came from."""
    NUMBER = "number"
    """The number that was dialled."""
    START = "start"
    """When it began."""


class Dialled(NamedTuple):
    """A call that an exchange dialled. line: of the file, from 1"""

    line: int
    msisdn: Msisdn
    caller: str
    at: Millis


class RefusedLine(NamedTuple):
    """A line that cannot be read as a call."""

    line: int
    why: str


AS_NAMED: Mapping[Column, str] = {column: str(column) for column in Column}
MOST_COLUMNS = 1_000
_CALLER = re.compile(r"(?:\+86|0086|86)?([0-9]{3,21})")
_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})")
_OFFICIAL = {profile.outbound: str(name) for name, profile in CARRIERS.items()}


def columns_of(text: str) -> dict[Column, str]:
    """Read `caller=A,number=B,start=C`; a column that is left out has its own name. Raises ValueError.

    >>> columns_of("number=called,start=3")[Column.NUMBER]
    'called'
    """
    named = dict(AS_NAMED)
    for each in text.split(","):
        column, equals, name = (part.strip() for part in each.partition("="))
        if column not in tuple(Column) or not equals or not name:
            raise ValueError(f"must be like number=called,caller=calling,start=began; the columns: {', '.join(Column)}")
        named[Column(column)] = name
    return named


def official_of(caller: str) -> str | None:
    """Return the carrier whose official number a call came from; None where it is nobody's."""
    return _OFFICIAL.get(caller)


def read_cdr(
    lines: Iterable[str], named: Mapping[Column, str], days: Days, span: tuple[Millis, Millis]
) -> Iterator[Dialled | RefusedLine]:
    """Read the calls of a CDR file, each as it comes. named: the file's names of the columns, or all their numbers from
    1, where it has no line of names · days: of a time without an offset · span: only calls within it are taken

    Raises CdrRefused for what is no CSV, and where a column is missing.
    """
    rows = csv.reader(lines, strict=True)
    try:
        places, first = _places(next(rows, []), named)
        for row in [first] if first else []:
            yield _read(rows.line_num, row, places, days, span)
        for row in rows:
            if row:
                yield _read(rows.line_num, row, places, days, span)
    except csv.Error as error:
        raise CdrRefused(f"line {rows.line_num} is not CSV: {error}") from None
    except UnicodeDecodeError:
        said = f"the file is not UTF-8 behind line {rows.line_num}: iconv -f GB18030 -t UTF-8"
        raise CdrRefused(said) from None


_Places = Callable[[list[str]], tuple[str, str, str]]


def _places(head: list[str], named: Mapping[Column, str]) -> tuple[_Places, list[str]]:
    """Return what takes caller, number and start out of a row, and the first call where there is no line of names."""
    names = [each.strip() for each in head]
    if not names:
        raise CdrRefused("the file has no line")
    wanted = [named[each] for each in Column]
    if missing := [each for each in wanted if each not in names]:
        if all(each.isascii() and each.isdecimal() and 0 < int(each) <= MOST_COLUMNS for each in wanted):
            return itemgetter(*(int(each) - 1 for each in wanted)), head
        raise CdrRefused(
            f"no column {', '.join(missing)} in the first line, which has {', '.join(names[:20])}: name them with "
            f"--columns {','.join(f'{each}=...' for each in Column)}"
        )
    return itemgetter(*map(names.index, wanted)), []


def _read(line: int, row: list[str], places: _Places, days: Days, span: tuple[Millis, Millis]) -> Dialled | RefusedLine:
    try:
        caller, number, start = places(row)
        called, at = of_sender(number.strip()), _instant(start.strip(), days)
    except IndexError:
        return RefusedLine(line, f"has {len(row)} columns, which are too few")
    except Malformed as error:
        return RefusedLine(line, f"number: {error.errors[0].message}")
    except (ValueError, OverflowError):
        return RefusedLine(line, "start: must be an instant like 2025-08-01 10:00:00 or 2025-08-01T10:00:00+08:00")
    if (calling := _CALLER.fullmatch(caller.strip())) is None:
        return RefusedLine(line, "caller: must be a number")
    if not span[0] <= at <= span[1]:
        past = at < span[0]
        return RefusedLine(line, f"start: {'is older than the records kept here' if past else 'is in the future'}")
    return Dialled(line, called, calling[1], at)


def _instant(text: str, days: Days) -> Millis:
    """Read an instant, by the clock of the business where it has no offset. Raises ValueError."""
    if (digits := _DIGITS.fullmatch(text)) is not None:
        at = datetime(*map(int, digits.groups()), tzinfo=days.zone)  # type: ignore[misc, arg-type]
    else:
        if len(text) <= len("2025-08-01"):  # a day alone is no beginning of a call
            raise ValueError("no time of day")
        at = datetime.fromisoformat(text.replace("/", "-"))
    return millis(at if at.tzinfo else at.replace(tzinfo=days.zone))
