"""Calls in SQL. Their table: `adapters/sql/tables.py`."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from consent_engine.adapters.sql.kept import SqlKept
from consent_engine.adapters.sql.tables import CALLS, hold
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.transcript import SAID
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import request_key
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.ports.calls import ANY, CallArchive, CallFilter

_PERSON = ("who", SAID)
_READ = select(CALLS.c.id, CALLS.c.record, CALLS.c.person).where(CALLS.c.gone)


class SqlCalls(SqlKept[Call], CallArchive):
    """The calls of one archive."""

    table = CALLS

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        with self._database.asking() as connection:
            hold(connection)
            return self.keep_in(connection, records, gone=True)

    def keep_in(self, connection: Connection, records: Mapping[str, Mapping[str, str]], *, gone: bool) -> set[str]:
        """Write calls in a transaction. Return the ids of those kept. gone: the store is to let them go"""
        rows = self._rows(records, lambda fields: self._row(self._checked(fields), fields), gone)
        return self._kept(connection, rows)

    def _row(self, call: Call, fields: Mapping[str, str]) -> dict[str, Any]:
        kept = {name: value for name, value in fields.items() if not name.startswith("f:") and name not in _PERSON}
        began = call.began
        return {
            "id": call.id,
            "request_key": request_key(call.id),
            **dict(zip_longest(("recording_key", "audio_key"), call.recording_keys)),
            "line": call.line,
            "version": call.version,
            "state": call.state.value,
            "carrier": began.carrier,
            "agent": began.agent,
            "placed_by": began.placed_by,
            "started_at": began.started_at,
            "over_at": call.over_at,
            "violations": "".join(f" {each} " for each in call.violations),
            "verdict": call.verdict or "",
            "evidence": call.evidence.value,
            "head": call.head,
            "doc_hash": digest(fields["doc"]),
            "record": compact(kept),
            "person": compact({name: fields[name] for name in _PERSON if name in fields}),
        }

    def _checked(self, fields: Mapping[str, str]) -> Call:
        """Read the call of a record. Raises BrokenRecord, also when its seal does not fit."""
        call, seal = Call.decode(fields), self._database.seal
        return seal.record(call, fields.get(SEAL)) if seal else call

    def calls(self, ids: Sequence[str]) -> dict[str, Call]:
        return {call.id: call for call in self._readable(self._in_pieces(_READ, ids, CALLS.c.id), self._call)}

    def recall(self, keys: Sequence[str]) -> list[Call]:
        by_key = self._in_pieces(_READ, keys, CALLS.c.request_key, CALLS.c.recording_key, CALLS.c.audio_key)
        return self._readable(by_key, self._call, whole=True)

    def _call(self, row: Any) -> Call:  # noqa: ANN401 - a row
        return self._checked(self._fields(row))

    def _made(self, row: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a row
        fields = self._fields(row)
        return self._row(self._checked(fields), fields)

    def of_line(self, line: str, limit: int) -> list[str]:
        rows = (
            select(CALLS.c.id)
            .where(CALLS.c.line == line, CALLS.c.gone)
            .order_by(CALLS.c.started_at.desc(), CALLS.c.id.desc())
        )
        with self._database.asking() as connection:
            return list(connection.execute(rows.limit(limit)).scalars())

    def listed(self, wanted: CallFilter, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        at = CALLS.c.started_at
        bounds = {
            CALLS.c.agent.__eq__: wanted.agent, CALLS.c.carrier.__eq__: wanted.carrier, at.__ge__: wanted.since,
            at.__lt__: wanted.until,
        }  # fmt: skip
        only: list[ColumnElement[bool]] = [CALLS.c.gone]
        only += [compared(value) for compared, value in bounds.items() if value is not None]
        if wanted.violation is not None:
            only.append(CALLS.c.violations != "")
        if wanted.violation not in {None, ANY}:
            only.append(CALLS.c.violations.contains(f" {wanted.violation} ", autoescape=True))
        return self._page("started_at", before, limit, *only)

    def unheard(self, after: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        at = CALLS.c.over_at
        rows = select(CALLS.c.id, at).where(*_UNHEARD).order_by(at, CALLS.c.id).limit(limit)
        if after is not None:
            rows = rows.where(tuple_(at, CALLS.c.id) > after)
        with self._database.asking() as connection:
            return [(call, over) for call, over in connection.execute(rows)]

    def count_unheard(self, most: int) -> int:
        some = select(CALLS.c.id).where(*_UNHEARD).limit(most).subquery()
        with self._database.asking() as connection:
            return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


_UNHEARD = (CALLS.c.gone, CALLS.c.verdict == Verdict.PENDING.value)
