"""Reports of calls on Redis: read whole, and deleted when their retention ends."""

from collections.abc import Sequence

from consent_engine.adapters.redis.cells import OfCells, apart
from consent_engine.adapters.redis.client import Calls
from consent_engine.adapters.redis.codec import report_of
from consent_engine.adapters.redis.of_cell import OfCell, readable
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import WAKE_ARCHIVE, Millis
from consent_engine.ports import Owner, Reports

MOST_UNDECIDED = 10_000
"""How many undecided reports of one cell are passed over at most in one search for those to expire."""


class RedisReports(OfCell, Reports):
    """The Reports of one cell."""

    def look(self, reports: Sequence[str]) -> tuple[Millis, dict[str, Report]]:
        keys = (self._cell.record(Owner.REPORT, report) for report in reports)
        time, *records = self._wire.ask(("TIME",), *(("HGETALL", key) for key in keys))
        return self._clock.instant(time), readable(reports, records, lambda kept: report_of(kept, self._seal))

    def answered(self, before: Millis, most: int) -> list[str]:
        ids = ("ZRANGE", self._cell.answered, "-inf", f"({before}", "BYSCORE", "LIMIT", 0, most)
        return list(self._wire.ask(ids)[0])

    def expire(self, persons_before: Millis, records_before: Millis, most: int) -> tuple[int, int]:
        persons = self._expire(self._cell.personal, persons_before, most, "person")
        return persons, self._expire(self._cell.reports, records_before, most, "whole")

    def _expire(self, index: str, before: Millis, most: int, what: str) -> int:
        """Delete as `expire` says. Undecided reports stay at the front of the index, and those behind them still go."""
        cell, stay, gone = self._cell, 0, 0
        while gone < most:
            [ids] = self._wire.ask(("ZRANGE", index, "-inf", f"({before}", "BYSCORE", "LIMIT", stay, most))
            calls = Calls()
            for report in ids:
                keys = [cell.record(Owner.REPORT, report), cell.reports, cell.personal, cell.answered]
                parked = f"{Owner.REPORT}:{report}:{WAKE_ARCHIVE}"
                calls.script("expire_report", [*keys, cell.due_of(WAKE_ARCHIVE)], [report, what, parked])
            went = sum(map(int, self._wire.send(calls, repeat=True))) if ids else 0
            gone, stay = gone + went, stay + len(ids) - went
            if len(ids) < most or stay > MOST_UNDECIDED:
                break
        return gone


class ShardedReports(OfCells, Reports):
    """The Reports of many cells."""

    def look(self, reports: Sequence[str]) -> tuple[Millis, dict[str, Report]]:
        now: Millis = 0
        found: dict[str, Report] = {}
        for part, places in (apart(reports, len(self._cells.stores)) or {0: []}).items():
            at, some = self._cells.stores[part].reports.look([reports[n] for n in places])
            now = max(now, at)
            found |= some
        return now, found

    def answered(self, before: Millis, most: int) -> list[str]:
        return [
            report for some in self._cells.reached(lambda cell: cell.reports.answered(before, most)) for report in some
        ]

    def expire(self, persons_before: Millis, records_before: Millis, most: int) -> tuple[int, int]:
        gone = self._cells.reached(lambda cell: cell.reports.expire(persons_before, records_before, most))
        return sum(persons for persons, _ in gone), sum(whole for _, whole in gone)
