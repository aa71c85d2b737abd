"""Records with a chain of their own in one table of the archive: written once, written anew where they went on."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, delete, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError

from consent_engine.adapters.sql.tables import among
from consent_engine.domain.effects import Millis
from consent_engine.domain.order.retention import Evidence, Retention
from consent_engine.domain.seal import Seal

PIECE = 500
Beside = Callable[[Connection, Set[str]], None]


class SqlKept:
    """The records of one table of an archive.

    asking: a transaction of its database · seal: what their records are checked against; None: they are believed ·
    ours: raises when the archive was given to others since the transaction began
    """

    table: Table

    def __init__(
        self,
        asking: Callable[[], AbstractContextManager[Connection]],
        insert: Any,  # noqa: ANN401 - of a dialect
        seal: Callable[[], Seal | None],
        ours: Callable[[Connection], None],
    ) -> None:
        self._asking = asking
        self._insert = insert
        self._seal = seal
        self._ours = ours

    def _kept(self, rows: Sequence[Mapping[str, Any]], beside: Beside | None = None) -> set[str]:
        """All rows in one transaction; when one of them cannot be written, each in its own. beside: what else is
        written with those that are kept.
        """
        try:
            with self._asking() as connection:
                return self._write(connection, rows, beside)
        except (DataError, IntegrityError, ValueError, OverflowError):
            if len(rows) == 1:
                return set()
        return {name for row in rows for name in self._kept([row], beside)}

    def _write(self, connection: Connection, rows: Sequence[Mapping[str, Any]], beside: Beside | None) -> set[str]:
        connection.execute(self._insert(self.table).on_conflict_do_nothing(index_elements=[self.table.c.id]), rows)
        wanted = {row["id"]: row for row in rows}
        found = connection.execute(select(self.table).where(self.table.c.id.in_(list(wanted)))).all()
        kept = {stands.id for stands in found if self._stood(connection, stands, wanted[stands.id])}
        if beside is not None:
            beside(connection, kept)
        self._ours(connection)
        return kept

    def _stood(self, connection: Connection, stands: Any, row: Mapping[str, Any]) -> bool:  # noqa: ANN401 - a row
        """Whether what stands there is this record, as new as the row at least; what is older is written anew."""
        if stands.doc_hash != row["doc_hash"]:
            return False
        if stands.version >= row["version"]:
            return bool(stands.head == row["head"])
        newer = {**row, "person": row["person"] if stands.person is not None else None}
        same = (self.table.c.id == stands.id, self.table.c.version == stands.version)
        return connection.execute(update(self.table).where(*same).values(newer)).rowcount == 1

    def _in_pieces(self, wanted: Select[Any], values: Sequence[str], *columns: Column[Any]) -> list[Any]:
        sound = [value for value in values if value.isascii() and value.isalnum()]
        if not sound:
            return []
        with self._asking() as connection:
            pieces = (sound[n : n + PIECE] for n in range(0, len(sound), PIECE))
            any_of = (or_(*(among(connection, column, piece) for column in columns)) for piece in pieces)
            return [row for some in any_of for row in connection.execute(wanted.where(some))]

    def expire(self, connection: Connection, rule: Retention, now: Millis, most: int) -> tuple[int, int]:
        """Delete what must not be kept any longer: person parts, whole records; how many of each."""
        kept = self.table.c
        old = select(kept.id).where(kept.over_at < rule.records_before(now)).limit(most)
        whole = connection.execute(delete(self.table).where(kept.id.in_(old))).rowcount
        persons = 0
        for kind in Evidence:
            late = kept.evidence == kind.value, kept.over_at < rule.persons_before(kind, now)
            told = select(kept.id).where(*late, kept.person.is_not(None)).limit(most)
            persons += connection.execute(update(self.table).where(kept.id.in_(told)).values(person=None)).rowcount
        return persons, whole
