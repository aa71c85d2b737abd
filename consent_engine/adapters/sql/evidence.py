"""All that SQL has of one order: its records with their person parts, its plan, and its entries in the log; and what is
found by a receipt.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from consent_engine.adapters.sql.archive import OfArchive
from consent_engine.adapters.sql.lines import standing
from consent_engine.adapters.sql.tables import LINES, LOG, ORDERS, PLANS, RECORDS, RESTRICTIONS, among
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending, ending_id
from consent_engine.domain.call.report import Report
from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Leaf, cipher_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import OWNERS, Owner
from consent_engine.ports.archive import Kept
from consent_engine.ports.queries import EvidenceQueries, L, OrderKept, Receipted

R = TypeVar("R", Order, Call, Ending, Report)
S = TypeVar("S")
_FIELDS = Reader(dict[str, str])


class SqlEvidenceQueries(OfArchive, EvidenceQueries):
    """The EvidenceQueries of one database, read in one transaction."""

    def of(self, orders: Sequence[str]) -> dict[str, OrderKept | None]:
        with self._asking() as connection:
            return self._some(connection, orders)

    def receipted(self, name: str, since: Millis) -> Receipted | None:
        orders = select(ORDERS.c.id).where(ORDERS.c.receipt == name, ORDERS.c.placed_at >= since)
        reports = select(RECORDS.c.id).where(RECORDS.c.receipt == name, RECORDS.c.listed_at >= since)
        stands = select(RESTRICTIONS.c.line, RESTRICTIONS.c.name, LINES.c.version, LINES.c.person)
        stands = stands.join(LINES, LINES.c.id == RESTRICTIONS.c.line).where(RESTRICTIONS.c.receipt == name)
        with self._asking() as connection:
            if (order := connection.execute(orders).scalar()) is not None:
                return _sound(self._some(connection, [order])[order])
            if (report := connection.execute(reports).scalar()) is not None:
                return _sound(self._kept(connection, Owner.REPORT, Report, [report])[report].record)
            row = connection.execute(stands).first()
        return standing(row, self._archive.seal) if row else None

    def _some(self, connection: Connection, orders: Sequence[str]) -> dict[str, OrderKept | None]:
        kept = self._kept(connection, Owner.ORDER, Order, orders)
        docs = {name: each.record.doc for name, each in kept.items() if each.record is not None}
        calls = self._kept(connection, Owner.CALL, Call, [doc.call_id for doc in docs.values()])
        endings = self._kept(connection, Owner.ENDING, Ending, [ending_id(name) for name in docs])
        codes = sorted({doc.plan for doc in docs.values()})
        rows = connection.execute(select(PLANS).where(among(connection, PLANS.c.code, codes)))
        plans = {code: _FIELDS(fields) for code, fields in rows}
        of_all = (each.record for some in (kept, calls, endings) for each in some.values())
        leaves = _leaves(connection, [each for each in of_all if each is not None])
        found: dict[str, OrderKept | None] = dict.fromkeys(kept)
        opened = cipher_of(self._archive.seal).opened
        for name, doc in docs.items():
            call, ending = calls.get(doc.call_id), endings.get(ending_id(name))
            parts = [part for part in (kept[name], call, ending) if part is not None]
            if (order := kept[name].record) is not None and all(part.record is not None for part in parts):
                fields = {part.id: opened(order.line, part.fields) for part in parts}
                found[name] = OrderKept(
                    order, call and call.record, ending and ending.record, fields, plans.get(doc.plan),
                    {part.id: leaves[part.id] for part in parts if part.id in leaves},
                )  # fmt: skip
        return found

    def logged(self, kind: type[L], names: Sequence[str]) -> dict[str, tuple[L, Sequence[tuple[int, str]]]]:
        with self._archive.asking() as connection:
            kept = self._kept(connection, OWNERS[kind], kind, names)
            records = [each.record for each in kept.values() if each.record is not None]
            leaves = _leaves(connection, records)
        return {record.id: (record, leaves.get(record.id, [])) for record in records}

    def leaves(self, calls: Sequence[Call]) -> dict[str, list[tuple[int, str]]]:
        with self._asking() as connection:
            return _leaves(connection, calls)

    def _kept(self, connection: Connection, owner: Owner, kind: type[R], names: Sequence[str]) -> dict[str, Kept[R]]:
        """Return these records; without its record one that is damaged, or of another kind."""
        of, found = self._archive.table_of(owner), dict[str, Kept[R]]()
        for row in connection.execute(of.rows_of(owner).where(among(connection, of.table.c.id, names))):
            kept: Kept[Any] = of.kept(row)
            found[row.id] = kept if isinstance(kept.record, kind) else kept._replace(record=None)
        return found


def _sound(found: S | None) -> S:
    """Raises BrokenRecord for a damaged record."""
    if found is None:
        raise BrokenRecord("a record of this order is damaged, or somebody changed it")
    return found


def _leaves(connection: Connection, records: Sequence[Order | Call | Ending]) -> dict[str, list[tuple[int, str]]]:
    """Return the entries of each chain that the log has: an entry is found by its hash, which follows from a link."""
    named = {digest(leaf.entry): leaf.record for record in records for leaf in Leaf.all_of(record)}
    wanted = select(LOG.c.leaf, LOG.c.n, LOG.c.entry).where(among(connection, LOG.c.leaf, list(named)))
    found: dict[str, list[tuple[int, str]]] = {}
    for leaf, n, entry in connection.execute(wanted.order_by(LOG.c.n)):
        found.setdefault(named[leaf], []).append((n, entry))
    return found
