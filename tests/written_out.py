"""Lists as a scribe keeps them that is never late: each look first brings all of the store to a database of its own.

The journal is left as it is, for tests that look at it, and for scribes that they run.
"""

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.domain.seal import Seal
from consent_engine.ports import Owner, Store

_KEYS = {Owner.ORDER: "order", Owner.CALL: "call", Owner.ENDING: "end", Owner.REPORT: "report", Owner.LINE: "line"}


class WrittenOut:
    """The Queries of a store. archive: the store's own, else one that goes with this object"""

    def __init__(self, store: Store, client: Any, cells: Sequence[Cell], seal: Seal | None = None) -> None:
        self._store, self._client, self._cells, self._seal = store, client, cells, seal
        self._own: SqlArchive | None = None

    @property
    def _archive(self) -> SqlArchive:
        archive = self._store.archive
        archive = vars(archive).get("_archive", archive) if archive is not None else None  # behind one with faults
        if isinstance(archive, SqlArchive):
            return archive
        if self._own is None:
            folder = tempfile.mkdtemp(prefix="sql-")
            self._own = SqlArchive(f"sqlite:///{folder}/lists.sqlite3")
            weakref.finalize(self._own, shutil.rmtree, folder, ignore_errors=True)
            self._own.seal = self._seal
        return self._own

    def __getattr__(self, name: str) -> Any:
        self._write()
        return getattr(SqlQueries(self._archive), name)

    def as_of_now(self) -> SqlQueries:
        """Return lists that stay as they are now, as those of a scribe to which no change is named any more."""
        self._write()
        return SqlQueries(self._archive)

    def _write(self) -> None:
        store = self._store
        with SqlLog(self._archive).writing() as to:
            for owner in _KEYS:
                names = self._names(owner)
                if owner is Owner.LINE:
                    to.lines(store.journal.lines(names))
                elif names:
                    to.records(owner, self._whole(owner, names))

    def _whole(self, owner: Owner, names: list[str]) -> Mapping[str, Mapping[str, str]]:
        if owner is Owner.ORDER:
            return self._store.retirement.whole(names)
        return self._store.retirement.whole_records(owner, names)

    def _names(self, owner: Owner) -> list[str]:
        begins = [f"{cell.prefix}{_KEYS[owner]}:" for cell in self._cells]
        return sorted(key.rpartition(":")[2] for each in begins for key in self._client.scan_iter(f"{each}*", 1_000))


def listed(store: Store, client: Any, cells: Sequence[Cell] = (Cell(),), seal: Seal | None = None) -> Store:
    """Give a store lists that are never late; return it."""
    store.queries = WrittenOut(store, client, cells, seal)
    return store


def nothing_written() -> SqlQueries:
    """Return the queries of a database to which no scribe has brought anything."""
    folder = tempfile.mkdtemp(prefix="sql-")
    archive = SqlArchive(f"sqlite:///{folder}/empty.sqlite3")
    weakref.finalize(archive, shutil.rmtree, folder, ignore_errors=True)
    return SqlQueries(archive)
