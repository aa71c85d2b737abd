"""Connections to the database of the archive: no wait is long, every commit is on disk; one that is away is left."""

import os
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError

from consent_engine import DISTRIBUTION
from consent_engine.errors import SettingsError

if TYPE_CHECKING:
    import psycopg


DOWN_S, MOST_DOWN_S = 5.0, 30.0
"""How long the archive is not asked, at first and at most: callers must not wait for it again and again."""


class Pause:
    """Whether the archive may be asked now, for all threads. watch: seconds by a clock that never jumps."""

    def __init__(self, watch: Callable[[], float] = monotonic) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._lasts = 0.0
        self._again_at = 0.0

    def may_ask(self) -> bool:
        """Whether the caller may ask; the first one after a pause is the only one until the next, longer pause ends."""
        if not self._lasts:
            return True
        with self._lock:
            if self._watch() < self._again_at:
                return False
            self._lasts = min(2 * self._lasts, MOST_DOWN_S)
            self._again_at = self._watch() + self._lasts
        return True

    def failed(self) -> None:
        with self._lock:
            self._lasts = self._lasts or DOWN_S
            self._again_at = self._watch() + self._lasts

    def answered(self) -> None:
        self._lasts = 0.0


def bound_waits(engine: Engine, seconds: float) -> None:
    """Bound every wait of the engine's connections: the server's own timeouts work only while the server does."""

    import psycopg  # noqa: PLC0415 - an extra: needed with PostgreSQL alone

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is there
            return super().wait(self._until(gen, monotonic() + seconds), *args, **more)

        def _until(self, gen: Generator[Any, Any, Any], end: float) -> Generator[Any, Any, Any]:
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if not ready and monotonic() > end:
                        self.pgconn.finish()  # its answer can no longer be known
                        raise psycopg.OperationalError("no answer in time")
                    wanted = gen.send(ready)
            except StopIteration as done:
                return done.value

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, args: list[Any], more: dict[str, Any]) -> "psycopg.Connection[Any]":
        return Bounded.connect(*args, **more)


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
