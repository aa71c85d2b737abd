"""All that a store had, as SQL has it: read whole, to fill an empty store."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import select

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.kept import pieces_of
from consent_engine.adapters.sql.tables import LINES, LOG, ORDERS, PLANS, PROOF, among, said
from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.seal import newest_of
from consent_engine.ports import OWNERS, Kept, LineKept, R
from consent_engine.ports.archive import PlansKept
from consent_engine.ports.journal import Whole

NEWEST = 1_000
"""Among how many of the newest entries the newest instant is looked for: they are in the order of their numbering."""
_FIELDS = Reader(dict[str, str])
_LINES = Reader(list[dict[str, str] | str])


class SqlWhole(Whole):
    def __init__(self, archive: SqlArchive) -> None:
        self._archive = archive
        self.seal = archive.seal

    def records(self, kind: type[R]) -> Iterator[list[Kept[R]]]:
        table = self._archive.table_of(OWNERS[kind])
        for rows in pieces_of(self._archive, table.rows_of(OWNERS[kind]).where(~table.table.c.gone)):
            yield [table.kept(row) for row in rows]

    def standing(self, orders: Sequence[str]) -> set[str]:
        with self._archive.asking() as connection:
            some = select(ORDERS.c.id).where(among(connection, ORDERS.c.id, orders), ~ORDERS.c.gone)
            return set(connection.execute(some).scalars())

    def lines(self) -> Iterator[dict[str, LineKept]]:
        for rows in pieces_of(self._archive, select(LINES.c.id, LINES.c.person)):
            yield {row.id: _line(row.person) for row in rows}

    def plans(self) -> PlansKept:
        with self._archive.asking() as connection:
            plans = {row.code: _FIELDS(row.kept) for row in connection.execute(select(PLANS))}
            return PlansKept("", said(connection).get(PROOF, ""), plans)

    def until(self) -> Millis:
        newest = select(LOG.c.entry).order_by(LOG.c.n.desc()).limit(NEWEST)
        with self._archive.asking() as connection:
            return newest_of(connection.execute(newest).scalars())


def _line(kept: str) -> LineKept:
    fields, *unread = _LINES(kept)
    return LineKept(cast("dict[str, str]", fields), cast("list[str]", unread))
