"""Calls in SQL. Their table: `adapters/sql/tables.py`."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from sqlalchemy import select

from consent_engine.adapters.sql.kept import SqlKept
from consent_engine.adapters.sql.tables import CALLS
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.line.line import request_key
from consent_engine.ports import Owner


class SqlCalls(SqlKept[Call]):
    """The calls of one archive."""

    table, holds, begun, rows = CALLS, Owner.CALL, CALLS.c.started_at, select(CALLS)
    keys = (CALLS.c.request_key, CALLS.c.recording_key, CALLS.c.audio_key)

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


def _named(violations: Iterable[Violation]) -> str:
    """Return violations as one text, in which each is found with the blanks around it."""
    return "".join(f" {each} " for each in violations)
