"""All that a store had, as SQL has it: read whole, to fill an empty store."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Select, select

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.rows import fields_of
from consent_engine.adapters.sql.tables import CALLS, LINES, LOG, OFFERS, ORDERS, PLANS, PROOF, RECORDS, among, said
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.leaf import newest_of
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord
from consent_engine.ports import LineKept, Owner
from consent_engine.ports.whole import Kept, Whole

PIECE = 500
NEWEST = 1_000
"""Among how many of the newest entries the newest instant is looked for: they are in the order of their numbering."""
_FIELDS = Reader(dict[str, str])
_LINES = Reader(list[dict[str, str] | str])


class SqlWhole(Whole):
    """The Whole of one archive. seal: checks each record"""

    def __init__(self, archive: SqlArchive, seal: Seal) -> None:
        self._archive = archive
        self._seal = seal

    def records(self, owner: Owner) -> Iterator[list[Kept]]:
        for rows in self._pieces(_SELECTED[owner]):
            yield [self._kept(owner, row) for row in rows]

    def standing(self, orders: Sequence[str]) -> set[str]:
        with self._archive.asking() as connection:
            some = select(ORDERS.c.id).where(among(connection, ORDERS.c.id, orders), ~ORDERS.c.gone)
            return set(connection.execute(some).scalars())

    def lines(self) -> Iterator[dict[str, LineKept]]:
        for rows in self._pieces(select(LINES.c.id, LINES.c.person)):
            yield {row.id: _line(row.person) for row in rows}

    def plans(self) -> dict[str, Mapping[str, str]]:
        with self._archive.asking() as connection:
            return {row.code: _FIELDS(row.kept) for row in connection.execute(select(PLANS))}

    def secret(self) -> str:
        with self._archive.asking() as connection:
            return said(connection).get(PROOF, "")

    def until(self) -> Millis:
        newest = select(LOG.c.entry).order_by(LOG.c.n.desc()).limit(NEWEST)
        with self._archive.asking() as connection:
            return newest_of(connection.execute(newest).scalars())

    def _pieces(self, wanted: Select[Any]) -> Iterator[list[Any]]:
        """Yield rows by their ids, whose first digits are the number's slot."""
        name, after = wanted.selected_columns["id"], ""
        while True:
            with self._archive.asking() as connection:
                rows = list(connection.execute(wanted.where(name > after).order_by(name).limit(PIECE)))
            if not rows:
                return
            yield rows
            after = rows[-1].id

    def _read(self, owner: Owner, fields: Mapping[str, str]) -> Order | Call | Ending | Report:
        """Read a record. Raises BrokenRecord, also when its seal does not fit."""
        if owner is Owner.ORDER:
            return self._seal.check(Order.decode(fields), fields.get(SEAL))
        if owner is Owner.CALL:
            return self._seal.record(Call.decode(fields), fields.get(SEAL))
        if owner is Owner.REPORT:
            return self._seal.record(Report.decode(fields), fields.get(SEAL))
        return self._seal.record(Ending.decode(fields), fields.get(SEAL))

    def _kept(self, owner: Owner, row: Any) -> Kept:  # noqa: ANN401 - a row
        """Return the record of a row; one that cannot be read by its id alone."""
        try:
            fields = {**fields_of(row.record, row.person), **_FIELDS(row.effects or "{}")}
            offer = getattr(row, "content", None)
            return Kept(row.id, self._read(owner, {**fields, "offer": offer} if offer else fields), fields)
        except (BrokenRecord, ValueError):
            return Kept(row.id, None, {})


def _columns(table: Any) -> Select[Any]:  # noqa: ANN401 - a table
    kept = table.c
    return select(kept.id, kept.record, kept.person, kept.effects).where(~kept.gone)


_SELECTED = {
    Owner.ORDER: _columns(ORDERS).add_columns(OFFERS.c.content).join(
        OFFERS, OFFERS.c.hash == ORDERS.c.offer, isouter=True
    ),
    Owner.CALL: _columns(CALLS),
    Owner.ENDING: _columns(RECORDS).where(RECORDS.c.kind == Owner.ENDING.value),
    Owner.REPORT: _columns(RECORDS).where(RECORDS.c.kind == Owner.REPORT.value),
}  # fmt: skip


def _line(kept: str) -> LineKept:
    fields, *unread = _LINES(kept)
    return LineKept(cast("dict[str, str]", fields), cast("list[str]", unread))
