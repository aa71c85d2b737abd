"""The store in one cell of Redis (7.2 or later, Valkey too), put together from its parts. Its keys: `keys`."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from time import monotonic, sleep

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.adapters.redis.client import GROUP, Calls, Wire
from consent_engine.adapters.redis.codec import Offers, claims_of, packed, pairs, whole
from consent_engine.adapters.redis.journal import RedisJournal
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.lanes import RedisLanes
from consent_engine.adapters.redis.of_cell import Clock, OfCell, readable
from consent_engine.adapters.redis.records import LOOK_BACK, RedisRecords
from consent_engine.domain.call.permit import Given
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.line import STRANGER_MS, Line
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS, is_lasting
from consent_engine.domain.order.order import Retention
from consent_engine.domain.seal import Seal, cipher_of, entry_at
from consent_engine.errors import BrokenRecord, SettingsError
from consent_engine.ports import Claim, Inbox, Owner, Permits, Posted, Reservations, Retirement, Store, Stored
from consent_engine.ports.archive import Named, PlansKept
from consent_engine.ports.store import lost

MOST_KEPT = 1_000_000
PIECE = 1_000
REWRITTEN_S, LOOK_S = 120.0, 0.05
"""For how long the rewriting of an append-only file is waited for, and how often it is looked at."""


class PackedMessages(Struct, omit_defaults=True):
    """The argument of `receive.lua`, which says what each field means."""

    posted: Sequence[Posted]
    kept: Millis
    lasts: Millis
    entries: dict[int, list[str]] = {}
    now: Millis | None = None


def _entries(m: Posted) -> list[str]:
    return [entry_at(m.line, name) if is_lasting(name) else "" for name in m.makes]


class RedisInbox(OfCell, Inbox):
    """The Inbox of one cell. keep: how long unmatched messages, the evidence of liftings and the answers to requests
    for permits are kept"""

    def __init__(self, wire: Wire, cell: Cell, clock: Clock, seal: Seal | None, keep: Retention) -> None:
        super().__init__(wire, cell, clock, seal)
        self._keep = keep
        self._cipher = cipher_of(seal)

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        calls, cell = Calls(gathered=True), self._cell
        shared = [cell.due[Lane.INBOUND], cell.due[Lane.TIMER], cell.lifted, cell.unmatched, cell.journal]
        for some in (messages[n : n + GROUP] for n in range(0, len(messages), GROUP)):
            entries = {n: _entries(m) for n, m in enumerate(some, 1) if m.makes}
            asked = PackedMessages(
                [*map(self._closed, some)], STRANGER_MS, SUSPICION_LASTS_MS, entries, self._clock.now()
            )
            keys = [key for m in some for key in (cell.line(m.line), cell.inbox(m.line))]
            calls.script("receive", [*shared, *keys], [packed(asked)])
        answers = self._wire.send(calls, prove=prove, repeat=True)
        return [Stored(word == "stored", int(at), word == "gone") for group in answers for word, at in group]

    def _closed(self, m: Posted) -> Posted:
        close, line = self._cipher.close, m.line
        number, words = m.msisdn and close(line, m.msisdn), m.words and close(line, m.words)
        return replace(m, msisdn=number, words=words, body=self._cipher.closed_message(line, m.body))

    def put_back(self, unread: Mapping[str, Sequence[str]]) -> None:
        names = [self._cell.inbox(line) for line in unread]
        there = self._wire.ask(*(("LRANGE", name, 0, -1) for name in names))
        calls = Calls()
        for name, rows, known in zip(names, unread.values(), there, strict=True):
            if lacking := [row for row in rows if row not in known]:
                calls.plain("LPUSH", name, *reversed(lacking))
        self._wire.send(calls)

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        calls = Calls()
        for entry in entries:
            calls.script("keep_entry", [self._cell.unmatched], [self._cipher.closed_entry(entry), LOOK_BACK])
        self._wire.send(calls, prove=prove, repeat=True)

    def _said(self, entry: str) -> str:
        try:
            return self._cipher.opened_entry(entry)
        except BrokenRecord:  # nobody can read the number in it
            return ""

    def forget(self, line: str, number: str) -> int:
        stream, after, gone = self._cell.unmatched, "-", 0
        while True:
            [rows] = self._wire.ask(("XRANGE", stream, after, "+", "COUNT", PIECE))
            theirs = [at for at, fields in rows if line in fields["m"] or number in self._said(fields["m"])]
            if theirs:
                gone += int(self._wire.ask(("XDEL", stream, *theirs), prove=True)[0])
            if len(rows) < PIECE:
                return gone
            after = f"({rows[-1][0]}"

    def trim(self, most: int = MOST_KEPT) -> int:
        """Delete as the port says, in pieces of some thousands, so that no other client has to wait."""
        now = int(self._wire.ask(("TIME",))[0][0]) * 1000
        gone = 0
        streams = {
            self._cell.unmatched: self._keep.no_service,
            self._cell.permits: self._keep.no_service,
            self._cell.lifted: self._keep.records,
        }
        for stream, keep_ms in streams.items():
            for rule, bound in (("MINID", now - keep_ms), ("MAXLEN", most)):
                while done := int(self._wire.ask(("XTRIM", stream, rule, "~", bound))[0]):
                    gone += done
                gone += int(self._wire.ask(("XTRIM", stream, rule, bound))[0])  # the exact rest in the last piece
        return gone


class RedisReservations(OfCell, Reservations):
    """The Reservations of one cell."""

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        calls = Calls(gathered=True)
        for n in range(0, len(claims), GROUP):
            some = claims[n : n + GROUP]
            keys, *columns = zip(*some, strict=True)
            args = chain.from_iterable(zip(*columns, strict=True))
            calls.script("claim_request", list(map(self._cell.reservation, keys)), [self._clock.argument(), *args])
        return [claim for now, *rows in self._wire.send(calls, repeat=True) for claim in claims_of(int(now), rows)]

    def release(self, keys: Sequence[tuple[str, str, str]]) -> None:
        calls = Calls()
        for key, record, claimant in keys:
            calls.script("free_request", [self._cell.reservation(key)], [record, claimant])
        self._wire.send(calls, repeat=True)


CHUNK = 500
"""Lines that one script looks at: few enough that no other client waits long."""
ABOUT_MS = 60_000
"""The largest distance (ms) between a request and the instant under which its answers are kept."""
MOST_AT_ONCE = 10_000


class RedisPermits(OfCell, Permits):
    """The Permits of one cell."""

    def standing(self, lines: Mapping[str, str]) -> tuple[Millis, Mapping[str, Line | None]]:
        keys = list(lines)
        chunks = [keys[n : n + CHUNK] for n in range(0, len(keys), CHUNK)] or [[]]
        calls, now_asked, cipher = Calls(), self._clock.argument(), cipher_of(self._seal)
        for chunk in chunks:
            numbers = [cipher.close(line, lines[line]) for line in chunk]
            calls.script("standing", [*map(self._cell.line, chunk)], [now_asked, *numbers])
        answers = self._wire.send(calls, repeat=True)
        now = int(answers[0][0])

        def read(line: str, fields: dict[str, str]) -> Line:
            made = Line.decode(line, cipher.opened(line, fields), now)
            return self._seal.check(made, made.seal) if self._seal else made

        some = zip(chunks, answers, strict=True)
        kept = {chunk[number - 1]: pairs(flat) for chunk, (_, *rows) in some for number, *flat in rows}
        unreadable = set[str]()
        return now, {**readable(kept, read, unreadable), **dict.fromkeys(unreadable)}

    def keep(self, given: Sequence[tuple[str, Given]]) -> None:
        calls = Calls()
        for _, each in given:
            calls.script("keep_entry", [self._cell.permits], [each.encode(), LOOK_BACK])
        self._wire.send(calls, prove=True, repeat=True)

    def find(self, request: str, at: Millis) -> list[Given]:
        span = (max(0, at - ABOUT_MS), at + ABOUT_MS, "COUNT", MOST_AT_ONCE)
        [rows] = self._wire.ask(("XRANGE", self._cell.permits, *span))
        found = (Given.decode(fields["m"] if isinstance(fields, Mapping) else fields[1]) for _, fields in rows)
        return [each for each in found if each.request == request]


class RedisRetirement(OfCell, Retirement):
    """The Retirement of one cell."""

    def __init__(self, wire: Wire, cell: Cell, offers: Offers) -> None:
        super().__init__(wire, cell)
        self._offers = offers

    def whole(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        kept = self._wire.ask(*(("HGETALL", self._cell.record(owner, record)) for record in records))
        of_order = owner is Owner.ORDER
        there = {name: fields for name, fields in zip(records, kept, strict=True) if fields}
        return readable(there, lambda _, fields: whole(fields, self._offers) if of_order else fields, set())

    def named(self, *, make: bool = False) -> Named:
        asked = ("HMGET", f"{self._cell.shared}meta", "installation", "archive")
        [(name, archive)] = self._wire.ask(asked)
        if not name and make:
            fresh = ("HSETNX", asked[1], "installation", uuid.uuid4().hex)
            name, archive = self._wire.ask(fresh, asked, prove=True)[1]
        return Named(name or "", archive or "")

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
        if (mark := f"{mark or 0} {secret}") == known:
            return None
        [codes] = self._wire.ask(("SMEMBERS", f"{p}plans"))
        found = self._wire.ask(*(("HGETALL", f"{p}plan:{code}") for code in sorted(codes)))
        return PlansKept(mark, secret or "", dict(zip(sorted(codes), found, strict=True)))

    def restore(self, plans: Mapping[str, Mapping[str, str]], installation: str, archive: str) -> None:
        p = self._cell.shared
        fields = [(code, *row) for code, kept in plans.items() for row in kept.items()]
        asked: list[tuple[str | int, ...]] = [("HSETNX", f"{p}plan:{code}", *row) for code, *row in fields]
        asked += [("SADD", f"{p}plans", code) for code in plans]
        asked.append(("HINCRBY", f"{p}meta", "catalogue", 1))
        self._wire.ask(*asked, ("HSET", f"{p}meta", "installation", installation, "archive", archive), prove=True)

    def emptied(self, archive: str) -> list[int]:
        [of] = self._wire.ask(("HGET", self._cell.journaled, "of"))
        return [] if of == archive else [self._cell.number]

    def fill(self, cell: int, archive: str) -> None:
        self._wire.ask(("HSET", self._cell.journaled, "of", archive), prove=True)

    def rewrite(self, record: str) -> str:
        end = monotonic() + REWRITTEN_S
        began = False
        while monotonic() < end:
            [info] = self._wire.ask(("INFO", "persistence"))
            if not info["aof_enabled"]:
                return ""
            if info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"]:  # it began before the erasure
                sleep(LOOK_S)
                continue
            if began:
                return "" if info["aof_last_bgrewrite_status"] == "ok" else "the server could not write it"
            [answer] = self._wire.send(Calls([("BGREWRITEAOF",)], alone=0))
            if isinstance(answer, SettingsError):
                return "this user of Redis may not: run BGREWRITEAOF as one who may"
            began = not isinstance(answer, Exception)
        return "it takes longer: see INFO persistence"


KEPT = Retention()


def redis_store(
    wire: Wire, *, lease_ms: int, clock: Callable[[], Millis] | None = None, cell: Cell | None = None,
    seal: Seal | None = None, keep: Retention = KEPT,
) -> Store:  # fmt: skip
    """Make the Store of one cell. clock: gives the instant in tests; else the server's own clock does · keep: how long
    unmatched messages, the evidence of a lifted restriction and answers to requests for permits are kept
    """
    cell, time = cell or Cell(), Clock(clock)
    offers = Offers(wire, cell)
    return Store(
        records=RedisRecords(wire, cell, offers, time, seal),
        lanes=RedisLanes(wire, cell, offers, time, seal, lease_ms),
        inbox=RedisInbox(wire, cell, time, seal, keep),
        reservations=RedisReservations(wire, cell, time),
        retirement=RedisRetirement(wire, cell, offers),
        permits=RedisPermits(wire, cell, time, seal),
        journal=RedisJournal(wire, cell, time),
    )
