"""Lists as a scribe keeps them that is never late: each look first brings what changed to a database of its own.

The journal is left as it is, for tests that look at it, and for scribes that they run.
"""

import atexit
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.domain.seal import Seal
from consent_engine.ports import Owner, Store
from tests.in_memory import memory

_KEYS = {Owner.ORDER: "order", Owner.CALL: "call", Owner.ENDING: "end", Owner.REPORT: "report", Owner.LINE: "line"}


@cache
def _template() -> Path:
    """Return an empty database, made once: its tables take twenty milliseconds, its copy half a one."""
    folder = Path(tempfile.mkdtemp(prefix="sql-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with closing(SqlArchive(f"sqlite:///{folder}/empty.sqlite3")) as made:
        made.id()
    return folder / "empty.sqlite3"


def empty_at(folder: Path | str) -> str:
    """Put an empty database into a folder; return its address. All of them have one id."""
    shutil.copy(_template(), Path(folder) / "archive.sqlite3")
    return f"sqlite:///{folder}/archive.sqlite3"


def _of_its_own() -> SqlArchive:
    """Return an empty archive that goes with the object."""
    folder = tempfile.mkdtemp(prefix="sql-", dir=memory())
    made = SqlArchive(empty_at(folder))
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    return made


class WrittenOut:
    """The Queries of a store. archive: the store's own, else one that goes with this object"""

    def __init__(self, store: Store, client: Any, cells: Sequence[Cell], seal: Seal | None = None) -> None:
        self._store, self._client, self._cells, self._seal = store, client, cells, seal
        self._own: SqlArchive | None = None
        self._written: tuple[SqlArchive | None, dict[Owner, Mapping[str, Any]]] = None, {}

    @property
    def _archive(self) -> SqlArchive:
        archive = self._store.archive
        archive = vars(archive).get("behind", archive) if archive is not None else None  # behind one with faults
        if isinstance(archive, SqlArchive):
            return archive
        if self._own is None:
            self._own = _of_its_own()
            self._own.seal = self._seal
        return self._own

    def __getattr__(self, name: str) -> Any:
        self._write()
        return getattr(SqlQueries(self._archive), name)

    def close(self) -> None:
        """Close the archive that goes with this object: its files stay open else, to the end of the process."""
        if self._own is not None:
            self._own.close()

    def as_of_now(self) -> SqlQueries:
        """Return lists that stay as they are now, as those of a scribe to which no change is named any more."""
        self._write()
        return SqlQueries(self._archive)

    def _write(self) -> None:
        archive, (written_to, known) = self._archive, self._written
        found = {owner: self._whole(owner, names) for owner, names in self._names().items()}
        before = known if written_to is archive else {}
        changed = {
            owner: {name: kept for name, kept in some.items() if before.get(owner, {}).get(name) != kept}
            for owner, some in found.items()
        }
        if any(changed.values()):
            with SqlLog(archive).writing() as to:
                to.lines(changed.pop(Owner.LINE))
                for owner, some in changed.items():
                    to.records(owner, some)
        self._written = archive, found

    def _whole(self, owner: Owner, names: list[str]) -> Mapping[str, Any]:
        if not names:
            return {}
        if owner is Owner.LINE:
            return self._store.journal.lines(names)
        return self._store.retirement.whole(owner, names)

    def _names(self) -> dict[Owner, list[str]]:
        """Return the names of all records, in one walk through each cell's keys."""
        found = dict[Owner, list[str]]((owner, []) for owner in _KEYS)
        for cell in self._cells:
            owners = {f"{cell.prefix}{word}": owner for owner, word in _KEYS.items()}
            for key in self._client.scan_iter(f"{cell.prefix}*", 1_000):
                kind, _, name = key.rpartition(":")
                if kind in owners:
                    found[owners[kind]].append(name)
        return {owner: sorted(names) for owner, names in found.items()}


def listed(store: Store, client: Any, cells: Sequence[Cell] = (Cell(),), seal: Seal | None = None) -> Store:
    """Give a store lists that are never late; return it."""
    store.queries = WrittenOut(store, client, cells, seal)
    return store
