"""Reports of calls, and endings, in the archive. Their table: `adapters/sql/tables.py`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from consent_engine.adapters.sql.kept import SqlKept, readable
from consent_engine.adapters.sql.tables import RECORDS
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.order.retention import Evidence
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Owner
from consent_engine.ports.archive import RecordArchive

_OF_AN_ENDING: Mapping[str, Any] = {"agent": "", "plan": "", "activated_at": 0, "soon": False}
"""The columns of endings alone, as reports have them."""
_OF_A_REPORT: Mapping[str, Any] = {
    **dict.fromkeys(("door", "proposed", "found", "carrier", "reward"), ""), "answer_by": 0,
}  # fmt: skip


class SqlRecords(SqlKept[Report | Ending], RecordArchive):
    """The reports and endings of one archive."""

    table = RECORDS

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

    def _read(self, fields: Mapping[str, str], owner: Owner) -> Report | Ending:
        seal = self._database.seal
        if owner is Owner.REPORT:
            report = Report.decode(fields)
            return seal.record(report, fields.get(SEAL)) if seal else report
        ending = Ending.decode(fields)
        return seal.record(ending, fields.get(SEAL)) if seal else ending

    def _owner(self, row: Any) -> Owner:  # noqa: ANN401 - a row
        if row.kind not in {Owner.REPORT, Owner.ENDING}:
            raise BrokenRecord("an archived record of an unknown kind")
        return Owner(row.kind)

    def reports(self, ids: Sequence[str], *, whole: bool = False) -> dict[str, Report]:
        return {each.id: each for each in self._found(Owner.REPORT, ids, whole) if isinstance(each, Report)}

    def endings(self, ids: Sequence[str], *, whole: bool = False) -> dict[str, Ending]:
        return {each.id: each for each in self._found(Owner.ENDING, ids, whole) if isinstance(each, Ending)}

    def _found(self, owner: Owner, ids: Sequence[str], whole: bool) -> list[Report | Ending]:  # noqa: FBT001
        kept = RECORDS.c
        wanted = select(kept.id, kept.record, kept.person).where(kept.kind == owner.value, kept.gone)
        rows = self._in_pieces(wanted, ids, kept.id)
        return readable(rows, lambda row: self._read(self._fields(row), owner), whole=whole)
