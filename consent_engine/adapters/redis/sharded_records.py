"""The records of many cells: each record is read and written in the cell that its id names."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from consent_engine.adapters.redis.cells import OfCells
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Beat, Newest
from consent_engine.ports import Commit, LiftResult, Owner, Records, Saved, Snapshot


class ShardedRecords(OfCells, Records):
    """The Records of many cells."""

    def names(self, owner: Owner, pieces: int | None = None) -> Iterator[list[str]]:
        found = (cell.records.names(owner, pieces) for cell in self._cells.stores)
        for some in zip_longest(*found, fillvalue=[]):  # whoever stops early has seen some of every cell
            yield from filter(None, some)

    def part(self, record: str) -> int:
        return self._cells.number(record)

    def look(
        self, orders: Sequence[str] = (), lines: Sequence[str] = (), calls: Sequence[str] = (),
        endings: Sequence[str] = (), reports: Sequence[str] = (),
    ) -> Snapshot:  # fmt: skip
        kinds = (orders, lines, calls, endings, reports)
        now: Millis = 0
        found: dict[str, Order] = {}
        read: dict[str, Line] = {}
        known: dict[str, Call] = {}
        of_endings: dict[str, Ending] = {}
        of_reports: dict[str, Report] = {}
        unreadable: set[str] = set()
        for part in sorted({self.part(record) for some in kinds for record in some}) or [0]:
            owned = ([record for record in some if self.part(record) == part] for some in kinds)
            there = self._cells.stores[part].records.look(*owned)
            now = max(now, there.now)
            found |= there.orders
            read |= there.lines
            known |= there.calls
            of_endings |= there.endings
            of_reports |= there.reports
            unreadable |= there.unreadable
        return Snapshot(now, found, read, known, of_endings, of_reports, unreadable)

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[Saved]:
        """Save as the port says. Raises ValueError for a commit whose records are in several cells."""
        for commit in commits:
            if len({self.part(change.id) for change in commit.records}) > 1:
                raise ValueError("the records of one commit are in several cells")
        return self._cells.each(commits, _record, lambda cell, some: cell.records.commit(some, prove=prove))

    def prove(self, records: Sequence[str], owner: Owner = Owner.ORDER) -> list[bool]:
        return self._cells.each(records, str, lambda cell, some: cell.records.prove(some, owner))

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
