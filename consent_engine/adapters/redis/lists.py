"""Lists of one cell of Redis."""

from collections.abc import Iterator
from itertools import islice

from consent_engine.adapters.redis.of_cell import OfCell
from consent_engine.domain.effects import WAKE_ARCHIVE, Lane
from consent_engine.ports import Lists

MEMBERS = 10_000
_MOVES = f":{WAKE_ARCHIVE}"


class RedisLists(OfCell, Lists):
    """The Lists of one cell."""

    def open_orders(self, limit: int) -> list[str]:
        members = (member for lane in (Lane.TIMER, Lane.ACTIVATION, Lane.SMS) for member in self._members(lane))
        ids = (member.split(":")[1] for member in members if member.startswith("o:") and not member.endswith(_MOVES))
        return list(dict.fromkeys(islice(ids, limit)))

    def lifted(self, most: int) -> list[str]:
        [rows] = self._wire.ask(("XREVRANGE", self._cell.lifted, "+", "-", "COUNT", most))
        return [fields["m"] for _, fields in rows]

    def _members(self, lane: Lane) -> Iterator[str]:
        """Yield the members of a lane's due-set, the next due first, read some thousands at a time."""
        first = 0
        while True:
            [found] = self._wire.ask(("ZRANGE", self._cell.due[lane], first, first + MEMBERS - 1))
            yield from found
            if len(found) < MEMBERS:
                return
            first += MEMBERS
