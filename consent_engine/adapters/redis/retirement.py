"""The records of one cell of Redis as they are kept, whole; and whose data these are."""

import uuid
from collections.abc import Mapping, Sequence

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.codec import Offers, whole
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.of_cell import OfCell, readable
from consent_engine.ports import Owner, Retirement
from consent_engine.ports.archive import PlansKept
from consent_engine.ports.store import lost


class RedisRetirement(OfCell, Retirement):
    """The Retirement of one cell."""

    def __init__(self, wire: Wire, cell: Cell, offers: Offers) -> None:
        super().__init__(wire, cell)
        self._offers = offers

    def whole(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        kept = self._wire.ask(*(("HGETALL", self._cell.record(owner, record)) for record in records))
        of_order = owner is Owner.ORDER
        return readable(records, kept, lambda fields: whole(fields, self._offers) if of_order else fields, set())

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
