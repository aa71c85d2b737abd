"""The store on Redis (7.2 or later, Valkey too): every change of a record is one script, this file packs and unpacks.

Keys, all under `ce:`; `{0}` is the tag of the one cell, so that all keys of a script share a slot:

    ce:{0}:order:<id>     hash    v, state, line, head, doc, who (person part), e<n> events, p<n> their person parts,
                                  f:<effect> pending effects
    ce:{0}:line:<line>    hash    v, msisdn (person part), o:<order> what a reply is matched with, r:<carrier or *>
                                  refusals, f:<effect>, m:<key> messages seen, seen
    ce:{0}:inbox:<line>   list    <received at>|<key>|<json>, unread, first in first read
    ce:{0}:due:<lane>     zset    o:<order>:<effect> or l:<line>:<effect> -> due (ms), the lease's end, +inf = parked
    ce:{0}:placed         zset    order -> placed at
    ce:{0}:funnel:<day>   hash    state -> how many of the orders placed that day
    ce:{0}:unmatched      stream  messages that answered nothing
    ce:key:<hash>         string  reservation of an Idempotency-Key: fingerprint|order|claimant|instant
    ce:plan:<code>        hash    <version> -> plan, current, sale
    ce:plans              set     codes
    ce:apikeys            hash    <hash of the key> -> name, role, created
    ce:workers            hash    <worker> -> instant and what it does
    ce:meta               hash    schema, cells, secret (a check value), catalogue (raised by every change)
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from consent_engine.adapters.redis_client import Calls, Wire
from consent_engine.domain.effects import Lane, Millis, lane_of
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line import Line, Unread
from consent_engine.domain.order import Order
from consent_engine.errors import BrokenRecord
from consent_engine.ports import (
    Claim,
    Commit,
    LaneDepth,
    Leased,
    LineChange,
    OrderChange,
    Owner,
    Posted,
    Stored,
    Stuck,
    Word,
)

log = logging.getLogger(__name__)

_PREFIX = "ce:{0}:"
_LANES = {lane: number for number, lane in enumerate(Lane, 4)}
"""A lane's number among the keys of `commit`."""
_DUE = {lane: f"{_PREFIX}due:{lane}" for lane in Lane}
_MOST_UNREAD = 16


def _order(order_id: str) -> str:
    return f"{_PREFIX}order:{order_id}"


def _line(line_id: str) -> str:
    return f"{_PREFIX}line:{line_id}"


def _inbox(line_id: str) -> str:
    return f"{_PREFIX}inbox:{line_id}"


