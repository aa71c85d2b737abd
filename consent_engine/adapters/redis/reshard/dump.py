"""All data on one Redis, whatever its number of cells: read as facts, and written to the cells they belong to.

A record (order, line, inbox, reservation) moves whole, by its id; keys that many records share (due-sets, indexes) are
split into their members; counts and offers, which every cell may have, are merged first. Every write sets a state;
streams and lists are cleared first, then appended to, each entry once: a copy, or a part of it, done twice has the same
result.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any

from consent_engine.adapters.redis.cells import cell_of, first_slot
from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.reshard.account import Account, Fact
from consent_engine.adapters.redis.reshard.appended import Appended, is_appended
from consent_engine.adapters.redis.reshard.families import (
    IN_THE_FIRST,
    INDEXES,
    LEFT,
    LEFT_OF_CELLS,
    LEFT_SHARED,
    LISTS,
    RECORDS,
    SHARED,
    STREAMS,
    TOGETHER,
    WHOLE,
)
from consent_engine.domain.call.counted import SUM
from consent_engine.domain.leaf import Leaf
from consent_engine.errors import BrokenRecord

PIECE = 1_000
_WRITES = {"HGETALL": "HSET", "SMEMBERS": "SADD", "LRANGE": "RPUSH", "GET": "SET"}


class Side:
    """All cells of one Redis, to read from or to write to. wires: one for each cell"""

    def __init__(self, wires: Sequence[Wire], *, alone: bool) -> None:
        self.wires = list(wires)
        self.cells = [Cell(n, alone=alone) for n in range(len(wires))]
        self.shared = self.cells[0].shared
        self.meta = f"{self.shared}meta"

    def ask(self, n: int, *rows: Sequence[str | int], prove: bool = False) -> list[Any]:
        """Send plain commands to a cell in one round trip. They are sent again when the connection broke."""
        calls = Calls()
        calls.rows += [tuple(map(_raw, row)) for row in rows]
        return self.wires[n].send(calls, prove=prove, repeat=True)

    def meta_now(self) -> dict[str, str]:
        """Return the data's own description (`meta`)."""
        [meta] = self.ask(0, ("HGETALL", self.meta))
        return dict(meta)

    # -- reading -------------------------------------------------------------------------------------------------

    def facts(self) -> Iterator[list[Fact]]:
        """Yield all facts, piece by piece. Raises BrokenRecord for a key that is unknown, or in the wrong cell."""
        streams: dict[str, list[int]] = {}
        together: dict[str, dict[str, str]] = {}
        for n in range(len(self.cells)):
            for keys in self._scanned(n):
                yield self._whole(n, [key for key in keys if key[0] in WHOLE])
                for kind, rest in (key for key in keys if key[0] not in WHOLE):
                    full = f"{kind}:{rest}" if rest else kind
                    if kind in STREAMS:
                        streams.setdefault(kind, []).append(n)
                    elif kind in LISTS:
                        yield from self._entries(n, full)
                    elif kind in TOGETHER:
                        self._gather(n, full, together)
                    else:
                        yield from self._members(n, full)
        yield [Fact(kind, name, (value,)) for kind, fields in together.items() for name, value in fields.items()]
        for kind, cells in streams.items():
            yield from self._messages(kind, cells)

    def _scanned(self, n: int) -> Iterator[list[tuple[str, str]]]:
        """Yield the keys of a cell, as kind and rest, each once though SCAN may name one twice."""
        cell, seen, cursor = self.cells[n], set[str](), "0"
        pattern = "ce:*" if self.shared == "ce:" else f"{cell.prefix}*"
        while True:
            [(cursor, keys)] = self.ask(n, ("SCAN", str(cursor), "MATCH", pattern, "COUNT", PIECE))
            fresh = dict.fromkeys(key for key in keys if key not in seen)
            seen.update(fresh)
            yield [found for found in map(self._named, [cell] * len(fresh), fresh) if found[0] not in LEFT]
            if not int(cursor):
                return

    def _named(self, cell: Cell, key: str) -> tuple[str, str]:
        own = key.startswith(cell.prefix)
        kind, _, rest = key.removeprefix(cell.prefix if own else "ce:").partition(":")
        if kind == "plans" and rest:  # beside the codes: the proposals, and whose turn it is to look at pages
            kind, rest = rest, ""
        known = {*RECORDS, *INDEXES, *TOGETHER, *STREAMS, *LISTS, *LEFT_OF_CELLS} if own else set()
        if not own or self.shared != "ce:":
            known |= {*SHARED, *LEFT_SHARED} if cell.number == 0 else set()
        if self.shared == "ce:":
            known = known - {"key"} if own else known | {"key"}
        if kind not in known:
            raise BrokenRecord(f"there is a key that this program does not know: {kind[:20]} in cell {cell.number}")
        if kind in RECORDS and cell_of(rest, len(self.cells)) != cell.number:
            raise BrokenRecord(f"cell {cell.number} has a record of another cell: {kind}")
        return kind, rest

    def key(self, n: int, kind: str, rest: str = "") -> str:
        if kind == "proposed":
            return f"{self.shared}plans:{kind}"
        if kind in SHARED:
            return self.shared + kind + (f":{rest}" if rest else "")
        if kind == "key":
            return self.cells[n].reservation(rest)
        return self.cells[n].prefix + kind + (f":{rest}" if rest else "")

    def _whole(self, n: int, keys: Sequence[tuple[str, str]]) -> list[Fact]:
        rows: list[Sequence[str | int]] = []
        for kind, rest in keys:
            name = self.key(n, kind, rest)
            rows += [(WHOLE[kind], name, 0, -1) if kind == "inbox" else (WHOLE[kind], name), ("PTTL", name)]
        answers = iter(self.ask(n, *rows))
        pairs = list(zip(answers, answers, strict=True))
        return [Fact(kind, rest, _flat(kept), int(ttl)) for (kind, rest), (kept, ttl) in zip(keys, pairs, strict=True)]

    def _members(self, n: int, kind: str) -> Iterator[list[Fact]]:
        first = 0
        while True:
            [rows] = self.ask(n, ("ZRANGE", self.key(n, kind), first, first + PIECE - 1, "WITHSCORES"))
            flat = [part for row in rows for part in row] if rows and isinstance(rows[0], list | tuple) else rows
            facts = [Fact(kind, str(m), (repr(float(s)),)) for m, s in zip(flat[::2], flat[1::2], strict=True)]
            if [fact for fact in facts if cell_of(_record(fact), len(self.cells)) != n]:
                raise BrokenRecord(f"cell {n} has members of another cell in {kind}")
            yield facts
            if len(facts) < PIECE:
                return
            first += PIECE

    def _entries(self, n: int, kind: str) -> Iterator[list[Fact]]:
        """Yield the entries of a cell's journal, each under its record's id: those of one record stay in order. A
        damaged one goes along as it is, with what else is of its cell: sealing and audit cope with it.
        """
        first = 0
        while True:
            [rows] = self.ask(n, ("LRANGE", self.key(n, kind), first, first + PIECE - 1))
            yield [self._entry(n, kind, entry) for entry in rows]
            if len(rows) < PIECE:
                return
            first += PIECE

    def _entry(self, n: int, kind: str, entry: str) -> Fact:
        try:
            return Fact(kind, Leaf.decode(entry).record, (entry,))
        except BrokenRecord:
            return Fact(kind, first_slot(n, len(self.cells)), (entry,), damaged=True)

    def _gather(self, n: int, kind: str, together: dict[str, dict[str, str]]) -> None:
        """Merge a key that every cell may have: counts of all cells are added up; an offer is the same everywhere."""
        [found] = self.ask(n, ("HGETALL", self.key(n, kind)))
        fields = together.setdefault(kind, {})
        for name, value in found.items():
            if kind.startswith("dialled:") and name.startswith(SUM):
                continue  # made anew at the target: some cells may have their sums, and others not
            fields[name] = str(int(fields.get(name, 0)) + int(value)) if kind not in {"offers", "paused"} else value

    def _messages(self, kind: str, cells: Sequence[int]) -> Iterator[list[Fact]]:
        """Yield the messages of a stream from all cells, the oldest first."""
        piece: list[Fact] = []
        for _, at, body in merge(*(self._stream(n, kind) for n in cells)):
            piece.append(Fact(kind, "", (at, body)))
            if len(piece) >= PIECE:
                yield piece
                piece = []
        yield piece

    def _stream(self, n: int, kind: str) -> Iterator[tuple[tuple[int, int], str, str]]:
        after = "-"
        while True:
            [rows] = self.ask(n, ("XRANGE", self.key(n, kind), after, "+", "COUNT", PIECE))
            for at, fields in rows:
                ms, _, number = at.partition("-")
                yield (int(ms), int(number)), at, fields["m"] if isinstance(fields, Mapping) else fields[1]
                after = f"({at}"
            if len(rows) < PIECE:
                return

    # -- writing -------------------------------------------------------------------------------------------------

    def keep(self, facts: Sequence[Fact], appended: Appended) -> None:
        """Write facts to the cells they belong to. appended: the lists and streams of this move, from its beginning"""
        rows: dict[int, list[Sequence[str | int]]] = {}
        for fact in facts:
            for n in self._homes(fact):
                if is_appended(fact):
                    appended.add(n, self.key(n, fact.kind), fact)
                else:
                    rows.setdefault(n, []).extend(self._written(n, fact))
        for n, commands in rows.items():
            self.ask(n, *commands)
        appended.write(self.wires)

    def prove(self) -> None:
        """Prove that everything written so far is on disk, and on as many replicas as set."""
        for n in range(len(self.cells)):
            # A proof covers this connection's writes, and so everything its server wrote before them.
            key = self.key(n, "moving")
            self.ask(n, ("SET", key, "1"), ("DEL", key), prove=True)

    def _homes(self, fact: Fact) -> Iterable[int]:
        if fact.family == "offers":
            return range(len(self.cells))
        if fact.family in SHARED or fact.family in IN_THE_FIRST:
            return [0]
        return [cell_of(_record(fact), len(self.cells))]

    def _written(self, n: int, fact: Fact) -> Iterator[Sequence[str | int]]:
        if fact.family in WHOLE:
            key = self.key(n, fact.kind, fact.name)
            yield ("DEL", key)
            yield (_WRITES[WHOLE[fact.kind]], key, *fact.values)
            if fact.ttl >= 0:
                yield ("PEXPIRE", key, fact.ttl)
        elif fact.family in INDEXES:
            yield ("ZADD", self.key(n, fact.kind), fact.values[0], fact.name)
        else:
            yield ("HSET", self.key(n, fact.kind), fact.name, *fact.values)

    def clear_streams(self) -> None:
        """Delete the streams and lists, which are appended to: they are copied from the beginning."""
        for n in range(len(self.cells)):
            self.ask(n, *(("DEL", self.key(n, kind)) for kind in sorted(STREAMS | LISTS)))


def _raw(part: str | int) -> bytes | str | int:
    """Return a part of a command as it is sent: bytes that are no text go on as they were read."""
    return part if isinstance(part, int) or part.isascii() else part.encode("utf-8", "surrogateescape")


def _flat(kept: Any) -> tuple[str, ...]:  # noqa: ANN401 - redis-py's answer, of any type
    if isinstance(kept, Mapping):
        return tuple(str(part) for pair in kept.items() for part in pair)
    return (str(kept),) if isinstance(kept, str) else tuple(map(str, kept or ()))


def _record(fact: Fact) -> str:
    if fact.family == "due":
        return fact.name.split(":")[1]
    if fact.family == "lifted":
        return str(json.loads(fact.values[1])["line"])
    return fact.name.partition(" ")[0]


def account(side: Side, tell: Callable[[str], None]) -> Account:
    """Count everything on a side."""
    made, told = Account(), 0
    for facts in side.facts():
        made.add(facts)
        if (many := sum(made.counts.values())) >= told + 100 * PIECE:
            told = many
            tell(f"{many} looked at")
    return made
