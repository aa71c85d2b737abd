"""Lists and counts of one cell of Redis."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice

from consent_engine.adapters.redis.client import Calls
from consent_engine.adapters.redis.codec import TIES, scored
from consent_engine.adapters.redis.of_cell import OfCell
from consent_engine.domain.call.counted import SUM, SUMMED, SUMS_MADE, Heard, heard_of
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import WAKE_ARCHIVE, Lane, Millis
from consent_engine.ports import Lists, Tally
from consent_engine.ports.lists import together

MEMBERS = 10_000
_FIRST_DAY = date(1970, 1, 1)
_MOVES = f":{WAKE_ARCHIVE}"


class RedisLists(OfCell, Lists):
    """The Lists of one cell."""

    def open_orders(self, limit: int) -> list[str]:
        members = (member for lane in (Lane.TIMER, Lane.ACTIVATION, Lane.SMS) for member in self._members(lane))
        ids = (member.split(":")[1] for member in members if member.startswith("o:") and not member.endswith(_MOVES))
        return list(dict.fromkeys(islice(ids, limit)))

    def calls(self, before: tuple[Millis, str] | None, limit: int, *, wrong: bool) -> list[tuple[str, Millis]]:
        if wrong:
            return self._newest(self._cell.violations, before, limit)
        found = {row for index in (self._cell.calls, self._cell.told) for row in self._newest(index, before, limit)}
        return sorted(found, key=lambda row: (row[1], row[0]), reverse=True)[:limit]

    def to_review(self, verdict: Verdict, after: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        lowest = "-inf" if after is None else after[0]
        told = self._wire.ask(
            *(("ZRANGE", index, lowest, "+inf", "BYSCORE", "LIMIT", 0, limit + TIES, "WITHSCORES")
              for index in self._waiting(verdict))
        )  # fmt: skip
        found = sorted((at, call) for flat in told for call, at in scored(flat))
        return [(call, at) for at, call in found if after is None or (at, call) > after][:limit]

    def waiting_for_review(self) -> dict[Verdict, Tally]:
        return {verdict: together(map(self._tally, self._waiting(verdict))) for verdict in self._cell.to_review}

    def _waiting(self, verdict: Verdict) -> list[str]:
        """Return the indexes of calls that wait for a reviewer, by their end; those in `told` by their beginning."""
        return [self._cell.to_review[verdict], *([self._cell.told] if verdict is Verdict.PENDING else ())]

    def summed(self, days: Sequence[str]) -> list[dict[str, int]]:
        asked = Calls()
        for day in days:
            number = str((date.fromisoformat(day) - _FIRST_DAY).days)
            asked.script("sums_of_day", [self._cell.dialled(day)], [SUM, SUMS_MADE, number, *SUMMED])
        answers = self._wire.send(asked, repeat=True)
        return [dict(zip(SUMMED, map(int, counts), strict=True)) for counts in answers]

    def heard_by_agent(self, day: str) -> dict[str, Heard]:
        [counts] = self._wire.ask(("HGETALL", self._cell.dialled(day)))
        return heard_of(counts)

    def _tally(self, index: str) -> Tally:
        count, oldest = self._wire.ask(("ZCARD", index), ("ZRANGE", index, 0, 0, "WITHSCORES"))
        return Tally(count, scored(oldest)[0][1]) if count and oldest else Tally()

    def lifted(self, most: int) -> list[str]:
        [rows] = self._wire.ask(("XREVRANGE", self._cell.lifted, "+", "-", "COUNT", most))
        return [fields["m"] for _, fields in rows]

    def _newest(self, index: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Return a page of an index by instant, newest first; ties go by name, so that a cursor skips nothing."""
        highest = "+inf" if before is None else before[0]
        page = ("ZRANGE", index, highest, "-inf", "BYSCORE", "REV", "LIMIT", 0, limit + TIES, "WITHSCORES")
        [flat] = self._wire.ask(page)
        found = scored(flat)
        return [(name, at) for name, at in found if before is None or (at, name) < before][:limit]

    def _members(self, lane: Lane) -> Iterator[str]:
        """Yield the members of a lane's due-set, the next due first, read some thousands at a time."""
        first = 0
        while True:
            [found] = self._wire.ask(("ZRANGE", self._cell.due[lane], first, first + MEMBERS - 1))
            yield from found
            if len(found) < MEMBERS:
                return
            first += MEMBERS
