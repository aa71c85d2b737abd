"""The archive's tables of records: written once, written anew where the record changed, read, listed and expired."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, suppress
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, delete, or_, select, tuple_, update
from sqlalchemy.exc import DataError, IntegrityError

from consent_engine.adapters.sql.rows import fields_of
from consent_engine.adapters.sql.tables import among
from consent_engine.domain.effects import Millis
from consent_engine.domain.order.event import chain, publics_of
from consent_engine.domain.order.retention import Evidence, Retention
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord

log = logging.getLogger(__name__)
PIECE = 500
"""The number of ids asked for in one statement."""
OF_THE_ROW = (DataError, IntegrityError)
"""Errors caused by a single row. Any other is the database's: the records wait, and none is given up for it."""
R = TypeVar("R")


class Database(Protocol):
    """The database of an archive's tables. seal: checks records against tampering; None: they are not checked"""

    seal: Seal | None
    insert: Any
    """the insert statement of its dialect"""

    def asking(self) -> AbstractContextManager[Connection]:
        """Open a transaction."""


class SqlKept(Generic[R]):
    """The records of one table of an archive. over: the column with the instant at which a record was over"""

    table: Table
    over = "over_at"

    def __init__(self, database: Database) -> None:
        self._database = database

    def _rows(
        self, records: Mapping[str, Mapping[str, str]], row: Callable[[Mapping[str, str]], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return readable records as rows, sorted by id: processes that archive at once then lock in the same order."""
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
        """Write all rows in one transaction; where one of them cannot be written, each in its own. Return the ids of
        those kept. beside: writes further rows for them in the same transaction
        """
        if not rows:
            return set()
        try:
            with self._database.asking() as connection:
                kept = self._write(connection, rows)
                beside(connection, kept)
                return kept
        except (*OF_THE_ROW, ValueError, OverflowError):
            if len(rows) == 1:
                return set()
        return {name for row in rows for name in self._kept([row], beside)}

    def _write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
        own = self.table.c.id
        connection.execute(self._database.insert(self.table).on_conflict_do_nothing(index_elements=[own]), rows)
        wanted = {row["id"]: row for row in rows}
        found = connection.execute(select(self.table).where(own.in_(list(wanted)))).all()
        return {stands.id for stands in found if self._stood(connection, stands, wanted[stands.id])}

    def _stood(self, connection: Connection, stands: Any, row: Mapping[str, Any]) -> bool:  # noqa: ANN401 - a row
        """Whether the archived row is this record, with all of the history in `row`; one with less is written anew.

        A record is never replaced by another one's evidence, nor by a history other than the one whose head was handed
        out; and an erased person part stays erased.
        """
        if stands.doc_hash != row["doc_hash"]:
            return False
        if stands.head == row["head"]:
            return bool(stands.version >= row["version"]) or self._renewed(connection, stands, row)
        there, here = _links(stands.record), _links(row["record"])
        if chain("", there) != stands.head:  # one unreadable record must not keep the others from leaving
            log.error("%s: its archived history cannot be read", stands.id)
            return False
        if there[: len(here)] == here:  # from a backup of the store: an earlier state of this record
            return True
        return here[: len(there)] == there and self._renewed(connection, stands, row)

    def _renewed(self, connection: Connection, stands: Any, row: Mapping[str, Any]) -> bool:  # noqa: ANN401 - a row
        """Write a record anew where it is still as it was read; an erased person part stays erased."""
        newer, kept = {**row, "person": row["person"] if stands.person is not None else None}, self.table.c
        same = kept.id == stands.id, kept.head == stands.head, kept.version == stands.version
        return connection.execute(update(self.table).where(*same).values(newer)).rowcount == 1

    def _in_pieces(self, wanted: Select[Any], values: Sequence[str], *columns: Column[Any]) -> list[Any]:
        # Ids are alphanumeric; other text came from outside, and a database may refuse to compare it.
        sound = [value for value in values if value.isascii() and value.isalnum()]
        if not sound:
            return []
        with self._database.asking() as connection:
            pieces = (sound[n : n + PIECE] for n in range(0, len(sound), PIECE))
            any_of = (or_(*(among(connection, column, piece) for column in columns)) for piece in pieces)
            return [row for some in any_of for row in connection.execute(wanted.where(some))]

    def _readable(self, rows: Iterable[Any], read: Callable[[Any], R], *, whole: bool = False) -> list[R]:
        """Read the records of rows; an unreadable one is logged and left out, so that the others can still be used.
        whole: raises its BrokenRecord instead, for a caller who would take it for one that does not exist
        """
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except BrokenRecord as error:
                log.error("%s: %s", row.id, error)
                if whole:
                    raise
        return found

    def misfiled(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Return those of these records whose columns differ from the record, with the names of the columns."""
        found = {}
        for row in self._in_pieces(self._whole(), ids, self.table.c.id):
            with suppress(BrokenRecord):
                made = self._made(row)
                if wrong := [name for name in made if name not in _TEXTS and made[name] != getattr(row, name)]:
                    found[row.id] = wrong
        return found

    def _whole(self) -> Select[Any]:
        """Select whole rows, with what `_made` needs beside them."""
        return select(self.table)

    def _made(self, row: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a row
        """Make the columns of a row again from the record in it. Raises BrokenRecord."""
        raise NotImplementedError

    def _page(
        self, at: str, before: tuple[Millis, str] | None, limit: int, *only: ColumnElement[bool]
    ) -> list[tuple[str, Millis]]:
        """Return ids with the instant in the column `at`, newest first. before: the last row of the page before"""
        when, name = self.table.c[at], self.table.c.id
        rows = select(name, when).where(*only).order_by(when.desc(), name.desc()).limit(limit)
        if before is not None:
            rows = rows.where(tuple_(when, name) < before)
        with self._database.asking() as connection:
            return [(record, instant) for record, instant in connection.execute(rows)]

    def _fields(self, row: Any) -> dict[str, str]:  # noqa: ANN401 - a row
        return fields_of(row.record, row.person)

    def _left(self, connection: Connection, ids: Sequence[str]) -> None:
        """Delete what stands beside these records, which are deleted in this transaction."""

    def expire_in(self, connection: Connection, rule: Retention, now: Millis, most: int) -> tuple[int, int]:
        """Delete person parts and whole records that are past their retention. Return how many of each."""
        kept, over = self.table.c, self.table.c[self.over]
        old = connection.execute(select(kept.id).where(over < rule.records_before(now)).limit(most)).scalars().all()
        self._left(connection, old)
        whole = connection.execute(delete(self.table).where(among(connection, kept.id, old))).rowcount if old else 0
        persons = 0
        for kind in Evidence:
            late = kept.evidence == kind.value, over < rule.persons_before(kind, now)
            told = select(kept.id).where(*late, kept.person.is_not(None)).limit(most)
            persons += connection.execute(update(self.table).where(kept.id.in_(told)).values(person=None)).rowcount
        return persons, whole


_TEXTS = frozenset({"record", "person", "content"})
"""The columns of the record itself, and what is written beside it."""


def _links(record: str) -> list[str]:
    """Return the links of an archived record's chain; none where they cannot be read."""
    try:
        return publics_of(json.loads(record))
    except (KeyError, TypeError, ValueError):
        return []
