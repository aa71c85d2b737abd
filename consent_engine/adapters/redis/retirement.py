"""The removal of archived records, and of lines that hold nothing any more, from one cell of Redis."""

import uuid
from collections.abc import Sequence

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import Offers, whole
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.of_cell import OfCell, readable
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.line import STRANGER_MS
from consent_engine.ports import Aged, Held, Owner, Retirement, RetireResult, Retiring


class RedisRetirement(OfCell, Retirement):
    """The Retirement of one cell."""

    def __init__(self, wire: Wire, cell: Cell, offers: Offers) -> None:
        super().__init__(wire, cell)
        self._offers = offers

    def whole(self, orders: Sequence[str]) -> dict[str, dict[str, str]]:
        kept = self._wire.ask(*(("HGETALL", self._cell.order(order_id)) for order_id in orders))
        return readable(orders, kept, lambda fields: whole(fields, self._offers))

    def retire(self, orders: Sequence[Retiring], idle_before: Millis) -> list[tuple[RetireResult, Millis]]:
        calls = Calls()
        cell = self._cell
        for each in orders:
            keys = [cell.order(each.order), cell.line(each.line), cell.inbox(each.line), cell.due[Lane.TIMER]]
            args: list[str | int] = [each.order, each.version, each.held.effect, each.held.lease, idle_before]
            calls.script("retire_order", [*keys, cell.refusals, cell.journal], [*args, STRANGER_MS])
        return [(RetireResult(word), int(at)) for word, at in self._wire.send(calls, repeat=True)]

    def age(self, lines: Sequence[Held], now: Millis) -> list[Aged]:
        calls = Calls()
        for held in lines:
            keys = [self._cell.line(held.record), self._cell.inbox(held.record), self._cell.due[Lane.TIMER]]
            args: list[str | int] = [held.record, held.effect, held.lease, now - STRANGER_MS, STRANGER_MS]
            calls.script("retire_line", [*keys, self._cell.refusals, self._cell.journal], args)
        return [Aged(word) for word in self._wire.send(calls, repeat=True)]

    def whole_records(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        kept = self._wire.ask(*(("HGETALL", self._cell.record(owner, record)) for record in records))
        return {record: fields for record, fields in zip(records, kept, strict=True) if fields}

    def retire_records(self, owner: Owner, records: Sequence[tuple[Held, int]]) -> list[RetireResult]:
        asked, cell = Calls(), self._cell
        of_calls = [cell.calls, cell.told, cell.violations, *cell.to_review.values()]
        lists = of_calls if owner is Owner.CALL else [cell.endings]
        for held, version in records:
            keys = [cell.record(owner, held.record), cell.due[Lane.TIMER], *lists]
            asked.script("retire_record", keys, [held.record, version, held.effect, held.lease, owner.value])
        return [RetireResult(word) for word in self._wire.send(asked, repeat=True)]

    def retire_reports(self, reports: Sequence[tuple[str, int]]) -> list[RetireResult]:
        asked, cell = Calls(), self._cell
        for report, version in reports:
            keys = [cell.record(Owner.REPORT, report), cell.reports, cell.personal, cell.answered]
            asked.script("retire_report", keys, [report, version])
        return [RetireResult(word) for word in self._wire.send(asked, repeat=True)]

    def installation(self, *, make: bool = True) -> str:
        meta = f"{self._cell.shared}meta"
        [name] = self._wire.ask(("HGET", meta, "installation"))
        if not name and make:
            fresh = ("HSETNX", meta, "installation", uuid.uuid4().hex)
            name = self._wire.ask(fresh, ("HGET", meta, "installation"), prove=True)[1]
        return str(name or "")

    def archive_bound(self) -> str:
        return str(self._wire.ask(("HGET", f"{self._cell.shared}meta", "archive"))[0] or "")

    def bind_archive(self, archive: str) -> str:
        meta = f"{self._cell.shared}meta"
        bound = ("HSETNX", meta, "archive", archive), ("HGET", meta, "archive")
        return str(self._wire.ask(*bound, prove=True)[-1])
