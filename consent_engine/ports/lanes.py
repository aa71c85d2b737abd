"""The port to lanes: due effects, each leased to one worker at a time; the port's types; and the memory and disk that a
server has left.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Lane, Millis, lane_of
from consent_engine.domain.line.line import Line, Unread
from consent_engine.errors import BrokenRecord
from consent_engine.ports.records import OWNERS, Held, K, Owner, Recorded


class ServerMemory(Struct, frozen=True):
    """One server's room, as it reports it.

    server: its own id, new at each start · used, most: bytes in memory, and how many there may be (0: no bound) ·
    aof: bytes of its append-only file, 0 where it keeps none · aof_works: it can write and rewrite that file ·
    disk_free: bytes left on its disk; None where that cannot be seen from here
    """

    server: str
    used: int
    most: int
    aof: int = 0
    aof_works: bool = True
    disk_free: int | None = None

    @classmethod
    def of(cls, info: Mapping[str, Any], disk_free: int | None = None) -> "ServerMemory":
        """Read the room from INFO's sections server, memory and persistence."""
        said = (info.get("aof_last_write_status", "ok"), info.get("aof_last_bgrewrite_status", "ok"))
        return cls(
            str(info.get("run_id", "")), int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)),
            int(info.get("aof_current_size", 0)), said == ("ok", "ok"), disk_free,
        )  # fmt: skip


ASKED = ("INFO", "server", "memory", "persistence")
"""The command that asks a server for its room."""


@dataclass(frozen=True, slots=True)
class Route:
    """A gateway with the carriers whose SMS are handed to it now, or are tried there now and then: a part of the SMS
    lane, and the same part whichever carriers these are.

    rate: how many of all processes it may get in a second; 0: no matter how many · others: all other gateways in use,
    whichever carrier's, with their rates, -1 for one that is away or paused: what is in doubt there stays there ·
    spared: of each of the carriers, whether its SMS go to another one meanwhile
    """

    gateway: str
    carriers: tuple[str, ...] = field(default=(), compare=False)
    rate: int = field(default=0, compare=False)
    others: Mapping[str, int] = field(default_factory=dict, compare=False)
    spared: tuple[bool, ...] = field(default=(), compare=False)


Work = Lane | Route
"""What is leased together, and has places in flight of its own: a lane, or in that of SMS what a gateway carries."""


def kind_of(work: Work) -> Lane:
    """Return the lane of some work."""
    return work if isinstance(work, Lane) else Lane.SMS


class Leased(Struct, frozen=True):
    """An effect that this worker holds for a while, with its record. lost: the worker that held it before recorded no
    outcome · unread: a line's unread messages · barred: restrictions because of which the effect is *not* held ·
    called_at: start of the last call before this lease, 0: none
    """

    effect: str
    token: int
    lost: bool
    at: Millis
    record: Recorded | Line
    unread: Sequence[Unread] = ()
    barred: Sequence[str] = ()
    called_at: Millis = 0

    def of(self, kind: type[K]) -> K:
        """Return the record. Raises BrokenRecord where it is of another kind: the effect was put there by hand."""
        if not isinstance(self.record, kind):
            raise BrokenRecord(f"an effect of a {kind.__name__.lower()} on another record")
        return self.record

    @property
    def owner(self) -> Owner:
        """The kind of that record."""
        return OWNERS[type(self.record)]

    @property
    def work(self) -> Work:
        """The work that it is part of: an SMS is of the gateway that it is leased for."""
        lane = lane_of(self.effect)
        return Route(self.record.effects[self.effect].gateway) if lane is Lane.SMS else lane

    @property
    def held(self) -> Held:
        """The leased effect as a commit names it."""
        record = self.record
        return Held(record.id, self.effect, self.token, record.effects[self.effect].leased_at)


class Leases(dict[Work, list[Leased]]):
    """What was leased of each work. waits: of gateways whose rate is used up, for how long (ms) nothing is leased"""

    def __init__(self, asked: Iterable[Work]) -> None:
        super().__init__((work, []) for work in asked)
        self.waits: dict[Work, Millis] = {}


