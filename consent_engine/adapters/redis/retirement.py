"""The removal of archived records, and of lines that hold nothing any more, from one cell of Redis."""

import uuid
from collections.abc import Mapping, Sequence

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import Offers, whole
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.of_cell import OfCell, readable
from consent_engine.domain.effects import WAKE_PERSON, Lane, Millis
from consent_engine.domain.line.line import STRANGER_MS
from consent_engine.ports import Aged, Held, Owner, Retirement, RetireResult, Retiring
from consent_engine.ports.archive import PlansKept
from consent_engine.ports.store import lost


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
            calls.script("retire_order", [*keys, cell.journal], [*args, STRANGER_MS])
        return [(RetireResult(word), int(at)) for word, at in self._wire.send(calls, repeat=True)]

    def age(self, lines: Sequence[Held], now: Millis) -> list[Aged]:
        calls = Calls()
        for held in lines:
            keys = [self._cell.line(held.record), self._cell.inbox(held.record), self._cell.due[Lane.TIMER]]
            args: list[str | int] = [held.record, held.effect, held.lease, now - STRANGER_MS, STRANGER_MS]
            calls.script("retire_line", [*keys, self._cell.journal], args)
        return [Aged(word) for word in self._wire.send(calls, repeat=True)]

    def whole_records(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        kept = self._wire.ask(*(("HGETALL", self._cell.record(owner, record)) for record in records))
        return {record: fields for record, fields in zip(records, kept, strict=True) if fields}

    def retire_records(self, owner: Owner, records: Sequence[tuple[Held, int]]) -> list[RetireResult]:
        asked, cell = Calls(), self._cell
        for held, version in records:
            keys = [cell.record(owner, held.record), cell.due[Lane.TIMER]]
            beside = [f"{owner}:{held.record}:{WAKE_PERSON}"] if owner is Owner.REPORT else []
            args: list[str | int] = [held.record, version, held.effect, held.lease, owner.value, *beside]
            asked.script("retire_record", keys, args)
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
        self.fill(self._cell.number, archive)  # first: data that name their archive have no cell without it
        bound = ("HSETNX", meta, "archive", archive), ("HGET", meta, "archive")
        return str(self._wire.ask(*bound, prove=True)[-1])

    def plans(self, archive: str, known: str) -> PlansKept | None:
        p, cell = self._cell.shared, self._cell.number
        [(of, secret, mark)] = self._wire.ask(("HMGET", f"{p}meta", "archive", "secret", "catalogue"))
        if of != archive:
            raise lost([cell])
        if (mark or "0") == known:
            return None
        [codes] = self._wire.ask(("SMEMBERS", f"{p}plans"))
        found = self._wire.ask(*(("HGETALL", f"{p}plan:{code}") for code in sorted(codes)))
        return PlansKept(mark or "0", secret or "", dict(zip(sorted(codes), found, strict=True)))

    def put_plans(self, plans: Mapping[str, Mapping[str, str]]) -> None:
        p = self._cell.shared
        fields = [(code, *row) for code, kept in plans.items() for row in kept.items()]
        asked: list[tuple[str | int, ...]] = [("HSETNX", f"{p}plan:{code}", *row) for code, *row in fields]
        asked += [("SADD", f"{p}plans", code) for code in plans]
        self._wire.ask(*asked, ("HINCRBY", f"{p}meta", "catalogue", 1), prove=True)

    def emptied(self, archive: str) -> list[int]:
        [of] = self._wire.ask(("HGET", self._cell.journaled, "of"))
        return [] if of == archive else [self._cell.number]

    def fill(self, cell: int, archive: str) -> None:
        self._wire.ask(("HSET", self._cell.journaled, "of", archive), prove=True)

    def name(self, installation: str, archive: str) -> None:
        self._wire.ask(
            ("HSET", f"{self._cell.shared}meta", "installation", installation, "archive", archive), prove=True
        )
