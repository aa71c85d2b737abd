"""What one cell of Redis lists: orders, what is stuck, what answered nothing, counts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import TIES, scored, stuck_of
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.effects import WAKE_ARCHIVE, Lane, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.retention import Retention
from consent_engine.ports import Stuck

MEMBERS = 10_000
_MOVES = f":{WAKE_ARCHIVE}"
MOST_KEPT = 1_000_000
LOOK_BACK = 100
"""Among how many of the newest entries of a stream a repeat is looked for."""


class Lists:
    """Lists of one cell."""

    def __init__(self, wire: Wire, cell: Cell, keep: Retention) -> None:
        self._wire = wire
        self._cell = cell
        self._keep = keep

    def stuck(self, limit: int) -> list[Stuck]:
        """See Store.stuck."""
        calls = Calls()
        for lane in Lane:
            calls.plain("ZRANGE", self._cell.due[lane], "+inf", "+inf", "BYSCORE", "LIMIT", 0, limit)
        members = [m for answer in self._wire.send(calls, repeat=True) for m in answer]
        return [stuck_of(member) for member in members[:limit]]

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Store.placed: here is no archive, so it is placed_live too."""
        return [(order, at) for order, at in self.newest(self._cell.placed, before, limit)]

    def placed_at(self, orders: Sequence[str]) -> list[Millis]:
        """See Store.placed_at."""
        calls = Calls()
        for order in orders:
            calls.plain("ZSCORE", self._cell.placed, order)
        return [int(float(score or 0)) for score in self._wire.send(calls, repeat=True)]

    def newest(self, index: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """A page of an index by instant, newest first; ties go by name, so that a cursor skips nothing."""
        highest = "+inf" if before is None else before[0]
        calls = Calls()
        calls.plain("ZRANGE", index, highest, "-inf", "BYSCORE", "REV", "LIMIT", 0, limit + TIES, "WITHSCORES")
        [flat] = self._wire.send(calls, repeat=True)
        found = scored(flat)
        return [(name, at) for name, at in found if before is None or (at, name) < before][:limit]

    def open_orders(self, limit: int) -> list[str]:
        """See Store.open_orders."""
        members = (member for lane in (Lane.TIMER, Lane.ACTIVATION, Lane.SMS) for member in self._members(lane))
        ids = (member.split(":")[1] for member in members if member.startswith("o:") and not member.endswith(_MOVES))
        return list(dict.fromkeys(islice(ids, limit)))

    def _members(self, lane: Lane) -> Iterator[str]:
        """What stands in a lane's due-set, the next due first, some thousands at a time."""
        first = 0
        while True:
            calls = Calls()
            calls.plain("ZRANGE", self._cell.due[lane], first, first + MEMBERS - 1)
            [found] = self._wire.send(calls, repeat=True)
            yield from found
            if len(found) < MEMBERS:
                return
            first += MEMBERS

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        """See Store.unmatched."""
        calls = Calls()
        for entry in entries:
            calls.script("keep_unmatched", [self._cell.unmatched], [entry, LOOK_BACK])
        self._wire.send(calls, prove=prove, repeat=True)

    def trim(self, most: int = MOST_KEPT) -> int:
        """See Store.trim. In pieces of some thousands, so that nobody waits for it."""
        now = int(self._one("TIME")[0]) * 1000
        gone = 0
        for stream, keep_ms in ((self._cell.unmatched, self._keep.no_service), (self._cell.lifted, self._keep.records)):
            for rule, bound in (("MINID", now - keep_ms), ("MAXLEN", most)):
                while done := int(self._one("XTRIM", stream, rule, "~", bound)):
                    gone += done
                gone += int(self._one("XTRIM", stream, rule, bound))  # of the last piece, what is left
        return gone

    def _one(self, *command: str | int) -> Any:  # noqa: ANN401 - redis-py's answer
        calls = Calls()
        calls.plain(*command)
        return self._wire.send(calls, repeat=True)[0]

    def funnel(self, day: str) -> dict[State, int]:
        """See Store.funnel."""
        calls = Calls()
        calls.plain("HGETALL", self._cell.funnel(day))
        [steps] = self._wire.send(calls, repeat=True)
        counts: Counter[str] = Counter()
        for step, count in steps.items():
            before, made, after = step.rpartition(">")
            counts[after] += int(count)
            if before and made:
                counts[before] -= int(count)
        return {State(state): count for state, count in counts.items()}
