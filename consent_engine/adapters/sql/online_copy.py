"""The copy of an SQLite archive while it is written to: SQLite's own backup, of one instant."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from consent_engine.errors import ArchiveUnavailable

PAGES = 2_000
WAIT_S = 5.0


def copy_online(path: Path, to: Path, tell: Callable[[str], None]) -> None:
    """Copy the database at `path` into a new file, as of this instant, the contents of its `-wal` included.

    Raises ArchiveUnavailable where it cannot be read.
    """
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def far(_: int, left: int, pages: int) -> None:
        tell(f"archive: {pages - left:,} of {pages:,} pages")

    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=WAIT_S)) as source:
            # One transaction fixes the instant: without it, every write would make the copy start again.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(to)) as made:
                source.backup(made, pages=PAGES, progress=far)
                made.execute("PRAGMA journal_mode=DELETE")  # one file, with no -wal beside it
    except sqlite3.Error as error:
        raise ArchiveUnavailable(f"the archive cannot be copied: {type(error).__name__}") from error
