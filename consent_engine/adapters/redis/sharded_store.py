"""A store of many cells, each a slice of subscribers on a master of its own: a cell that fails, fails alone."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from time import monotonic
from typing import TypeVar

from consent_engine.adapters.redis.store import RedisStore
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line, request_key
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import SLOTS
from consent_engine.domain.order.order import Order
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import (
    Aged,
    Archive,
    Claim,
    Commit,
    LaneDepth,
    Leased,
    Left,
    LiftedWord,
    Posted,
    Retiring,
    Standing,
    Stored,
    Stuck,
    Tally,
    Word,
)

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")
DOWN_S = 1.0
"""How long a cell that could not be reached is left alone by the lanes: others must not wait for it again and again."""


def cell_of(record: str, cells: int) -> int:
    """The cell of an order or a line: its id begins with its number's slot. What is no id of ours: the first.

    >>> cell_of("3fff00", 4), cell_of("0000ff", 4), cell_of("nonsense", 4)
    (3, 0, 0)
    """
    try:
        return int(record[:4], 16) % SLOTS * cells // SLOTS
    except ValueError:
        return 0


def apart(records: Sequence[str], cells: int) -> dict[int, list[int]]:
    """Whose they are: of each cell that has some, which of them, by number."""
    parts: dict[int, list[int]] = {}
    for n, record in enumerate(records):
        parts.setdefault(cell_of(record, cells), []).append(n)
    return parts


class CellsStore:
    """The Store over many. A record's id says its cell; what asks for all of them asks each."""

    def __init__(self, cells: Sequence[RedisStore]) -> None:
        self._cells = cells
        self._next = dict.fromkeys(Lane, 0)
        self.archive: Archive | None = None
        self._again_at = [0.0] * len(cells)

    def part(self, record: str) -> int:
        """See Store.part."""
        return cell_of(record, len(self._cells))

    def _each(
        self, items: Sequence[T], record: Callable[[T], str], ask: Callable[[RedisStore, list[T]], Sequence[R]]
    ) -> list[R]:
        """Ask each cell for what is its own. Every cell is asked before a StoreUnavailable of one is raised."""
        answers: dict[int, R] = {}
        failed: StoreUnavailable | None = None
        for part, numbers in apart([record(item) for item in items], len(self._cells)).items():
            try:
                answers.update(zip(numbers, ask(self._cells[part], [items[n] for n in numbers]), strict=True))
            except StoreUnavailable as error:
                failed = error
        if failed is not None:
            raise failed
        return [answers[n] for n in range(len(items))]

    def _reached(self, ask: Callable[[RedisStore], T]) -> list[T]:
        """What the cells answer that can be reached; raises StoreUnavailable when none can."""
        answers = []
        failed = StoreUnavailable("no cell can be reached")
        for n, cell in enumerate(self._cells):
            if monotonic() < self._again_at[n]:
                continue
            try:
                answers.append(ask(cell))
            except StoreUnavailable as error:
                failed = self._down(n, error)
        if not answers:
            raise failed
        return answers

    def _down(self, n: int, error: StoreUnavailable) -> StoreUnavailable:
        self._again_at[n] = monotonic() + DOWN_S
        log.warning("cell %d cannot be reached: %s", n, error)
        return error

    def load(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """See Store.load."""
        parts = sorted({self.part(record) for record in (*orders, *lines)}) or [0]
        now: Millis = 0
        found: dict[str, Order] = {}
        read: dict[str, Line] = {}
        for part in parts:
            ours = [order for order in orders if self.part(order) == part]
            at, some, more = self._cells[part].load(ours, [line for line in lines if self.part(line) == part])
            now = max(now, at)
            found |= some
            read |= more
        return now, found, read

    def live(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """See Store.live."""
        return self.load(orders, lines)

    def recall(self, keys: Sequence[str]) -> list[Order]:
        """See Store.recall: here is no archive."""
        return []

    def archived_of(self, line: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Store.archived_of: here is no archive."""
        return []

    def placed_at(self, orders: Sequence[str]) -> list[Millis]:
        """See Store.placed_at."""
        return self._each(orders, str, lambda cell, some: cell.placed_at(some))

    def records(self, orders: Sequence[str]) -> dict[str, dict[str, str]]:
        """See Leaving.records."""

        def of(cell: RedisStore, some: list[str]) -> list[dict[str, str]]:
            found = cell.records(some)
            return [found.get(order, {}) for order in some]

        kept = self._each(orders, str, of)
        return {order: fields for order, fields in zip(orders, kept, strict=True) if fields}

    def retire(self, orders: Sequence[Retiring], idle_before: Millis) -> list[tuple[Left, Millis]]:
        """See Leaving.retire."""
        return self._each(orders, lambda each: each.order, lambda cell, some: cell.retire(some, idle_before))

    def forget(self, orders: Sequence[str]) -> None:
        """See Leaving.forget. A reservation is in the cell of its own hash."""

        def of(cell: RedisStore, some: list[str]) -> list[None]:
            cell.forget(some)
            return [None] * len(some)

        self._each(orders, request_key, of)

    def postpone(self, effect: str, dues: Mapping[str, Millis]) -> None:
        """See Leaving.postpone."""

        def of(cell: RedisStore, some: list[str]) -> list[None]:
            cell.postpone(effect, {order: dues[order] for order in some})
            return [None] * len(some)

        self._each(list(dues), str, of)

    def bind_archive(self, archive: str, *, anew: bool = False) -> str:
        """See Leaving.bind_archive: in the first cell, with the rest of what the data say of themselves."""
        return self._cells[0].bind_archive(archive, anew=anew)

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[Word]:
        """See Store.commit."""
        return self._each(commits, _record, lambda cell, some: cell.commit(some, prove=prove))

    def prove(self, orders: Sequence[str]) -> list[bool]:
        """See Store.prove."""
        return self._each(orders, str, lambda cell, some: cell.prove(some))

    def lease(self, lane: Lane, n: int) -> list[Leased]:
        """See Store.lease. All of them are of one cell, a different one each time: a cell that fails fails alone."""
        failed = None
        reached = False
        for step in range(len(self._cells)):
            number = (self._next[lane] + step) % len(self._cells)
            if monotonic() < self._again_at[number]:
                continue
            try:
                leased = self._cells[number].lease(lane, n)
            except StoreUnavailable as error:
                failed = self._down(number, error)
                continue
            reached = True
            if leased:
                self._next[lane] = (number + 1) % len(self._cells)
                return leased
        if failed is not None and not reached:
            raise failed
        return []

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        """See Store.receive."""
        return self._each(messages, lambda m: m.line, lambda cell, some: cell.receive(some, prove=prove))

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        """See Store.claim. A key is kept in a cell of its own hash: it may be used for any number."""
        return self._each(claims, lambda claim: claim[0], lambda cell, some: cell.claim(some))

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        """See Store.release."""
        for part in sorted({self.part(key) for key, _ in claims}):
            self._cells[part].release([claim for claim in claims if self.part(claim[0]) == part])

    def line_of(self, orders: Sequence[str]) -> list[str | None]:
        """See Store.line_of."""
        return self._each(orders, str, lambda cell, some: cell.line_of(some))

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        """See Store.unmatched: they belong to no number, so they are kept in the first cell."""
        self._cells[0].unmatched(entries, prove=prove)

    def trim(self) -> int:
        """See Store.trim; in the cells that can be reached."""
        return sum(self._reached(lambda cell: cell.trim()))

    def age(self, lines: Sequence[tuple[str, int]], now: Millis) -> list[Aged]:
        """See Leaving.age."""
        return self._each(lines, lambda each: each[0], lambda cell, some: cell.age(some, now))

    def depths(self) -> dict[Lane, LaneDepth]:
        """See Store.depths; of the cells that can be reached."""
        answers = self._reached(lambda cell: cell.depths())
        return {lane: _summed([depths[lane] for depths in answers]) for lane in Lane}

    def stuck(self, limit: int) -> list[Stuck]:
        """See Store.stuck."""
        return list(islice((stuck for cell in self._cells for stuck in cell.stuck(limit)), limit))

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Store.placed."""
        found = [row for cell in self._cells for row in cell.placed(before, limit)]
        return sorted(found, key=lambda row: (row[1], row[0]), reverse=True)[:limit]

    def placed_live(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Leaving.placed_live."""
        return self.placed(before, limit)

    def open_orders(self, limit: int) -> list[str]:
        """See Store.open_orders."""
        return list(islice((order for cell in self._cells for order in cell.open_orders(limit)), limit))

    def restrictions(self, kind: Kind, before: tuple[Millis, str] | None, limit: int) -> list[Standing]:
        """See Store.restrictions."""
        found = [row for cell in self._cells for row in cell.restrictions(kind, before, limit)]
        return sorted(found, key=lambda row: (row.at, row.name), reverse=True)[:limit]

    def tally(self, kind: Kind) -> Tally:
        """See Store.tally; of the cells that can be reached."""
        found = [each for each in self._reached(lambda cell: cell.tally(kind)) if each.count]
        return Tally(sum(each.count for each in found), min(each.oldest for each in found)) if found else Tally()

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str) -> LiftedWord:
        """See Store.lift."""
        return self._cells[self.part(line)].lift(line, carrier, act_at, kept)

    def versions(self, orders: Sequence[str]) -> list[int]:
        """See Store.versions."""
        return self._each(orders, str, lambda cell, some: cell.versions(some))

    def funnel(self, day: str) -> dict[State, int]:
        """See Store.funnel."""
        counts: dict[State, int] = {}
        for cell in self._cells:
            for state, count in cell.funnel(day).items():
                counts[state] = counts.get(state, 0) + count
        return counts


def _record(commit: Commit) -> str:
    if commit.order is not None:
        return commit.order.order.id
    return commit.line.line if commit.line is not None else "0000"


def _summed(depths: Iterable[LaneDepth]) -> LaneDepth:
    rows = list(depths)
    return LaneDepth(
        sum(row.due for row in rows), max(row.late for row in rows), sum(row.parked for row in rows),
        sum(row.waiting for row in rows),
    )  # fmt: skip
