"""The store on Redis (7.2 or later, Valkey too): every change of a record is one script, this file packs and unpacks.

Its keys: `adapters/redis/keys.py`.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import (
    MOST_UNREAD,
    Offers,
    arguments_of,
    claim_of,
    keys_of,
    leased_of,
    order_of,
    parked_of,
    posted_arguments,
    posted_keys,
    raw,
    scored,
)
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.lists import LOOK_BACK, Lists
from consent_engine.adapters.redis.retirement import Departures, told
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.line import STRANGER_MS, Line
from consent_engine.domain.line.restriction import BARRING, Kind, Restriction, name_of
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.retention import Retention
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord
from consent_engine.ports import (
    Archive,
    Claim,
    Commit,
    LaneDepth,
    Leased,
    LiftedWord,
    Owner,
    Posted,
    Standing,
    Stored,
    Tally,
    Word,
)

log = logging.getLogger(__name__)
KEPT = Retention()


class RedisStore:
    """The Store of one cell. clock: the instant, in tests; without it the server's own.

    keep: how long what answered nothing, and what is told of a lifting, is kept
    """

    def __init__(
        self, wire: Wire, *, lease_ms: int, clock: Callable[[], Millis] | None = None, cell: Cell | None = None,
        seal: Seal | None = None, keep: Retention = KEPT,
    ) -> None:  # fmt: skip
        self._wire = wire
        self._cell = cell or Cell()
        self._lease_ms = lease_ms
        self._clock = clock
        self._seal = seal
        self._offers = Offers(wire, self._cell)
        self.archive: Archive | None = None
        leaving = Departures(wire, self._cell, self._offers)
        self.records, self.retire, self.forget = leaving.records, leaving.retire, leaving.forget
        self.postpone, self.bind_archive, self.age = leaving.postpone, leaving.bind_archive, leaving.age
        self._lists = Lists(wire, self._cell, keep)
        self.placed = self.placed_live = self._lists.placed
        self.stuck, self.open_orders, self.funnel = self._lists.stuck, self._lists.open_orders, self._lists.funnel
        self.unmatched, self.placed_at, self.trim = self._lists.unmatched, self._lists.placed_at, self._lists.trim

    def _now(self) -> str:
        return "" if self._clock is None else str(self._clock())

    def _instant(self, time: Sequence[Any]) -> Millis:
        if self._clock is not None:
            return self._clock()
        return int(time[0]) * 1000 + int(time[1]) // 1000

    def part(self, record: str) -> int:
        """See Store.part."""
        return 0

    def load(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """See Store.load: here is no archive."""
        return self.live(orders, lines)

    def recall(self, keys: Sequence[str]) -> list[Order]:
        """See Store.recall: here is no archive."""
        return []

    def archived_of(self, line: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Store.archived_of: here is no archive."""
        return []

    def live(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """See Store.live."""
        calls = Calls()
        calls.plain("TIME")
        for order_id in orders:
            calls.plain("HGETALL", self._cell.order(order_id))
        for line_id in lines:
            calls.plain("HGETALL", self._cell.line(line_id))
        time, *records = self._wire.send(calls, repeat=True)
        now = self._instant(time)
        found: dict[str, Order] = {}
        for order_id, kept in zip(orders, records, strict=False):
            with told(order_id):
                if kept:
                    found[order_id] = order_of(kept, self._offers, self._seal)
        read: dict[str, Line] = {}
        for line_id, kept in zip(lines, records[len(orders) :], strict=True):
            with told(line_id):
                line = Line.read(line_id, kept, now)
                read[line_id] = self._seal.line(line) if self._seal else line
        return now, found, read

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[Word]:
        """See Store.commit."""
        calls = Calls()
        for commit in commits:
            calls.script(
                "commit", keys_of(commit, self._cell), arguments_of(commit, self._offers.needed(commit), self._seal)
            )
        answers = self._wire.send(calls, prove=prove, repeat=True)
        words = [answer[0] for answer in answers]
        if unknown := [n for n, word in enumerate(words) if word == "offer"]:
            # Another server than the one we told it, or one that lost its last moments: say it again.
            self._offers.clear()
            again = self.commit([commits[n] for n in unknown], prove=prove)
            for n, word in zip(unknown, again, strict=True):
                words[n] = word
        return [Word(word) for word in words]

    def prove(self, orders: Sequence[str]) -> list[bool]:
        """See Store.prove."""
        calls = Calls()
        for order_id in orders:
            calls.script("prove_order", [self._cell.order(order_id)], [])
        return [bool(is_here) for is_here in self._wire.send(calls, prove=True, repeat=True)]

    def lease(self, lane: Lane, n: int) -> list[Leased]:
        """See Store.lease."""
        if n <= 0:
            return []
        calls = Calls()
        settings: list[str | int] = [self._now(), n, self._lease_ms, self._cell.prefix, MOST_UNREAD, " ".join(BARRING)]
        calls.script("lease", [self._cell.due[lane]], settings)
        # Proven before the BSS is called: a refusal after a failover must still see that an activation was started.
        [[now, *rows]] = self._wire.send(calls, prove=lane is Lane.ACTIVATION)
        leased, broken = [], Calls()
        for member, *rest in rows:
            try:
                leased.append(leased_of(self._offers, int(now), member, *rest, seal=self._seal))
            except BrokenRecord as error:  # one record nobody can read must not stop its lane: to the stuck list
                log.error("%s: %s", member.split(":")[1], error)
                self._park(broken, lane, member, rest[0], str(error))
        self._wire.send(broken)
        return leased

    def _park(self, calls: Calls, lane: Lane, member: str, kept: str, why: str) -> None:
        """To the stuck list, so that `retry` finds it when the record can be read again."""
        owner, record, effect = member.split(":", 2)
        key = self._cell.order(record) if owner == Owner.ORDER else self._cell.line(record)
        calls.script(
            "park_effect", [key, self._cell.due[lane]], [f"f:{effect}", raw(kept), parked_of(kept, why), member]
        )

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        """See Store.receive."""
        calls = Calls()
        for m in messages:
            calls.script("receive", posted_keys(m, self._cell), posted_arguments(m, self._now()))
        answers = self._wire.send(calls, prove=prove, repeat=True)
        return [Stored(word == "stored", int(at), word == "gone") for word, at in answers]

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        """See Store.claim."""
        calls = Calls()
        for key, *rest in claims:
            calls.script("claim_request", [self._cell.reservation(key)], [self._now(), *rest])
        return [claim_of(answer) for answer in self._wire.send(calls, repeat=True)]

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        """See Store.release."""
        calls = Calls()
        for key, claimant in claims:
            calls.script("release_request", [self._cell.reservation(key)], [claimant])
        self._wire.send(calls, repeat=True)

    def line_of(self, orders: Sequence[str]) -> list[str | None]:
        """See Store.line_of."""
        calls = Calls()
        for order_id in orders:
            calls.plain("HGET", self._cell.order(order_id), "line")
        return self._wire.send(calls, repeat=True)

    def depths(self) -> dict[Lane, LaneDepth]:
        """See Store.depths."""
        calls = Calls()
        calls.plain("TIME")
        [time] = self._wire.send(calls, repeat=True)
        now = self._instant(time)
        calls = Calls()
        for lane in Lane:
            calls.plain("ZCOUNT", self._cell.due[lane], "-inf", now)
            calls.plain("ZRANGE", self._cell.due[lane], 0, 0, "WITHSCORES")
            calls.plain("ZCOUNT", self._cell.due[lane], "+inf", "+inf")
            calls.plain("ZCARD", self._cell.due[lane])
        answers = iter(self._wire.send(calls, repeat=True))
        depths = {}
        for lane, (due, oldest, parked, waiting) in zip(Lane, zip(*[answers] * 4, strict=True), strict=True):
            late = max(0, now - scored(oldest)[0][1]) if due else 0
            depths[lane] = LaneDepth(due, late, parked, waiting)
        return depths

    def restrictions(self, kind: Kind, before: tuple[Millis, str] | None, limit: int) -> list[Standing]:
        """See Store.restrictions."""
        page = self._lists.newest(self._cell.restrictions[kind], before, limit)
        rows = [(name, at, name.split(" ")[0], name.split(" ")[1]) for name, at in page]
        calls = Calls()
        for _, _, line_id, carrier in rows:
            calls.plain("HMGET", self._cell.line(line_id), f"r:{name_of(kind, carrier)}", "msisdn")
        answers = self._wire.send(calls, repeat=True)
        return [
            Standing(name, at, line_id, msisdn or "", Restriction.read(name_of(kind, carrier), kept) if kept else None)
            for (name, at, line_id, carrier), (kept, msisdn) in zip(rows, answers, strict=True)
        ]

    def tally(self, kind: Kind) -> Tally:
        """See Store.tally."""
        calls = Calls()
        calls.plain("ZCARD", self._cell.restrictions[kind])
        calls.plain("ZRANGE", self._cell.restrictions[kind], 0, 0, "WITHSCORES")
        count, oldest = self._wire.send(calls, repeat=True)
        return Tally(count, scored(oldest)[0][1]) if count and oldest else Tally()

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str) -> LiftedWord:
        """See Store.lift."""
        calls = Calls()
        keys = [self._cell.line(line), self._cell.refusals, self._cell.lifted, self._cell.due[Lane.TIMER]]
        calls.script("lift_refusal", keys, [line, carrier, kept, act_at, LOOK_BACK, STRANGER_MS])
        [word] = self._wire.send(calls, prove=True, repeat=True)
        return LiftedWord(word)

    def versions(self, orders: Sequence[str]) -> list[int]:
        """See Store.versions."""
        calls = Calls()
        for order_id in orders:
            calls.plain("HGET", self._cell.order(order_id), "v")
        return [int(v or 0) for v in self._wire.send(calls, repeat=True)]
