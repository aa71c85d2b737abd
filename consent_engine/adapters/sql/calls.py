"""Calls in the archive, and the queue of those that nobody has heard. Their tables: `adapters/sql/tables.py`."""

from collections.abc import Mapping, Sequence, Set
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, tuple_

from consent_engine.adapters.sql.kept import SqlKept
from consent_engine.adapters.sql.tables import CALLS, UNHEARD, among
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
_READ = select(CALLS.c.id, CALLS.c.record, CALLS.c.person)


class SqlCalls(SqlKept[Call], CallArchive):
    """The calls of one archive."""

    table = CALLS

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        unheard: set[str] = set()

        def row_of(fields: Mapping[str, str]) -> dict[str, Any]:
            call = self._checked(fields)
            if call.verdict is Verdict.PENDING:
                unheard.add(call.id)
            return self._row(call, fields)

        def beside(connection: Connection, kept: Set[str]) -> None:
            self._queued(connection, {call: rows[call] for call in kept}, unheard)

        rows = {row["id"]: row for row in self._rows(records, row_of)}
        return self._kept(list(rows.values()), beside)

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

    def _queued(self, connection: Connection, calls: Mapping[str, Mapping[str, Any]], unheard: Set[str]) -> None:
        """Queue the unheard calls, and remove the others: these had returned to the store, and were reviewed there. One
        that came from a backup, and is archived with more of its history, leaves the queue as it is.
        """
        if heard := calls.keys() - unheard:
            connection.execute(delete(UNHEARD).where(UNHEARD.c.id.in_(sorted(heard))))
        if waits := calls.keys() & unheard:
            same = tuple_(CALLS.c.id, CALLS.c.head).in_([(call, calls[call]["head"]) for call in sorted(waits)])
            found = select(CALLS.c.id, CALLS.c.over_at).where(same).order_by(CALLS.c.id)
            queue = self._database.insert(UNHEARD).from_select(["id", "over_at"], found)
            connection.execute(queue.on_conflict_do_nothing())

    def take(self, rows: Sequence[Mapping[str, Any]]) -> set[str]:
        own = {row["id"]: {name: value for name, value in row.items() if name != UNHEARD.name} for row in rows}
        unheard = {row["id"] for row in rows if row[UNHEARD.name] is not None}

        def beside(connection: Connection, kept: Set[str]) -> None:
            self._queued(connection, {call: own[call] for call in kept}, unheard)

        return self._kept(list(own.values()), beside)

    def calls(self, ids: Sequence[str]) -> dict[str, Call]:
        return {call.id: call for call in self._readable(self._in_pieces(_READ, ids, CALLS.c.id), self._call)}

    def recall(self, keys: Sequence[str]) -> list[Call]:
        by_key = self._in_pieces(_READ, keys, CALLS.c.request_key, CALLS.c.recording_key, CALLS.c.audio_key)
        return self._readable(by_key, self._call, whole=True)

    def _call(self, row: Any) -> Call:  # noqa: ANN401 - a row
        return self._checked(self._fields(row))

    def _whole(self) -> Select[Any]:
        """Select whole rows, each with the instant at which it stands in the queue: lists show it from there."""
        waits = UNHEARD.c.over_at.label(UNHEARD.name)
        return select(CALLS, waits).join(UNHEARD, UNHEARD.c.id == CALLS.c.id, isouter=True)

    def _made(self, row: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a row
        fields = self._fields(row)
        call = self._checked(fields)
        return {**self._row(call, fields), UNHEARD.name: call.over_at if call.verdict is Verdict.PENDING else None}

    def of_line(self, line: str, limit: int) -> list[str]:
        rows = select(CALLS.c.id).where(CALLS.c.line == line).order_by(CALLS.c.started_at.desc(), CALLS.c.id.desc())
        with self._database.asking() as connection:
            return list(connection.execute(rows.limit(limit)).scalars())

    def listed(self, wanted: CallFilter, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        at = CALLS.c.started_at
        bounds = {
            CALLS.c.agent.__eq__: wanted.agent, CALLS.c.carrier.__eq__: wanted.carrier, at.__ge__: wanted.since,
            at.__lt__: wanted.until,
        }  # fmt: skip
        only = [compared(value) for compared, value in bounds.items() if value is not None]
        if wanted.violation is not None:
            only.append(CALLS.c.violations != "")
        if wanted.violation not in {None, ANY}:
            only.append(CALLS.c.violations.contains(f" {wanted.violation} ", autoescape=True))
        return self._page("started_at", before, limit, *only)

    def unheard(self, after: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        at = UNHEARD.c.over_at
        rows = select(UNHEARD.c.id, at).order_by(at, UNHEARD.c.id).limit(limit)
        if after is not None:
            rows = rows.where(tuple_(at, UNHEARD.c.id) > after)
        with self._database.asking() as connection:
            return [(call, over) for call, over in connection.execute(rows)]

    def count_unheard(self, most: int) -> int:
        some = select(UNHEARD.c.id).limit(most).subquery()
        with self._database.asking() as connection:
            return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    def _left(self, connection: Connection, ids: Sequence[str]) -> None:
        connection.execute(delete(UNHEARD).where(among(connection, UNHEARD.c.id, ids)))
