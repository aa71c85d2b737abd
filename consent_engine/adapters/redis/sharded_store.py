"""A store of many cells: a record is found in the cell that its id names; a call about all records asks each cell."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import Any

from consent_engine.adapters.redis.cells import (
    DOWN_S,
    Cells,
    OfCells,
    by_name,
    each,
    every,
    first,
    one,
    reached,
)
from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.line import Line
from consent_engine.ports import (
    Commit,
    CommitResult,
    Inbox,
    Journal,
    LaneDepth,
    Lanes,
    Leases,
    Owner,
    Permits,
    Records,
    Reservations,
    Retirement,
    Route,
    ServerMemory,
    Snapshot,
    Store,
    Stuck,
    Waiting,
    Wanted,
    Work,
)
from consent_engine.ports.lanes import NONE


class ShardedRecords(OfCells, Records):
    """The Records of many cells."""

    newest_yeses = each(lambda store: store.records.newest_yeses, lambda beat: beat.line)
    glance = each(lambda store: store.records.glance)
    lift = one(lambda store: store.records.lift)
    _commit = each(lambda store: store.records.commit, lambda commit: commit.records[0].id)

    def names(self, owner: Owner, pieces: int | None = None) -> Iterator[list[str]]:
        found = (cell.records.names(owner, pieces) for cell in self._cells.stores)
        for some in zip_longest(*found, fillvalue=[]):  # a caller that stops early has seen some of every cell
            yield from filter(None, some)

    def part(self, record: str) -> int:
        return self._cells.number(record)

    def look(self, wanted: Wanted, *, prove: bool = False) -> Snapshot:
        now, unreadable = 0, set[str]()
        found: dict[type, dict[str, Any]] = {kind: {} for kind in wanted}
        for part in sorted({self.part(record) for some in wanted.values() for record in some}) or [0]:
            owned = {kind: [each for each in some if self.part(each) == part] for kind, some in wanted.items()}
            there = self._cells.stores[part].records.look(owned, prove=prove)
            now, unreadable = max(now, there.now), unreadable | there.unreadable
            for kind, known in found.items():
                known.update(there.of(kind))
        return Snapshot(now, found, unreadable)

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[CommitResult]:
        """Save as the port says. Raises ValueError for a commit whose records are in several cells."""
        for commit in commits:
            if len({self.part(change.id) for change in commit.records}) > 1:
                raise ValueError("the records of one commit are in several cells")
        saved: list[CommitResult] = self._commit(commits, prove=prove)
        return saved

    def lifted(self, most: int) -> list[str]:
        found = [row for cell in self._cells.stores for row in cell.records.lifted(most)]
        return sorted(found, key=lambda row: int(parsed(row).get("at", 0)), reverse=True)[:most]


def _lowest(answers: Sequence[Mapping[Route, int]]) -> dict[Route, int]:
    learnt = {route for rates in answers for route in rates}
    return {route: min(rates[route] for rates in answers if route in rates) for route in learnt}


def _depths(answers: Sequence[Mapping[str, LaneDepth]]) -> dict[str, LaneDepth]:
    return {part: LaneDepth.of(depths[part] for depths in answers) for part in answers[0]}


def _mixed(answers: Sequence[Sequence[Stuck]], limit: int) -> list[Stuck]:
    """Return the first rows of all cells, one of each in turn: a cell with many leaves room for the others."""
    return [row for rows in zip_longest(*answers) for row in rows if row is not None][:limit]


class ShardedLanes(OfCells, Lanes):
    """The Lanes of many cells, as far as these can be reached; the stuck list needs all of them. Each cell has a share
    of the rate of a gateway.
    """

    too_many = every(lambda store: store.lanes.too_many, list)
    rates = reached(lambda store: store.lanes.rates, _lowest)
    postpone = by_name(lambda store: store.lanes.postpone, at=1)
    bring_forward = reached(lambda store: store.lanes.bring_forward, sum)
    dues = one(lambda store: store.lanes.dues, lambda cells, owner, record, _: cells.number(record))
    depths_of_all = reached(lambda store: store.lanes.depths_of_all, _depths)

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        self._turn: Counter[tuple[Work, ...]] = Counter()

    def lease_each(self, wanted: Mapping[Work, int], away: Mapping[Work, Millis] = NONE) -> Leases:
        """Lease from one cell only, a different one each time: the failure of a cell does not affect the others."""
        alike, none = tuple(wanted), Leases(wanted)
        leases = self._cells.in_turn(self._turn[alike], lambda cell: cell.lanes.lease_each(wanted, away))
        for number, leased in leases:
            if any(leased.values()):
                self._turn[alike] = (number + 1) % len(self._cells.stores)
                leased.waits = dict.fromkeys(leased.waits, 1)  # another cell may have more at once
                return leased
            none.waits = {
                work: min(wait, none.waits.get(work, wait)) for work, wait in (none.waits | leased.waits).items()
            }
        return none

    def next(self, lane: Lane, limit: int) -> list[Stuck]:
        return _mixed(self._cells.reached(lambda cell: cell.lanes.next(lane, limit)), limit)

    def stuck(self, limit: int) -> list[Stuck]:
        return _mixed([cell.lanes.stuck(limit) for cell in self._cells.stores], limit)

    def rooms(self) -> dict[str, ServerMemory]:
        """Return the room of the masters that can be reached, each named by the first of its cells."""
        named: dict[str, tuple[str, ServerMemory]] = {}
        for number, rooms in self._cells.in_turn(0, lambda cell: cell.lanes.rooms()):
            for room in rooms.values():
                named.setdefault(room.server, (f"orders, cell {number}", room))
        return dict(named.values())


class ShardedInbox(OfCells, Inbox):
    """The Inbox of many cells. The first cell keeps the unmatched messages, which belong to no number."""

    receive = each(lambda store: store.inbox.receive, lambda message: message.line)
    put_back = by_name(lambda store: store.inbox.put_back)
    unmatched = first(lambda store: store.inbox.unmatched)
    trim = reached(lambda store: store.inbox.trim, sum)

    def forget(self, line: str, number: str) -> int:
        cells = {0, self._cells.number(line)}
        return sum(self._cells.stores[cell].inbox.forget(line, number) for cell in cells)


class ShardedReservations(OfCells, Reservations):
    """The Reservations of many cells. A key is kept in the cell of its own hash: it may be used for any number."""

    claim = each(lambda store: store.reservations.claim, itemgetter(0))
    release = each(lambda store: store.reservations.release, itemgetter(0))


class ShardedRetirement(OfCells, Retirement):
    """The Retirement of many cells. The data's own description (their name, their archive) is in the first cell."""

    whole = by_name(lambda store: store.retirement.whole, at=1)
    named = first(lambda store: store.retirement.named)
    plans = first(lambda store: store.retirement.plans)
    restore = first(lambda store: store.retirement.restore)
    emptied = reached(lambda store: store.retirement.emptied)
    fill = one(lambda store: store.retirement.fill, lambda _, cell, __: cell)
    rewrite = one(lambda store: store.retirement.rewrite)

    def bind_archive(self, archive: str) -> str:
        for number, cell in enumerate(self._cells.stores[1:], 1):
            cell.retirement.fill(number, archive)
        return self._cells.stores[0].retirement.bind_archive(archive)


