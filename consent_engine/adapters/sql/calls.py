"""Calls in SQL. Their table: `adapters/sql/tables.py`."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, select

from consent_engine.adapters.sql.kept import SqlKept, readable
from consent_engine.adapters.sql.tables import CALLS, hold
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.transcript import SAID
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import request_key
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.ports.calls import CallArchive

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
            "violations": _named(call.violations),
            "ever_violated": _named(each for each in Violation if each in call.ever_violated),
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
        return {call.id: call for call in readable(self._in_pieces(_READ, ids, CALLS.c.id), self._call)}

    def recall(self, keys: Sequence[str]) -> list[Call]:
        by_key = self._in_pieces(_READ, keys, CALLS.c.request_key, CALLS.c.recording_key, CALLS.c.audio_key)
        return readable(by_key, self._call, whole=True)

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


def _named(violations: Iterable[Violation]) -> str:
    """Return violations as one text, in which each is found with the blanks around it."""
    return "".join(f" {each} " for each in violations)
