"""Calls in SQL. Their table: `adapters/sql/tables.py`."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sqlalchemy import select

from consent_engine.adapters.sql.kept import SqlKept, readable
from consent_engine.adapters.sql.tables import CALLS
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.line.line import request_key
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.ports import Owner
from consent_engine.ports.calls import CallArchive

_READ = select(CALLS.c.id, CALLS.c.record, CALLS.c.person).where(CALLS.c.gone)


class SqlCalls(SqlKept[Call], CallArchive):
    """The calls of one archive."""

    table = CALLS

    def _read(self, fields: Mapping[str, str], owner: Owner) -> Call:
        call, seal = Call.decode(fields), self._database.seal
        return seal.record(call, fields.get(SEAL)) if seal else call

    def _owner(self, row: Any) -> Owner:  # noqa: ANN401 - a row
        return Owner.CALL

    def _columns(self, record: Call, fields: Mapping[str, str]) -> Mapping[str, Any]:
        call, began = record, record.began
        return {
            "request_key": request_key(call.id),
            **dict(zip_longest(("recording_key", "audio_key"), call.recording_keys)),
            "carrier": began.carrier,
            "agent": began.agent,
            "placed_by": began.placed_by,
            "started_at": began.started_at,
            "over_at": call.over_at,
            "violations": _named(call.violations),
            "ever_violated": _named(each for each in Violation if each in call.ever_violated),
            "verdict": call.verdict or "",
            "evidence": call.evidence.value,
        }

    def calls(self, ids: Sequence[str]) -> dict[str, Call]:
        return {call.id: call for call in readable(self._in_pieces(_READ, ids, CALLS.c.id), self._call)}

    def recall(self, keys: Sequence[str]) -> list[Call]:
        by_key = self._in_pieces(_READ, keys, CALLS.c.request_key, CALLS.c.recording_key, CALLS.c.audio_key)
        return readable(by_key, self._call, whole=True)

    def _call(self, row: Any) -> Call:  # noqa: ANN401 - a row
        return self._read(self._fields(row), Owner.CALL)

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
