"""Reports of calls and endings in the archive. Their table: `adapters/sql/tables.py`."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select, tuple_

from consent_engine.adapters.sql.kept import SqlKept
from consent_engine.adapters.sql.tables import RECORDS
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.order.retention import Evidence
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Owner
from consent_engine.ports.record_archive import RecordArchive

log = logging.getLogger(__name__)


class SqlRecords(SqlKept, RecordArchive):
    """The reports and endings of one archive."""

    table = RECORDS

    def keep(self, owner: Owner, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        rows = []
        for name in sorted(records):
            try:
                rows.append(self._row(owner, records[name]))
            except BrokenRecord as error:
                log.error("%s: %s", name, error)
        return self._kept(rows) if rows else set()

    def _row(self, owner: Owner, fields: Mapping[str, str]) -> dict[str, Any]:
        record = self._checked(owner, fields)
        if isinstance(record, Report):
            listed_at, evidence = record.received.received_at, Evidence.NO_SERVICE
        else:
            listed_at, evidence = record.doc.asked_at, Evidence.SERVICE
        return {
            "id": record.id,
            "kind": owner.value,
            "line": record.line,
            "version": record.version,
            "listed_at": listed_at,
            "over_at": record.over_at,
            "evidence": evidence.value,
            "head": record.head,
            "doc_hash": digest(fields["doc"]),
            "record": compact({n: kept for n, kept in fields.items() if not n.startswith("f:") and n != "who"}),
            "person": compact({n: kept for n, kept in fields.items() if n == "who"}),
        }

    def _checked(self, owner: Owner, fields: Mapping[str, str]) -> Report | Ending:
        """The record of these fields. Raises BrokenRecord, also when its seal does not fit."""
        seal = self._seal()
        if owner is Owner.REPORT:
            report = Report.read(fields)
            return seal.record(report, fields.get(SEAL)) if seal else report
        ending = Ending.read(fields)
        return seal.record(ending, fields.get(SEAL)) if seal else ending

    def reports(self, ids: Sequence[str]) -> dict[str, Report]:
        return {each.id: each for each in self._read(Owner.REPORT, ids) if isinstance(each, Report)}

    def endings(self, ids: Sequence[str]) -> dict[str, Ending]:
        return {each.id: each for each in self._read(Owner.ENDING, ids) if isinstance(each, Ending)}

    def _read(self, owner: Owner, ids: Sequence[str]) -> Iterator[Report | Ending]:
        kept = RECORDS.c
        wanted = select(kept.id, kept.record, kept.person).where(kept.kind == owner.value)
        for row in self._in_pieces(wanted, ids, kept.id):
            try:
                yield self._checked(owner, {**json.loads(row.record), **json.loads(row.person or "{}")})
            except BrokenRecord as error:  # it must not sink the others of its page
                log.error("%s: %s", row.id, error)

    def listed(self, owner: Owner, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        at, name = RECORDS.c.listed_at, RECORDS.c.id
        rows = select(name, at).where(RECORDS.c.kind == owner.value).order_by(at.desc(), name.desc()).limit(limit)
        if before is not None:
            rows = rows.where(tuple_(at, name) < before)
        with self._asking() as connection:
            return [(record, came) for record, came in connection.execute(rows)]