class RedisStore:
    """The Store of one cell. clock: the instant, in tests; without it the server's own."""

    def __init__(self, wire: Wire, *, lease_ms: int, clock: Callable[[], Millis] | None = None) -> None:
        self._wire = wire
        self._lease_ms = lease_ms
        self._clock = clock

    def _now(self) -> str:
        return "" if self._clock is None else str(self._clock())

    def _instant(self, time: Sequence[Any]) -> Millis:
        if self._clock is not None:
            return self._clock()
        return int(time[0]) * 1000 + int(time[1]) // 1000

    def load(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """See Store.load."""
        calls = Calls()
        calls.plain("TIME")
        for order_id in orders:
            calls.plain("HGETALL", _order(order_id))
        for line_id in lines:
            calls.plain("HGETALL", _line(line_id))
        time, *records = self._wire.send(calls, repeat=True)
        now = self._instant(time)
        found = {o: Order.read(kept) for o, kept in zip(orders, records, strict=False) if kept}
        read = {n: Line.read(n, kept, now) for n, kept in zip(lines, records[len(orders) :], strict=True)}
        return now, found, read

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[Word]:
        """See Store.commit."""
        calls = Calls()
        for commit in commits:
            calls.script("commit", _keys(commit), _arguments(commit))
        answers = self._wire.send(calls, prove=prove, repeat=True)
        return [Word(answer[0]) for answer in answers]

    def lease(self, lane: Lane, n: int) -> list[Leased]:
        """See Store.lease."""
        if n <= 0:
            return []
        calls = Calls()
        calls.script("lease", [_DUE[lane]], [self._now(), n, self._lease_ms, _PREFIX, _MOST_UNREAD])
        [[now, *rows]] = self._wire.send(calls)
        leased, broken = [], Calls()
        for member, *rest in rows:
            try:
                leased.append(_leased(int(now), member, *rest))
            except BrokenRecord as error:  # one record nobody can read must not stop its lane: to the stuck list
                log.error("%s: %s", member.split(":")[1], error)
                broken.plain("ZADD", _DUE[lane], "XX", "+inf", member)
        self._wire.send(broken)
        return leased

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        """See Store.receive."""
        calls = Calls()
        for m in messages:
            calls.script(
                "receive",
                [_line(m.line), _inbox(m.line), _DUE[Lane.INBOUND]],
                [
                    self._now(),
                    m.line,
                    m.msisdn,
                    m.key,
                    m.body,
                    " ".join(m.refuses),
                    m.door,
                    m.ref,
                    "1" if m.once else "0",
                ],
            )
        answers = self._wire.send(calls, prove=prove, repeat=True)
        return [Stored(word == "stored", int(at)) for word, at in answers]

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        """See Store.claim."""
        calls = Calls()
        for key, *rest in claims:
            calls.script("claim", [f"ce:key:{key}"], [self._now(), *rest])
        return [_claim(answer) for answer in self._wire.send(calls, repeat=True)]

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        """See Store.release."""
        calls = Calls()
        for key, claimant in claims:
            calls.script("release", [f"ce:key:{key}"], [claimant])
        self._wire.send(calls, repeat=True)

    def line_of(self, orders: Sequence[str]) -> list[str | None]:
        """See Store.line_of."""
        calls = Calls()
        for order_id in orders:
            calls.plain("HGET", _order(order_id), "line")
        return self._wire.send(calls, repeat=True)

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        """See Store.unmatched."""
        calls = Calls()
        for entry in entries:
            calls.plain("XADD", f"{_PREFIX}unmatched", "*", "m", entry)
        self._wire.send(calls, prove=prove, repeat=True)

    def depths(self) -> dict[Lane, LaneDepth]:
        """See Store.depths."""
        calls = Calls()
        calls.plain("TIME")
        [time] = self._wire.send(calls, repeat=True)
        now = self._instant(time)
        calls = Calls()
        for lane in Lane:
            calls.plain("ZCOUNT", _DUE[lane], "-inf", now)
            calls.plain("ZRANGE", _DUE[lane], 0, 0, "WITHSCORES")
            calls.plain("ZCOUNT", _DUE[lane], "+inf", "+inf")
            calls.plain("ZCARD", _DUE[lane])
        answers = iter(self._wire.send(calls, repeat=True))
        depths = {}
        for lane, (due, oldest, parked, waiting) in zip(Lane, zip(*[answers] * 4, strict=True), strict=True):
            late = max(0, now - int(float(_score(oldest)))) if due else 0
            depths[lane] = LaneDepth(due, late, parked, waiting)
        return depths

    def stuck(self, limit: int) -> list[Stuck]:
        """See Store.stuck."""
        calls = Calls()
        for lane in Lane:
            calls.plain("ZRANGE", _DUE[lane], "+inf", "+inf", "BYSCORE", "LIMIT", 0, limit)
        members = [m for answer in self._wire.send(calls, repeat=True) for m in answer]
        return [_stuck(member) for member in members[:limit]]

    def placed(self, limit: int) -> list[str]:
        """See Store.placed."""
        calls = Calls()
        calls.plain("ZREVRANGE", f"{_PREFIX}placed", 0, limit - 1)
        [ids] = self._wire.send(calls, repeat=True)
        return cast(list[str], ids)

    def funnel(self, day: str) -> dict[State, int]:
        """See Store.funnel."""
        calls = Calls()
        calls.plain("HGETALL", f"{_PREFIX}funnel:{day}")
        [counts] = self._wire.send(calls, repeat=True)
        return {State(state): int(count) for state, count in counts.items()}


def _score(oldest: Sequence[Any]) -> str:
    """ZRANGE WITHSCORES answers [member, score] or, on newer protocols, [[member, score]]."""
    first = oldest[0]
    return str(first[1] if isinstance(first, (list, tuple)) else oldest[1])


def _claim(answer: Sequence[str]) -> Claim:
    now, word, *rest = answer
    if word == "mine":
        return Claim(int(now), None)
    fingerprint, order_id, _, at = rest[0].split("|")
    return Claim(int(now), (fingerprint, order_id, int(at)), rest[0])


def _stuck(member: str) -> Stuck:
    owner, record, effect = member.split(":", 2)
    return Stuck(Owner(owner), record, effect, lane_of(effect))


def _pairs(flat: Iterable[str]) -> dict[str, str]:
    each = iter(flat)
    return dict(zip(each, each, strict=True))


def _unread(kept: str) -> Unread:
    at, key, body = kept.split("|", 2)
    return Unread(int(at), key, json.loads(body))


def _leased(now: Millis, member: str, kept: str, lost: str, flat: Sequence[str], unread: Sequence[str]) -> Leased:
    owner, record, effect = member.split(":", 2)
    fields = _pairs(flat)
    token = int(kept[1 : kept.index(",")])
    if owner == Owner.ORDER:
        return Leased(effect, token, lost == "1", now, order=Order.read(fields))
    line = Line.read(record, fields, now)
    return Leased(effect, token, lost == "1", now, line=line, unread=tuple(_unread(row) for row in unread))


def _keys(commit: Commit) -> list[str]:
    order = commit.order.order if commit.order else None
    line = commit.line.line if commit.line else ""
    day = datetime.fromtimestamp(order.doc.placed_at / 1000, UTC).strftime("%Y-%m-%d") if order else ""
    return [
        _order(order.id if order else "-"),
        _line(line or "-"),
        _inbox(line or "-"),
        *_DUE.values(),
        f"{_PREFIX}placed",
        f"{_PREFIX}funnel:{day}",
        f"{_PREFIX}unmatched",
    ]


def _arguments(commit: Commit) -> list[str | int]:
    change, line, held = commit.order, commit.line, commit.held
    consume, release = (line.consume, line.release) if line else ("", False)
    read = "" if line is None or line.read is None else line.read
    args: list[str | int] = [
        change.order.id if change else "", change.read if change else "", line.line if line else "", read, commit.op,
        held.owner if held else "", held.effect if held else "", held.token if held else "",
        "" if commit.guard is None else commit.guard,
        (change.state_before or "") if change else "", change.order.state if change else "",
        change.order.head if change else "",
        change.order.doc.placed_at if change and change.state_before is None else "",
        consume, "1" if release else "0",
    ]  # fmt: skip
    fields = change.fields if change else {}
    _list(args, (pair for pair in fields.items()), len(fields))
    owners: list[tuple[Owner, OrderChange | LineChange]] = []
    if change:
        owners.append((Owner.ORDER, change))
    if line:
        owners.append((Owner.LINE, line))
    puts = [(o, p.effect, _LANES[lane_of(p.effect)], p.due, p.pending.kept()) for o, c in owners for p in c.put]
    drops = [(o, effect, _LANES[lane_of(effect)], int(kind)) for o, c in owners for effect, kind in c.drop]
    _list(args, puts, len(puts))
    _list(args, drops, len(drops))
    _list(args, line.fields.items() if line else (), len(line.fields) if line else 0)
    _list(args, ((entry,) for entry in commit.unmatched), len(commit.unmatched))
    return args


def _list(args: list[str | int], rows: Iterable[Sequence[str | int]], count: int) -> None:
    args.append(count)
    for row in rows:
        args.extend(row)
