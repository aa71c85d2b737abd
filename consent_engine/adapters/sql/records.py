"""Reports of calls, and endings, in the archive. Their table: `adapters/sql/tables.py`."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, select

from consent_engine.adapters.sql.kept import SqlKept
from consent_engine.adapters.sql.tables import RECORDS
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.order.retention import Evidence
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Owner

_OF_AN_ENDING: Mapping[str, Any] = {"agent": "", "plan": "", "activated_at": 0, "soon": False}
"""The columns of endings alone, as reports have them."""
_OF_A_REPORT: Mapping[str, Any] = {
    **dict.fromkeys(("door", "proposed", "found", "carrier", "reward"), ""), "answer_by": 0,
}  # fmt: skip


class SqlRecords(SqlKept[Report | Ending]):
    """The reports and endings of one archive."""

    table, begun, rows = RECORDS, RECORDS.c.listed_at, select(RECORDS)

    def _columns(self, record: Report | Ending, fields: Mapping[str, str]) -> Mapping[str, Any]:
        if isinstance(record, Report):
            owner, listed_at, evidence = Owner.REPORT, record.received.received_at, Evidence.NO_SERVICE
            case = record.received
            own = {
                **_OF_AN_ENDING, "door": case.door.value, "proposed": case.proposed.value, "found": record.found.value,
                "carrier": case.carrier, "reward": record.reward.value, "answer_by": case.answer_by,
            }  # fmt: skip
        else:
            doc = record.doc
            owner, listed_at, evidence = Owner.ENDING, doc.asked_at, Evidence.SERVICE
            own = {
                **_OF_A_REPORT, "agent": doc.agent, "plan": doc.plan, "activated_at": doc.activated_at,
                "soon": record.is_soon,
            }  # fmt: skip
        return {
            "kind": owner.value, "listed_at": listed_at, "over_at": record.over_at, "evidence": evidence.value, **own,
        }  # fmt: skip

    def _owner(self, row: Any) -> Owner:  # noqa: ANN401 - a row
        if row.kind not in {Owner.REPORT, Owner.ENDING}:
            raise BrokenRecord("an archived record of an unknown kind")
        return Owner(row.kind)

    def rows_of(self, owner: Owner) -> Select[Any]:
        return self.rows.where(RECORDS.c.kind == owner.value)
