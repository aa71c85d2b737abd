"""All that SQL has of one order: its records with their person parts, its plan, and its entries in the log; and what is
found by a receipt.
"""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Connection, select

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.lines import restriction_of
from consent_engine.adapters.sql.tables import LINES, LOG, ORDERS, PLANS, RECORDS, RESTRICTIONS, among
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending, ending_id
from consent_engine.domain.call.report import Report
from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Leaf
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Owner
from consent_engine.ports.archive import Kept
from consent_engine.ports.queries import EvidenceQueries, OrderKept, Receipted, StandingRestriction

R = TypeVar("R", Order, Call, Ending, Report)
_FIELDS = Reader(dict[str, str])


class SqlEvidenceQueries(EvidenceQueries):
    """The EvidenceQueries of one database, read in one transaction."""

    def __init__(self, archive: SqlArchive) -> None:
        self._archive = archive

    def of(self, order: str) -> OrderKept | None:
        with self._archive.asking() as connection:
            return self._of(connection, order)

    def receipted(self, name: str, since: Millis) -> Receipted | None:
        orders = select(ORDERS.c.id).where(ORDERS.c.receipt == name, ORDERS.c.placed_at >= since)
        reports = select(RECORDS.c.id).where(RECORDS.c.receipt == name, RECORDS.c.listed_at >= since)
        stands = select(RESTRICTIONS.c.line, RESTRICTIONS.c.name, LINES.c.version, LINES.c.person)
        stands = stands.join(LINES, LINES.c.id == RESTRICTIONS.c.line).where(RESTRICTIONS.c.receipt == name)
        with self._archive.asking() as connection:
            if (order := connection.execute(orders).scalar()) is not None:
                return self._of(connection, order)
            if (report := connection.execute(reports).scalar()) is not None:
                kept = self._kept(connection, Owner.REPORT, Report, report)
                return kept and kept.record
            row = connection.execute(stands).first()
        return StandingRestriction(row.line, row.version, *restriction_of(row.person, row.name)) if row else None

    def _of(self, connection: Connection, order: str) -> OrderKept | None:
        kept = self._kept(connection, Owner.ORDER, Order, order)
        if kept is None or kept.record is None:
            return None
        doc = kept.record.doc
        call = self._kept(connection, Owner.CALL, Call, doc.call_id)
        ending = self._kept(connection, Owner.ENDING, Ending, ending_id(order))
        plan = connection.execute(select(PLANS.c.kept).where(PLANS.c.code == doc.plan)).scalar()
        records = [each.record for each in (kept, call, ending) if each is not None and each.record is not None]
        return OrderKept(
            kept.record, call and call.record, ending and ending.record,
            {each.id: each.fields for each in (kept, call, ending) if each is not None},
            _FIELDS(plan) if plan is not None else None, _leaves(connection, records),
        )  # fmt: skip

    def _kept(self, connection: Connection, owner: Owner, kind: type[R], name: str) -> Kept[R] | None:
        of = self._archive.table_of(owner)
        row = connection.execute(of.rows_of(owner).where(of.table.c.id == name)).first()
        found: Kept[R] | None = of.kept(row) if row is not None else None
        if found is not None and not isinstance(found.record, kind):
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
