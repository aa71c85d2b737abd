"""The engine, opened for one command: on the Redis that was named, or on the data folder's own server."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: see commands.py

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consent_engine.engine.engine import Engine


@contextmanager
def opened() -> Iterator["Engine"]:
    """An engine; the server it needs is started for the moment if none runs."""
    from consent_engine.config.settings import Settings
    from consent_engine.wiring import installation

    with installation(Settings.load(), _tell, stocked=False) as found:
        yield found.engine()


def _tell(what: str) -> None:
    sys.stderr.write(f"{what}\n")


def by() -> str:
    """Who types, as events say it."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container may have no such user
        return f"cli:{os.getuid()}"
