"""Reports of calls, and endings, in the archive. Their table: `adapters/sql/tables.py`."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from consent_engine.adapters.sql.kept import SqlKept, readable
from consent_engine.adapters.sql.tables import RECORDS, hold
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.hashing import digest
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

    def keep(self, owner: Owner, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        with self._database.asking() as connection:
            hold(connection)
            return self.keep_in(connection, owner, records, gone=True)

    def keep_in(
        self, connection: Connection, owner: Owner, records: Mapping[str, Mapping[str, str]], *, gone: bool
    ) -> set[str]:
        """Write reports or endings in a transaction. Return the ids of those kept. gone: the store is to let them go"""
        return self._kept(connection, self._rows(records, partial(self._row, owner), gone))

    def _row(self, owner: Owner, fields: Mapping[str, str]) -> dict[str, Any]:
        record = self._checked(owner, fields)
        if isinstance(record, Report):
            listed_at, evidence = record.received.received_at, Evidence.NO_SERVICE
            told = record.received
            own = {
                **_OF_AN_ENDING, "door": told.door.value, "proposed": told.proposed.value, "found": record.found.value,
                "carrier": told.carrier, "reward": record.reward.value, "answer_by": told.answer_by,
            }  # fmt: skip
        else:
            doc = record.doc
            listed_at, evidence = doc.asked_at, Evidence.SERVICE
            own = {
                **_OF_A_REPORT, "agent": doc.agent, "plan": doc.plan, "activated_at": doc.activated_at,
                "soon": record.is_soon,
            }  # fmt: skip
        return {
            "id": record.id,
            "kind": owner.value,
            "line": record.line,
            "version": record.version,
            "state": record.state.value,
            **own,
            "listed_at": listed_at,
            "over_at": record.over_at,
            "evidence": evidence.value,
            "head": record.head,
            "doc_hash": digest(fields["doc"]),
            "record": compact({n: kept for n, kept in fields.items() if not n.startswith("f:") and n != "who"}),
            "person": compact({n: kept for n, kept in fields.items() if n == "who"}),
        }

    def _checked(self, owner: Owner, fields: Mapping[str, str]) -> Report | Ending:
        """Read the record of these fields. Raises BrokenRecord, also when its seal does not fit."""
        seal = self._database.seal
        if owner is Owner.REPORT:
            report = Report.decode(fields)
            return seal.record(report, fields.get(SEAL)) if seal else report
        ending = Ending.decode(fields)
        return seal.record(ending, fields.get(SEAL)) if seal else ending

    def _made(self, row: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a row
        if row.kind not in {Owner.REPORT, Owner.ENDING}:
            raise BrokenRecord("an archived record of an unknown kind")
        return self._row(Owner(row.kind), self._fields(row))

    def reports(self, ids: Sequence[str], *, whole: bool = False) -> dict[str, Report]:
        return {each.id: each for each in self._found(Owner.REPORT, ids, whole) if isinstance(each, Report)}

    def endings(self, ids: Sequence[str], *, whole: bool = False) -> dict[str, Ending]:
        return {each.id: each for each in self._found(Owner.ENDING, ids, whole) if isinstance(each, Ending)}

    def _found(self, owner: Owner, ids: Sequence[str], whole: bool) -> list[Report | Ending]:  # noqa: FBT001
        kept = RECORDS.c
        wanted = select(kept.id, kept.record, kept.person).where(kept.kind == owner.value, kept.gone)
        rows = self._in_pieces(wanted, ids, kept.id)
        return readable(rows, lambda row: self._checked(owner, self._fields(row)), whole=whole)
