"""Lists of restrictions in SQL."""

import logging
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.lines import restriction_of
from consent_engine.adapters.sql.tables import LINES, RESTRICTIONS
from consent_engine.domain.line.restriction import Kind
from consent_engine.ports import Tally
from consent_engine.ports.queries import Paged, Position, RestrictionQueries, StandingRestriction

log = logging.getLogger(__name__)
_STANDS = RESTRICTIONS.c
_SINCE = _STANDS.since, _STANDS.line, _STANDS.name
_STANDING = select(*_SINCE, LINES.c.version, LINES.c.person).join(LINES, LINES.c.id == _STANDS.line)


class SqlRestrictionQueries(RestrictionQueries):
    """The RestrictionQueries of one database."""

    def __init__(self, archive: SqlArchive) -> None:
        self._archive = archive

    def page(self, kind: Kind, before: Position | None, limit: int) -> Paged[StandingRestriction]:
        rows = _STANDING.where(*_listed(kind)).order_by(*(each.desc() for each in _SINCE)).limit(limit)
        if before is not None:
            line, _, name = before[1].partition(" ")
            rows = rows.where(tuple_(*_SINCE) < (before[0], line, name))
        with self._archive.asking() as connection:
            found = connection.execute(rows).all()
        last = found[-1] if len(found) == limit else None
        place = (last.since, f"{last.line} {last.name}") if last is not None else None
        return Paged(tuple(each for row in found if (each := _standing(row)) is not None), place)

    def tally(self, kind: Kind) -> Tally:
        counted = select(func.count(), func.min(_STANDS.since)).where(*_listed(kind))
        with self._archive.asking() as connection:
            count, oldest = connection.execute(counted).one()
        return Tally(count, oldest or 0)


def _listed(kind: Kind) -> tuple[ColumnElement[bool], ...]:
    return (_STANDS.kind == kind.value, *((_STANDS.waits,) if kind is Kind.SUSPECTED else ()))


def _standing(row: Any) -> StandingRestriction | None:  # noqa: ANN401 - a row
    try:
        return StandingRestriction(row.line, row.version, *restriction_of(row.person, row.name))
    except ValueError:
        log.error("%s: a restriction cannot be read", row.line)
        return None