class ShardedPermits(OfCells, Permits):
    """The Permits of many cells."""

    keep = each(lambda store: store.permits.keep, itemgetter(0))
    find = every(lambda store: store.permits.find)

    def standing(self, lines: Mapping[str, str]) -> tuple[Millis, Mapping[str, Line | None]]:
        def ask(cell: Store, own: Sequence[str]) -> tuple[Millis, Mapping[str, Line | None]]:
            return cell.permits.standing({line: lines[line] for line in own})

        found = [some for _, some in self._cells.asked(list(lines), str, ask)] or [ask(self._cells.stores[0], [])]
        return max(now for now, _ in found), {line: row for _, some in found for line, row in some.items()}


class ShardedJournal(OfCells, Journal):
    """The Journals of many cells, as far as these can be reached."""

    read = reached(lambda store: store.journal.read)
    drop = one(lambda store: store.journal.drop, lambda _, piece: piece.cell)
    lines = by_name(lambda store: store.journal.lines)
    prove = one(lambda store: store.journal.prove, lambda _, cell, __: cell)
    spans = every(lambda store: store.journal.spans)
    among = reached(lambda store: store.journal.among, lambda found: set().union(*found))
    refusals = every(lambda store: store.journal.refusals)

    def waiting(self) -> Waiting:
        found = self._cells.reached(lambda cell: cell.journal.waiting())
        whole = len(found) == len(self._cells.stores)
        as_of = min(each.as_of for each in found) if whole else 0  # their clocks may differ: the most careful of each
        return Waiting(sum(each.count for each in found), as_of, max(each.now for each in found))


def sharded_store(stores: Sequence[Store], down_s: float = DOWN_S) -> Store:
    cells = Cells(stores, down_s)
    return Store(
        records=ShardedRecords(cells),
        lanes=ShardedLanes(cells),
        inbox=ShardedInbox(cells),
        reservations=ShardedReservations(cells),
        retirement=ShardedRetirement(cells),
        permits=ShardedPermits(cells),
        journal=ShardedJournal(cells),
    )
