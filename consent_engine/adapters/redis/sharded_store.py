"""A store of many cells: a record is found in the cell that its id names; a call about all records asks each cell."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Any

from consent_engine.adapters.redis.cells import DOWN_S, Cells, OfCells
from consent_engine.adapters.redis.journal import ShardedJournal
from consent_engine.adapters.redis.permits import ShardedPermits
from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.order.unlikely_yes import Beat, Newest
from consent_engine.ports import (
    Claim,
    Commit,
    CommitResult,
    Inbox,
    LaneDepth,
    Lanes,
    Leases,
    LiftResult,
    Owner,
    Posted,
    Records,
    Reservations,
    Retirement,
    Route,
    ServerMemory,
    Snapshot,
    Store,
    Stored,
    Stuck,
    Wanted,
    Work,
)
from consent_engine.ports.archive import PlansKept


class ShardedRecords(OfCells, Records):
    """The Records of many cells."""

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
        return self._cells.each(commits, _record, lambda cell, some: cell.records.commit(some, prove=prove))

    def newest_yeses(self, beats: Sequence[Beat]) -> list[Newest]:
        return self._cells.each(beats, lambda beat: beat.line, lambda cell, some: cell.records.newest_yeses(some))

    def versions(self, orders: Sequence[str]) -> list[int]:
        return self._cells.each(orders, str, lambda cell, some: cell.records.versions(some))

    def line_of(self, orders: Sequence[str]) -> list[str | None]:
        return self._cells.each(orders, str, lambda cell, some: cell.records.line_of(some))

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str, at: Millis) -> LiftResult:
        return self._cells.stores[self.part(line)].records.lift(line, carrier, act_at, kept, at)

    def lifted(self, most: int) -> list[str]:
        found = [row for cell in self._cells.stores for row in cell.records.lifted(most)]
        return sorted(found, key=lambda row: int(parsed(row).get("at", 0)), reverse=True)[:most]


def _record(commit: Commit) -> str:
    """Return the id of the record whose cell a commit goes to."""
    return commit.records[0].id


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


class ShardedLanes(OfCells, Lanes):
    """The Lanes of many cells, as far as these can be reached; the stuck list needs all of them."""

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        self._next: Counter[tuple[Work, ...]] = Counter()

    def lease_each(self, wanted: Mapping[Work, int], away: Collection[Work] = ()) -> Leases:
        """Lease from one cell only, a different one each time: the failure of a cell does not affect the others."""
        alike, none = tuple(wanted), Leases(wanted)
        leases = self._cells.in_turn(self._next[alike], lambda cell: cell.lanes.lease_each(wanted, away))
        for number, leased in leases:
            if any(leased.values()):
                self._next[alike] = (number + 1) % len(self._cells.stores)
                leased.waits = dict.fromkeys(leased.waits, 1)  # another cell may have more at once
                return leased
            none.waits = {
                work: min(wait, none.waits.get(work, wait)) for work, wait in (none.waits | leased.waits).items()
            }
        return none

    def too_many(self, gateway: str) -> None:
        """Tell each cell: it has a share of the rate of its own."""
        for cell in self._cells.stores:
            cell.lanes.too_many(gateway)

    def rates(self, routes: Collection[Route]) -> dict[Route, int]:
        answers = self._cells.reached(lambda cell: cell.lanes.rates(routes))
        learnt = {route for rates in answers for route in rates}
        return {route: min(rates[route] for rates in answers if route in rates) for route in learnt}

    def postpone(self, effect: str, dues: Mapping[str, Millis], owner: Owner = Owner.ORDER) -> None:
        self._cells.passed(
            list(dues), str, lambda cell, some: cell.lanes.postpone(effect, {each: dues[each] for each in some}, owner)
        )

    def bring_forward(self, work: Work, due: Millis, until: Millis, *, doubtful: str = "", over: Millis = 0) -> int:
        return sum(
            self._cells.reached(lambda cell: cell.lanes.bring_forward(work, due, until, doubtful=doubtful, over=over))
        )

    def dues(self, owner: Owner, record: str, effects: Sequence[str]) -> list[Millis | None]:
        return self._cells.stores[self._cells.number(record)].lanes.dues(owner, record, effects)

    def depths_of_all(self) -> dict[str, LaneDepth]:
        answers = self._cells.reached(lambda cell: cell.lanes.depths_of_all())
        return {part: LaneDepth.of(depths[part] for depths in answers) for part in answers[0]}

    def next(self, lane: Lane, limit: int) -> list[Stuck]:
        found = self._cells.reached(lambda cell: cell.lanes.next(lane, limit))
        return [stuck for some in found for stuck in some][:limit]

    def stuck(self, limit: int) -> list[Stuck]:
        return list(islice((stuck for cell in self._cells.stores for stuck in cell.lanes.stuck(limit)), limit))

    def rooms(self) -> dict[str, ServerMemory]:
        """Return the room of the masters that can be reached, each named by the first of its cells."""
        named: dict[str, tuple[str, ServerMemory]] = {}
        for number, rooms in self._cells.in_turn(0, lambda cell: cell.lanes.rooms()):
            for room in rooms.values():
                named.setdefault(room.server, (f"orders, cell {number}", room))
        return dict(named.values())


class ShardedInbox(OfCells, Inbox):
    """The Inbox of many cells. The first cell keeps the unmatched messages, which belong to no number."""

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        return self._cells.each(messages, lambda m: m.line, lambda cell, some: cell.inbox.receive(some, prove=prove))

    def put_back(self, unread: Mapping[str, Sequence[str]]) -> None:
        self._cells.passed(
            list(unread), str, lambda cell, some: cell.inbox.put_back({line: unread[line] for line in some})
        )

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        self._cells.stores[0].inbox.unmatched(entries, prove=prove)

    def forget(self, line: str, number: str) -> int:
        cells = {0, self._cells.number(line)}
        return sum(self._cells.stores[cell].inbox.forget(line, number) for cell in cells)

    def trim(self) -> int:
        return sum(self._cells.reached(lambda cell: cell.inbox.trim()))


class ShardedReservations(OfCells, Reservations):
    """The Reservations of many cells. A key is kept in the cell of its own hash: it may be used for any number."""

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        return self._cells.each(claims, lambda claim: claim[0], lambda cell, some: cell.reservations.claim(some))

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        self._cells.passed(claims, lambda claim: claim[0], lambda cell, some: cell.reservations.release(some))

    def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        self._cells.passed(keys, lambda each: each[0], lambda cell, some: cell.reservations.forget(some))


class ShardedRetirement(OfCells, Retirement):
    """The Retirement of many cells. The data's own description (their name, their archive) is in the first cell."""

    def whole(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        def of(cell: Store, some: list[str]) -> list[dict[str, str]]:
            found = cell.retirement.whole(owner, some)
            return [found.get(record, {}) for record in some]

        kept = self._cells.each(records, str, of)
        return {record: fields for record, fields in zip(records, kept, strict=True) if fields}

    def installation(self, *, make: bool = True) -> str:
        return self._cells.stores[0].retirement.installation(make=make)

    def archive_bound(self) -> str:
        return self._cells.stores[0].retirement.archive_bound()

    def bind_archive(self, archive: str) -> str:
        for number, cell in enumerate(self._cells.stores[1:], 1):
            cell.retirement.fill(number, archive)
        return self._cells.stores[0].retirement.bind_archive(archive)

    def plans(self, archive: str, known: str) -> PlansKept | None:
        return self._cells.stores[0].retirement.plans(archive, known)

    def put_plans(self, plans: Mapping[str, Mapping[str, str]]) -> None:
        self._cells.stores[0].retirement.put_plans(plans)

    def emptied(self, archive: str) -> list[int]:
        return [n for some in self._cells.reached(lambda cell: cell.retirement.emptied(archive)) for n in some]

    def fill(self, cell: int, archive: str) -> None:
        self._cells.stores[cell].retirement.fill(cell, archive)

    def rewrite(self, record: str) -> str:
        return self._cells.stores[self._cells.number(record)].retirement.rewrite(record)

    def name(self, installation: str, archive: str) -> None:
        self._cells.stores[0].retirement.name(installation, archive)
