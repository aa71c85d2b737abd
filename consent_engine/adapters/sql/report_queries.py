"""Lists and counts of reports of calls in SQL."""

from sqlalchemy import case, func, select, tuple_

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.tables import RECORDS
from consent_engine.domain.call.report import ReportClass, ReportDoor, ReportState
from consent_engine.domain.effects import Millis
from consent_engine.ports import Owner, ReportFilter
from consent_engine.ports.queries import Position, ReportQueries
from consent_engine.ports.reports import OpenReports

_ROW = RECORDS.c
_PLACE = _ROW.listed_at, _ROW.id
_REPORT = _ROW.kind == Owner.REPORT.value
_OPEN_REPORT = _REPORT, _ROW.state == ReportState.OPEN.value


class SqlReportQueries(ReportQueries):
    """The ReportQueries of one database."""

    def __init__(self, archive: SqlArchive) -> None:
        self._archive = archive

    def page(self, wanted: ReportFilter, before: Position | None, limit: int) -> list[Position]:
        bounds = (
            (_ROW.state, wanted.state), (_ROW.door, wanted.door), (_ROW.found, wanted.found),
            (_ROW.carrier, wanted.carrier), (_ROW.reward, wanted.reward),
        )  # fmt: skip
        only = [_REPORT, *(column == value for column, value in bounds if value is not None)]
        if wanted.overdue_at is not None:
            only += _ROW.state == ReportState.OPEN.value, _ROW.answer_by < wanted.overdue_at
        if before is not None:
            only.append(tuple_(*_PLACE) < before)
        rows = select(*_PLACE).where(*only).order_by(*(each.desc() for each in _PLACE)).limit(limit)
        with self._archive.asking() as connection:
            return [(at, report) for at, report in connection.execute(rows)]

    def due(self, limit: int) -> list[str]:
        rows = select(_ROW.id).where(*_OPEN_REPORT).order_by(_ROW.answer_by, _ROW.id).limit(limit)
        with self._archive.asking() as connection:
            return list(connection.execute(rows).scalars())

    def waiting(self, now: Millis) -> list[OpenReports]:
        alike, late = (_ROW.door, _ROW.proposed), func.sum(case((_ROW.answer_by < now, 1), else_=0))
        counted = select(*alike, func.count(), late).where(*_OPEN_REPORT).group_by(*alike)
        with self._archive.asking() as connection:
            return [
                OpenReports(ReportDoor(door), ReportClass(proposed), count, overdue)
                for door, proposed, count, overdue in connection.execute(counted)
            ]
