"""The port to lanes: what is due, leased to one at a time; and what passes through it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.entries import Unread
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord
from consent_engine.ports.records import Held, Owner
from consent_engine.ports.room import Room


class Leased(Struct, frozen=True):
    """An effect that this worker holds for a while, with its record. lost: the worker before recorded no outcome ·
    barred: restrictions because of which it is *not* held
    """

    effect: str
    token: int
    lost: bool
    at: Millis
    order: Order | None = None
    line: Line | None = None
    call: Call | None = None
    unread: Sequence[Unread] = ()
    barred: Sequence[str] = ()
    ending: Ending | None = None

    @property
    def held(self) -> Held:
        """The effect in our hands, as a commit names it. Raises BrokenRecord for one without its record."""
        record = self.order or self.line or self.call or self.ending
        if record is None:
            raise BrokenRecord("an effect without its record")
        return Held(record.id, self.effect, self.token)


class Stuck(Struct, frozen=True):
    """An effect on the stuck list."""

    owner: Owner
    id: str
    effect: str
    lane: Lane


class LaneDepth(Struct, frozen=True):
    """How much of a lane is due, how late the oldest is (ms), how much is parked, how much waits."""

    due: int
    late: int
    parked: int
    waiting: int


class Lanes(Protocol):
    """Effects by the instant they are due."""

    def lease(self, lane: Lane, n: int) -> list[Leased]:
        """Take up to n due effects of a lane. Never repeated by itself: a lost answer is a lost lease."""
        return self.lease_each({lane: n})[lane]

    def lease_each(self, wanted: Mapping[Lane, int]) -> dict[Lane, list[Leased]]:
        """As `lease`, of several lanes in one round trip: so many of each."""

    def may_begin(self, leased: Leased) -> bool:
        """Whether the call of an order's effect may begin that was leased a while ago: held still, barred by nothing,
        and its order is as it was then.

        Proven, so that no server says yes that is not the one others write to. Raises StoreUnavailable, NotDurable.
        """

    def postpone(self, effect: str, dues: Mapping[str, Millis], owner: Owner = Owner.ORDER) -> None:
        """Make an effect of records, which we hold, due at another instant: nobody is to have it before."""

    def bring_forward(self, lane: Lane, why: str, due: Millis, until: Millis) -> int:
        """Have what waits for this reason, and would be due until then, be due at `due`; how many these were."""

    def dues(self, owner: Owner, record: str, effects: Sequence[str]) -> list[Millis | None]:
        """When these effects of a record are due, in their order: of one in hand when its lease ends; None for one that
        waits for a person, or is not there.
        """

    def depths(self) -> dict[Lane, LaneDepth]:
        """How every lane stands."""

    def next(self, lane: Lane, limit: int) -> list[Stuck]:
        """What is due next in a lane, soonest first; what waits for a person is not among it."""

    def stuck(self, limit: int) -> list[Stuck]:
        """What waits for a person."""

    def rooms(self) -> dict[str, Room]:
        """How much room the servers have that the lanes, and all orders, are on: by name, each server once."""
