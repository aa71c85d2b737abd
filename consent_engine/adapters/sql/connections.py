"""Connections to the database of the archive: no wait is long, every commit is on disk; one that is away is left."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError

from consent_engine import DISTRIBUTION
from consent_engine.adapters.sql.postgres import bound_waits
from consent_engine.errors import SettingsError

NAMED_BY = "CONSENT_ARCHIVE_URL"
"""The setting that names the archive, where no option does."""
TIMEOUT_S = 5
"""How long a statement may run, and how long to wait for a lock or a connection."""
CONNECTIONS = 4


class Gone(OSError):
    """The file of an archive that existed before is missing: no new one is made in its place."""


def connected(url: str, timeout_s: int = TIMEOUT_S, made_before: Callable[[], bool] = lambda: False) -> Engine:
    """Return an engine for a database; it connects when needed. Raises SettingsError for a database of another kind.

    made_before: whether the database is known to have existed; then a missing file is not made again
    """
    try:
        address = make_url(url)
        if address.drivername in {"postgresql", "postgres"}:
            address = address.set(drivername="postgresql+psycopg")
        if address.get_backend_name() == "sqlite":
            return _sqlite(address.database or "", timeout_s, made_before)
        made = create_engine(
            address,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=timeout_s,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "connect_timeout": timeout_s,
                "tcp_user_timeout": timeout_s * 1000,
                "application_name": "consent-engine",
                "options": f"-c statement_timeout={timeout_s}s -c lock_timeout={timeout_s}s"
                " -c synchronous_commit=on -c timezone=UTC",
            },
        )
    except ModuleNotFoundError as error:
        raise SettingsError(f"{NAMED_BY} needs {error.name}: pip install '{DISTRIBUTION}[postgresql]'") from None
    except (SQLAlchemyError, TypeError, ValueError):
        raise SettingsError(f"{NAMED_BY} is not an address of SQLite or PostgreSQL") from None
    bound_waits(made, timeout_s + 1)
    return made


def _sqlite(path: str, timeout_s: int, made_before: Callable[[], bool]) -> Engine:
    made = create_engine(
        f"sqlite:///{path}",
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=timeout_s,
        hide_parameters=True,
        connect_args={"timeout": timeout_s},
    )

    @event.listens_for(made, "do_connect")
    def this_process_only(*_: object) -> None:
        if made_before() and not Path(path).exists():
            raise Gone  # a volume that is not mounted: an empty archive in its place would only hide that
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # The file holds numbers: only this user may read it. An existing one is not opened: closing it again would
        # release the locks that this process has on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    @event.listens_for(made, "connect")
    def durable(connection: Any, record: Any) -> None:  # noqa: ANN401 - the driver's own connection
        _write_ahead(connection, timeout_s)
        for pragma in ("synchronous=FULL", "secure_delete=ON", f"busy_timeout={timeout_s * 1000}"):
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = _file(path)

    @event.listens_for(made, "checkout")
    def still_there(_connection: object, record: Any, _proxy: object) -> None:  # noqa: ANN401
        if record.info["file"] != _file(path):  # writes into a removed file would be lost
            raise DisconnectionError

    return made


def _write_ahead(connection: Any, timeout_s: int) -> None:  # noqa: ANN401
    """Switch the file to write-ahead logging, once for all connections: readers and the writer then never wait."""
    end = monotonic() + timeout_s
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:  # SQLite's own busy timeout does not cover this switch
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
            sleep(0.01)


def _file(path: str) -> tuple[int, int]:
    """Return the device and inode of the file at a path; (0, 0) for none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
