"""Lists of endings in SQL."""

from sqlalchemy import ColumnElement, func, select, tuple_

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.tables import RECORDS
from consent_engine.domain.call.ending import EndingState
from consent_engine.ports import Owner, Tally
from consent_engine.ports.queries import EndingQueries, Position

_ROW = RECORDS.c
_PLACE = _ROW.listed_at, _ROW.id
_OPEN_ENDING = (
    _ROW.kind == Owner.ENDING.value,
    _ROW.state.in_([EndingState.ENDING.value, EndingState.ENDING_FAILED.value]),
)


class SqlEndingQueries(EndingQueries):
    """The EndingQueries of one database."""

    def __init__(self, archive: SqlArchive) -> None:
        self._archive = archive

    def listed(self, before: Position | None, limit: int) -> list[Position]:
        return self._places(before, limit, _ROW.kind == Owner.ENDING.value)

    def open(self, before: Position | None, limit: int) -> list[Position]:
        return self._places(before, limit, *_OPEN_ENDING)

    def _places(self, before: Position | None, limit: int, *only: ColumnElement[bool]) -> list[Position]:
        rows = select(*_PLACE).where(*only).order_by(*(each.desc() for each in _PLACE)).limit(limit)
        if before is not None:
            rows = rows.where(tuple_(*_PLACE) < before)
        with self._archive.asking() as connection:
            return [(at, ending) for at, ending in connection.execute(rows)]

    def tally(self) -> Tally:
        with self._archive.asking() as connection:
            count, oldest = connection.execute(
                select(func.count(), func.min(_ROW.listed_at)).where(*_OPEN_ENDING)
            ).one()
        return Tally(count, oldest or 0)
