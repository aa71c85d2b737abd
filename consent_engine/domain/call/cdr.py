"""CDR files: the calls that an exchange dialled, a line of CSV each, read one at a time."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from consent_engine.domain.carriers import CARRIERS, as_dialled
from consent_engine.domain.csv_file import RefusedLine, rows_in
from consent_engine.domain.days import Days, millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import Msisdn, of_sender
from consent_engine.errors import Malformed


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


_CALLER = re.compile(r"(?:\+86|0086|86)?([0-9]{3,21})")
_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})")
_OFFICIAL = {profile.outbound: str(name) for name, profile in CARRIERS.items()}


def official_of(caller: str) -> str | None:
    """Return the carrier whose official number a call came from; None where it is nobody's."""
    return _OFFICIAL.get(caller)


def read_cdr(
    lines: Iterable[str], named: Mapping[Column, str], days: Days, span: tuple[Millis, Millis]
) -> Iterator[Dialled | RefusedLine]:
    """Read the calls of a CDR file, each as it comes. named: the file's names of the columns, as `rows_in` takes them ·
    days: of a time without an offset · span: only calls within it are taken

    Raises FileRefused as `rows_in` does.
    """
    for found in rows_in(lines, named):
        yield found if isinstance(found, RefusedLine) else _read(*found, days, span)


def _read(line: int, row: Mapping[Column, str], days: Days, span: tuple[Millis, Millis]) -> Dialled | RefusedLine:
    try:
        called, at = of_sender(row[Column.NUMBER]), instant_of(row[Column.START], days)
    except Malformed as error:
        return RefusedLine(line, f"number: {error.errors[0].message}")
    except (ValueError, OverflowError):
        return RefusedLine(line, "start: must be an instant like 2025-08-01 10:00:00 or 2025-08-01T10:00:00+08:00")
    if (calling := _CALLER.fullmatch(as_dialled(row[Column.CALLER]))) is None:
        return RefusedLine(line, "caller: must be a number")
    if not span[0] <= at <= span[1]:
        past = at < span[0]
        return RefusedLine(line, f"start: {'is older than the records kept here' if past else 'is in the future'}")
    return Dialled(line, called, calling[1], at)


def instant_of(text: str, days: Days) -> Millis:
    """Read an instant, by the clock of the business where it has no offset. Raises ValueError."""
    if (digits := _DIGITS.fullmatch(text)) is not None:
        at = datetime(*map(int, digits.groups()), tzinfo=days.zone)  # type: ignore[misc, arg-type]
    else:
        if len(text) <= len("2025-08-01"):  # a day alone is no beginning of a call
            raise ValueError("no time of day")
        at = datetime.fromisoformat(text.replace("/", "-"))
    return millis(at if at.tzinfo else at.replace(tzinfo=days.zone))
