"""An SQLite archive copied whole into PostgreSQL, while it is at work; killed anywhere, the same command goes on.

1. The target is empty, or was begun by a copy of this very archive (it says so in its `archive_meta`).
2. Every table is walked by its key, a piece at a time: what is missing is written, what changed is written anew, and
   what is gone is deleted. Done twice, it is as done once. This is long, and everything works meanwhile.
3. The source is given away: from that commit on nobody writes there, orders wait in Redis.
4. It is walked again for what came meanwhile, and once more: that one finds both sides equal, row by row.
5. The target gets the source's id and owner: the data know it as theirs, and engines may start there.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from consent_engine.adapters.sql.archive import OWNER, SqlArchive
from consent_engine.adapters.sql.kept import PIECE
from consent_engine.adapters.sql.log import SIZE, SqlLog
from consent_engine.adapters.sql.tables import CALLS, LOG, META, OFFERS, ORDERS, RECORDS, UNHEARD, said, say
from consent_engine.errors import ArchiveUnavailable, SettingsError

COPIED = (OFFERS, ORDERS, CALLS, UNHEARD, RECORDS, LOG)
COPY_OF, BEFORE = "copy_of", "owner_before"
"""Rows of `archive_meta`: on the target, whose copy it is; on the source, whose it was."""
AWAY = "copied-to-another-archive"
"""The owner of an archive that was copied: no installation bears this name."""
_LOOKS = 5


@dataclass(slots=True)
class Walked:
    """What a walk found in a table: rows, how many were not the same on both sides, and the sum of their digests."""

    rows: int = 0
    changed: int = 0
    digest: int = 0


class ArchiveCopy:
    """One copy. tell: how far it is."""

    def __init__(self, source: SqlArchive, target: SqlArchive, tell: Callable[[str], None]) -> None:
        self._source = source
        self._target = target
        self._tell = tell

    def run(self) -> dict[str, Walked]:
        """Copy everything; the rows and digest of each table. Raises SettingsError for a target that is another's, and
        ArchiveUnavailable where a side cannot be asked, or does not take what it gets.
        """
        self._source.must_stand = True  # an empty one, made where a volume is not mounted, is no copy of anything
        SqlLog(self._source).size()  # an archive that is older than the log has a table for it afterwards
        self._begin()
        self._walk_all()
        self._give_away()
        for _ in range(_LOOKS):
            found = self._walk_all()
            if not any(each.changed for each in found.values()):
                self._open()
                return found
        raise ArchiveUnavailable("the two sides are never the same: does anybody write to --to? Type it again")

    def _begin(self) -> None:
        """Raises SettingsError where the target is neither empty nor begun by this copy."""
        whose = self._source.id()
        with self._target.asking(anew=True) as connection:
            told = said(connection)
            if told["id"] == whose:
                raise SettingsError("--to has all of it already: set CONSENT_ARCHIVE_URL to it, start APIs and workers")
            if told.get(COPY_OF) == whose:
                return
            holds = [table.name for table in COPIED if connection.execute(select(table).limit(1)).first() is not None]
            if holds or told.get(OWNER) or told.get(COPY_OF):
                raise SettingsError("--to is not empty, and no copy of this archive: give an empty database")
            connection.execute(insert(META).values(name=COPY_OF, value=whose))

    def _walk_all(self) -> dict[str, Walked]:
        return {table.name: self._walk(table) for table in COPIED}

    def _walk(self, table: Table) -> Walked:
        """Make the target's table what the source's is, piece by piece."""
        [key], found, last = table.primary_key.columns, Walked(), None
        while True:
            wanted = select(table).order_by(key).limit(PIECE)
            with self._source.asking(anew=True) as connection:
                found_rows = connection.execute(wanted if last is None else wanted.where(key > last)).mappings()
                rows = [dict(row) for row in found_rows]
            whole = len(rows) < PIECE
            try:
                with self._target.asking(anew=True) as connection:
                    self._piece(connection, table, rows, (last, None if whole else rows[-1][key.name]), found)
            except (DataError, IntegrityError) as error:
                raise ArchiveUnavailable(
                    f"--to does not take what is in {table.name}: {type(error).__name__}"
                ) from None
            found.rows += len(rows)
            self._tell(f"{table.name}: {found.rows:,} rows")
            if whole:
                return found
            last = rows[-1][key.name]

    def _piece(
        self, target: Connection, table: Table, rows: list[dict[str, Any]], between: tuple[Any, Any], found: Walked
    ) -> None:
        """One piece: the rows between two keys. Deleted first, so that their unique values are free."""
        [key] = table.primary_key.columns
        keys = [row[key.name] for row in rows]
        bounds = [key.not_in(keys)] if keys else []
        bounds += [key > between[0]] if between[0] is not None else []
        bounds += [key <= between[1]] if between[1] is not None else []
        found.changed += target.execute(delete(table).where(*bounds)).rowcount
        stood = target.execute(select(table).where(key.in_(keys))).mappings()
        there = {row[key.name]: dict(row) for row in stood}
        fresh = []
        for row in rows:
            stands = there.get(row[key.name])
            if stands is None:
                fresh.append(row)
            else:
                if "person" in stands and stands["person"] is None:
                    row["person"] = None  # what was erased there stays erased
                if stands != row:
                    target.execute(update(table).where(key == row[key.name]).values(row))
                    found.changed += 1
            found.digest = (found.digest + _digest(row)) % 2**64
        if fresh:
            target.execute(insert(table), fresh)
            found.changed += len(fresh)

    def _give_away(self) -> None:
        """Have nobody write to the source any more."""
        with self._source.asking(anew=True) as connection:
            # Written first: on SQLite it takes the lock before anything is read.
            connection.execute(update(META).where(META.c.name == "id").values(value=META.c.value))
            owner = said(connection).get(OWNER, "")
            if owner != AWAY:
                say(connection, BEFORE, owner)
                say(connection, OWNER, AWAY)

    def _open(self) -> None:
        """From here on the target is the archive."""
        with self._source.asking(anew=True) as connection:
            told = said(connection)
        with self._target.asking(anew=True) as connection:
            say(connection, SIZE, told[SIZE])
            if told[BEFORE]:
                say(connection, OWNER, told[BEFORE])
            connection.execute(update(META).where(META.c.name == "id").values(value=told["id"]))


def _digest(row: Mapping[str, Any]) -> int:
    told = json.dumps([[name, row[name]] for name in sorted(row)], ensure_ascii=True).encode()
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest())
