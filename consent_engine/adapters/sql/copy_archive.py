"""The copy of an SQLite archive into PostgreSQL while it is in use; killed anywhere, the same command continues it.

1. The target is empty, or was begun by a copy of this very archive (its `archive_meta` says so).
2. Every table is walked by its key, a piece at a time: missing rows are written, changed rows are written anew, and
   deleted rows are deleted. Done twice, it has the same result. This takes long, and everything works meanwhile.
3. The source is given away: from that commit on nothing is written there; orders wait in Redis.
4. It is walked again for rows that came meanwhile, and once more: the last walk finds both sides equal, row by row.
5. The target gets the source's id and owner: the data recognise it as their archive, and engines may start there.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from consent_engine.adapters.sql.archive import AWAY, OWNER, SqlArchive
from consent_engine.adapters.sql.kept import PIECE
from consent_engine.adapters.sql.log import SIZE, SqlLog
from consent_engine.adapters.sql.tables import CALLS, LOG, META, OFFERS, ORDERS, RECORDS, UNHEARD, said, say
from consent_engine.errors import ArchiveUnavailable, SettingsError

COPIED = (OFFERS, ORDERS, CALLS, UNHEARD, RECORDS, LOG)
COPY_OF, BEFORE = "copy_of", "owner_before"
"""Rows of `archive_meta`: on the target, the id of the archive it copies; on the source, its owner before the copy."""
_LOOKS = 5


@dataclass(slots=True)
class Walked:
    """The result of walking a table: rows, how many differed between the sides, and the sum of the rows' digests."""

    rows: int = 0
    changed: int = 0
    digest: int = 0


class ArchiveCopy:
    """One copy of an archive. tell: gets its progress"""

    def __init__(self, source: SqlArchive, target: SqlArchive, tell: Callable[[str], None]) -> None:
        self._source = source
        self._target = target
        self._tell = tell

    def run(self) -> dict[str, Walked]:
        """Copy everything and return the rows and digest of each table. Raises SettingsError for a target that is
        neither empty nor this copy's, and ArchiveUnavailable where a side cannot be asked, or does not take its rows.
        """
        self._source.must_stand = True  # where a volume is not mounted, no empty archive may be made and copied
        SqlLog(self._source).size()  # makes the log's table in an archive older than the log
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
        """Mark the target as this archive's copy. Raises SettingsError where it is neither empty nor begun by it."""
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
        """Make the target's table equal to the source's, piece by piece."""
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
        """Copy one piece: the rows between two keys. Rows to delete go first, so that their unique values are free."""
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
                    row["person"] = None  # a person part erased at the target stays erased
                if stands != row:
                    target.execute(update(table).where(key == row[key.name]).values(row))
                    found.changed += 1
            found.digest = (found.digest + _digest(row)) % 2**64
        if fresh:
            target.execute(insert(table), fresh)
            found.changed += len(fresh)

    def _give_away(self) -> None:
        """Change the source's owner, so that no engine writes to it any more."""
        with self._source.asking(anew=True) as connection:
            # Written first: on SQLite it takes the lock before anything is read.
            connection.execute(update(META).where(META.c.name == "id").values(value=META.c.value))
            owner = said(connection).get(OWNER, "")
            if owner != AWAY:
                say(connection, BEFORE, owner)
                say(connection, OWNER, AWAY)

    def _open(self) -> None:
        """Make the target the archive: it gets the source's log size, owner and id."""
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