class Stuck(Struct, frozen=True):
    """An effect of a lane, as the stuck list and the list of the next due ones name it."""

    owner: Owner
    id: str
    effect: str
    lane: Lane


class LaneDepth(Struct, frozen=True):
    """A lane's effects: how many are due, by how much (ms) the oldest is late, how many are parked, how many in all."""

    due: int
    late: int
    parked: int
    waiting: int

    @classmethod
    def of(cls, parts: Iterable["LaneDepth"]) -> "LaneDepth":
        """Return the depth of all parts of a lane together."""
        rows = list(parts)
        due, late, parked, waiting = zip(*((row.due, row.late, row.parked, row.waiting) for row in rows), strict=True)
        return cls(sum(due), max(late), sum(parked), sum(waiting))


def by_lane(
    parts: Mapping[str, LaneDepth], latest: Mapping[str, Millis | None] = MappingProxyType({})
) -> dict[Lane, LaneDepth]:
    """Return how full each lane is, from its parts. latest: how late SMS of a carrier can be at most (ms), None where
    they are not due at all"""

    def bounded(part: LaneDepth, most: float | None) -> LaneDepth:
        return replace(part, due=0, late=0) if most is None else replace(part, late=int(min(part.late, most)))

    sms = LaneDepth.of(bounded(parts[each], latest.get(each, inf)) for each in Carrier)
    return {lane: sms if lane is Lane.SMS else parts[lane] for lane in Lane}


PROBE_MS, LONGEST_PROBE_MS = 5_000, 600_000
"""How long after an SMS to a gateway that is away the next one goes there: any of them may be in doubt. While another
gateway has its SMS, a quarter of the time that it has been away, between these bounds."""


NONE: Mapping[Work, Millis] = MappingProxyType({})


class Lanes(Protocol):
    """The lanes: effects by the instant they are due, leased to workers."""

    def lease(self, lane: Lane, n: int) -> list[Leased]:
        """Lease up to n due effects of a lane. Never sent again automatically: a lost answer is a lost lease."""
        return self.lease_each({lane: n})[lane]

    def lease_each(self, wanted: Mapping[Work, int], away: Mapping[Work, Millis] = NONE) -> Leases:
        """Lease in one round trip. wanted: how many effects of each lane at most, or for each gateway · away: for how
        long gateways have been away: of all processes they get one SMS now and then (PROBE_MS)
        """

    def too_many(self, gateway: str) -> None:
        """Note that a gateway has just said that it gets too many: with the next lease its rate is halved, and rises
        again by and by.
        """

    def rates(self, routes: Collection[Route]) -> dict[Route, int]:
        """Return how many SMS a second are leased now for each of these gateways that have a rate, set or learnt."""

    def postpone(self, effect: str, dues: Mapping[str, Millis], owner: Owner = Owner.ORDER) -> None:
        """Make an effect of records, leased by this worker, due at another instant; no worker gets it before."""

    def bring_forward(self, work: Work, due: Millis, until: Millis, *, doubtful: str = "", over: Millis = 0) -> int:
        """Make effects that are due by `until` due at `due`; return how many moved.

        SMS in doubt at the gateway `doubtful`; without one, those that were tried and surely not taken. over: they are
        spread over so long (ms) before `due`
        """

    def dues(self, owner: Owner, record: str, effects: Sequence[str]) -> list[Millis | None]:
        """Return when each of these effects of a record is due: for a leased one the end of its lease; None for one
        that waits for a person, or does not exist.
        """

    def depths(self) -> dict[Lane, LaneDepth]:
        """Return how full each lane is."""
        return by_lane(self.depths_of_all())

    def depths_of_all(self) -> dict[str, LaneDepth]:
        """Return how full each lane is, that of SMS carrier by carrier."""

    def next(self, lane: Lane, limit: int) -> list[Stuck]:
        """Return the next effects due in a lane, soonest first; those that wait for a person are left out."""

    def stuck(self, limit: int) -> list[Stuck]:
        """Return the effects that wait for a person."""

    def rooms(self) -> dict[str, ServerMemory]:
        """Return how much room the servers with the lanes and all orders have: by name, each server once."""
