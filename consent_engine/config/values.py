"""The types of settings' values: each error says in a few words what the value must be."""

import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from consent_engine.config import urls
from consent_engine.config.durations import duration
from consent_engine.domain.order.order import FIVE_MONTHS, THREE_YEARS

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


def _or_off(value: object) -> object:
    return None if value == "off" else _parsed(value)


def _or_ever(value: object) -> object:
    return None if value == "ever" else _long(value)


def _parsed(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


LONGEST_KEPT = timedelta(days=36_525)


def _long(value: object) -> object:
    return duration(value, LONGEST_KEPT) if isinstance(value, str) else value


KeepPersons = Annotated[timedelta, BeforeValidator(_long), Field(ge=FIVE_MONTHS)]
KeepRecords = Annotated[timedelta, BeforeValidator(_long), Field(ge=THREE_YEARS)]
RedisUrl = Annotated[str, AfterValidator(urls.redis_url)]
AdapterName = Annotated[str, AfterValidator(_adapter)]
Sender = Annotated[str, AfterValidator(_sender)]
Duration = Annotated[timedelta, BeforeValidator(_parsed), Field(gt=timedelta(0))]
DurationOrOff = Annotated[Duration | None, BeforeValidator(_or_off)]
DurationOrEver = Annotated[Annotated[timedelta, Field(gt=timedelta(0))] | None, BeforeValidator(_or_ever)]
ExistingFile = Annotated[Path, AfterValidator(_existing)]
PlansFile = Annotated[Path, AfterValidator(_plans)]
