"""The engine, opened for one command: on the Redis that was named, or on the data folder's own server."""

import getpass
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from consent_engine.cli.tables import tell
from consent_engine.domain.carriers import CARRIERS

if TYPE_CHECKING:
    from consent_engine.engine.engine import Engine


T = TypeVar("T")
_A_PAGE = 200
CARRIER_NAMES = ", ".join(CARRIERS)
"""As the help of every `--carrier` names them."""


@contextmanager
def opened() -> Iterator["Engine"]:
    """An engine; the server it needs is started for the moment if none runs."""
    from consent_engine.cli.tables import told_by
    from consent_engine.config.calendars import days_in
    from consent_engine.config.settings import Settings
    from consent_engine.wiring import installation

    settings = Settings.load()
    told_by(days_in(settings.time_zone))
    with installation(settings, tell, stocked=False) as found:
        yield found.engine()


def paged(page: Callable[[str, int], tuple[Iterable[T], str]], most: int) -> Iterator[T]:
    """So many at most of a list that is read a page at a time. page: takes where to go on, and how many."""
    cursor, left = "", most
    while left > 0:
        found, cursor = page(cursor, min(left, _A_PAGE))
        for each in found:
            left -= 1
            yield each
        if not cursor:
            return


def carrier_named(name: str | None) -> str | None:
    """A carrier as it was typed. Raises BadParameter."""
    return one_of(name, CARRIERS, "--carrier")


def one_of(typed: str | None, known: Iterable[str], hint: str) -> str | None:
    """Whatever was typed, where it is one of these or nothing. hint: the option's name. Raises BadParameter."""
    if typed is not None and typed not in (names := list(known)):
        raise typer.BadParameter(f"one of {', '.join(names)}", param_hint=hint)
    return typed


def by() -> str:
    """Who types, as events say it."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container may have no such user
        return f"cli:{os.getuid()}"
