"""The engine, opened for one command: on the Redis of the settings, or on the data folder's own server."""

import getpass
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

import typer

from consent_engine.cli.tables import announced, instant, table, tell
from consent_engine.config.data_folder import is_new
from consent_engine.config.settings import IS_SHADOW, Settings
from consent_engine.config.values import duration, millis
from consent_engine.config.yaml_files import days_in
from consent_engine.domain.carriers import CARRIERS, Carrier
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import contains_number
from consent_engine.engine.engine import Engine
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, Malformed, SettingsError, StoreUnavailable

Choice = TypeVar("Choice", bound=StrEnum)
_A_PAGE = 200
_WAIT_S = 5.0
"""How long a command waits at most until SQL has every commit made before it."""
CARRIER_NAMES = ", ".join(CARRIERS)
"""The carriers, as the help of every `--carrier` lists them."""


@contextmanager
def opened() -> Iterator[Engine]:
    """Open an engine; the embedded server is started for this command if it does not run.

    Tells where that is on new data: typed in another folder, or without the settings, a command would seem to work.
    """
    from consent_engine.cli.tables import print_by
    from consent_engine.wiring import installation

    settings = Settings.load()
    print_by(days_in(settings.time_zone))
    new = settings.embedded and is_new(settings.data_dir)
    with ExitStack() as stack:
        with nullcontext() if settings.embedded else announced("still opening: Redis, or this machine, is slow"):
            found = stack.enter_context(installation(settings, tell, stocked=False))
        if new:
            tell(f"new data in {settings.data_dir}: for others, set CONSENT_DATA_DIR or CONSENT_REDIS_URL")
        if settings.shadow:
            tell(IS_SHADOW)
        engine = found.engine()
        with suppress(StoreUnavailable, BrokenRecord):  # lists then say themselves that they cannot be read
            as_of_now(engine.store, _WAIT_S)  # perhaps no worker runs that would bring it to SQL
        yield engine


def real_settings(why: str) -> Settings:
    """Load the settings. Raises SettingsError where this is a shadow. why: it has no part in this"""
    settings = Settings.load()
    if settings.shadow:
        raise SettingsError(f"CONSENT_SHADOW=true: {why}")
    return settings


@contextmanager
def lists() -> Iterator[Engine]:
    """Open the engine as `opened` does, for a list or a sum of records; then say as of when these are."""
    with opened() as engine:
        as_of = engine.store.journal.waiting().as_of
        yield engine
    tell(f"as of {instant(as_of)}" if as_of else "as of when is not known: a part of the store does not answer")


def listing(
    head: Sequence[str], nothing: str, most: int,
    page: Callable[[Engine, str, int], tuple[Iterable[Sequence[object]], str]],
) -> None:  # fmt: skip
    """Print up to `most` rows of a list that is read page by page, or `nothing` if there are none. Where the archive
    goes away in the middle, print those found so far, and raise ArchiveUnavailable: the newest are what an alarm is
    about, and nobody takes them for all. page: takes a cursor and a number of rows
    """
    rows: list[Sequence[object]] = []
    try:
        with lists() as engine:
            cursor: str | None = ""
            while cursor is not None and len(rows) < most:
                found, following = page(engine, cursor, min(most - len(rows), _A_PAGE))
                rows += found
                cursor = following or None
    except ArchiveUnavailable as error:
        if not rows:
            raise
        table(head, rows)
        raise type(error)(f"older ones may be missing: {error}") from error
    table(head, rows, nothing)


def carrier_named(name: str | None) -> str | None:
    """Return the carrier that was typed. Raises BadParameter for an unknown one."""
    return one_of(name, Carrier, "--carrier")


def one_of(typed: str | None, known: type[Choice], hint: str) -> Choice | None:
    """Return the choice that was typed, if any. hint: the option's name. Raises BadParameter for an unknown one."""
    if typed is not None and typed not in (names := [each.value for each in known]):
        raise typer.BadParameter(f"one of {', '.join(names)}", param_hint=hint)
    return None if typed is None else known(typed)


@contextmanager
def typed(hint: str, wanted: str = "") -> Iterator[None]:
    """Raise BadParameter for a value that cannot be read. hint: the option's name · wanted: in place of the error's own
    words
    """
    try:
        yield
    except (ValueError, OverflowError, Malformed) as error:
        raise typer.BadParameter(wanted or str(error), param_hint=hint) from None


A_DAY = "must be a day, like 2025-08-01"
LONGEST_APART = timedelta(hours=1)
_REASON_LENGTH = 200


def apart(within: str) -> Millis:
    """Return how far the instants of one thing may lie apart, as `--within` says it. Raises BadParameter."""
    with typed("--within"):
        return millis(duration(within, LONGEST_APART))


def sound_reason(reason: str) -> str:
    """Return the reason. Raises BadParameter if it is empty, too long, unprintable, or contains a number."""
    stripped = reason.strip()
    if not (0 < len(stripped) <= _REASON_LENGTH and stripped.isprintable()) or contains_number(stripped):
        wanted = f"must have 1 to {_REASON_LENGTH} printable characters and no telephone number"
        raise typer.BadParameter(wanted, param_hint="--reason")
    return stripped


def by() -> str:
    """Return the person at the terminal, as events name them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container may have no entry for its user
        return f"cli:{os.getuid()}"
