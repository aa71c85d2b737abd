"""Records with a chain of their own in one table of the archive: written once, written anew where they went on."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, delete, or_, select, tuple_, update
from sqlalchemy.exc import DataError, IntegrityError

from consent_engine.adapters.sql.tables import among
from consent_engine.domain.effects import Millis
from consent_engine.domain.order.retention import Evidence, Retention
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord

log = logging.getLogger(__name__)
PIECE = 500
"""Ids asked for in one statement."""
OF_THE_ROW = (DataError, IntegrityError)
"""The row's trouble. Whatever else goes wrong is the database's: it waits, and no record is given up for it."""
R = TypeVar("R")


class Database(Protocol):
    """What the tables of an archive share. seal: what records are checked against; None: they are believed"""

    seal: Seal | None
    insert: Any
    """of its dialect"""

    def asking(self) -> AbstractContextManager[Connection]:
        """A transaction."""

    def still_ours(self, connection: Connection) -> None:
        """Raises NotOurArchive when the archive was given to others since the transaction began."""


class SqlKept(Generic[R]):
    """The records of one table of an archive. over: the column that says when a record was over"""

    table: Table
    over = "over_at"

    def __init__(self, database: Database) -> None:
        self._database = database

    def _stands(self) -> Select[Any]:
        """What is read of a record that stands there, to compare it."""
        return select(self.table)

    def _rows(
        self, records: Mapping[str, Mapping[str, str]], row: Callable[[Mapping[str, str]], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Records as rows, without those that cannot be read. In one order of locks for all who archive at once."""
        rows = []
        for name in sorted(records):
            try:
                rows.append(row(records[name]))
            except BrokenRecord as error:
                log.error("%s: %s", name, error)
        return rows

    def _kept(
        self, rows: Sequence[Mapping[str, Any]],
        beside: Callable[[Connection, Set[str]], None] = lambda _, __: None,
    ) -> set[str]:  # fmt: skip
        """All rows in one transaction; when one of them cannot be written, each in its own. beside: what else is
        written with those that are kept.
        """
        if not rows:
            return set()
        try:
            with self._database.asking() as connection:
                kept = self._write(connection, rows)
                beside(connection, kept)
                self._database.still_ours(connection)
                return kept
        except (*OF_THE_ROW, ValueError, OverflowError):
            if len(rows) == 1:
                return set()
        return {name for row in rows for name in self._kept([row], beside)}

    def _write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
        own = self.table.c.id
        connection.execute(self._database.insert(self.table).on_conflict_do_nothing(index_elements=[own]), rows)
        wanted = {row["id"]: row for row in rows}
        found = connection.execute(self._stands().where(own.in_(list(wanted)))).all()
        return {stands.id for stands in found if self._stood(connection, stands, wanted[stands.id])}

    def _stood(self, connection: Connection, stands: Any, row: Mapping[str, Any]) -> bool:  # noqa: ANN401 - a row
        """Whether what stands there is this record, as new as the row at least; what is older is written anew."""
        if stands.doc_hash != row["doc_hash"]:
            return False
        if stands.version >= row["version"]:
            return bool(stands.head == row["head"])
        return self._renewed(connection, stands, row, self.table.c.version == stands.version)

    def _renewed(
        self, connection: Connection, stands: Any, row: Mapping[str, Any], *same: ColumnElement[bool]  # noqa: ANN401
    ) -> bool:  # fmt: skip
        """Write a record anew, where it is still the same; what is erased stays erased."""
        newer = {**row, "person": row["person"] if stands.person is not None else None}
        found = connection.execute(update(self.table).where(self.table.c.id == stands.id, *same).values(newer))
        return found.rowcount == 1

    def _in_pieces(self, wanted: Select[Any], values: Sequence[str], *columns: Column[Any]) -> list[Any]:
        # Any other text came from outside as an id, and a database may refuse to compare it.
        sound = [value for value in values if value.isascii() and value.isalnum()]
        if not sound:
            return []
        with self._database.asking() as connection:
            pieces = (sound[n : n + PIECE] for n in range(0, len(sound), PIECE))
            any_of = (or_(*(among(connection, column, piece) for column in columns)) for piece in pieces)
            return [row for some in any_of for row in connection.execute(wanted.where(some))]

    def _readable(self, rows: Iterable[Any], read: Callable[[Any], R]) -> list[R]:
        """The records of rows; one that cannot be read must not sink the others of its page."""
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except BrokenRecord as error:
                log.error("%s: %s", row.id, error)
        return found

    def _page(
        self, at: str, before: tuple[Millis, str] | None, limit: int, *only: ColumnElement[bool]
    ) -> list[tuple[str, Millis]]:
        """Ids with an instant of theirs, newest first, from where a page ended."""
        when, name = self.table.c[at], self.table.c.id
        rows = select(name, when).where(*only).order_by(when.desc(), name.desc()).limit(limit)
        if before is not None:
            rows = rows.where(tuple_(when, name) < before)
        with self._database.asking() as connection:
            return [(record, instant) for record, instant in connection.execute(rows)]

    def _fields(self, row: Any) -> dict[str, str]:  # noqa: ANN401 - a row
        """The fields of a record, as the store had them."""
        return {**json.loads(row.record), **json.loads(row.person or "{}")}

    def expire_in(self, connection: Connection, rule: Retention, now: Millis, most: int) -> tuple[int, int]:
        """Delete what must not be kept any longer: person parts, whole records; how many of each."""
        kept, over = self.table.c, self.table.c[self.over]
        old = select(kept.id).where(over < rule.records_before(now)).limit(most)
        whole = connection.execute(delete(self.table).where(kept.id.in_(old))).rowcount
        persons = 0
        for kind in Evidence:
            late = kept.evidence == kind.value, over < rule.persons_before(kind, now)
            told = select(kept.id).where(*late, kept.person.is_not(None)).limit(most)
            persons += connection.execute(update(self.table).where(kept.id.in_(told)).values(person=None)).rowcount
        return persons, whole
