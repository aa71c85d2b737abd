"""The port to records: orders and lines, read whole and changed by commits; and what passes through it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.leaf import Leaf
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.rhythm import Beat, Rhythm


class Owner(StrEnum):
    """The kinds of records, by the letter that their effects' members begin with."""

    ORDER = "o"
    LINE = "l"
    CALL = "c"
    ENDING = "e"
    REPORT = "r"


class Held(Struct, frozen=True):
    """A leased effect of a record: the token is the attempt it was leased for."""

    record: str
    effect: str
    token: int


class OrderChange(Struct, frozen=True):
    """An order to write: as it is after the decision, the version that was read, and the new fields.

    state_before: None for a new order, which must not be there yet · events: those that are new
    """

    order: Order
    read: int
    state_before: State | None
    fields: Mapping[str, str]
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()
    events: Sequence[Event] = ()

    @property
    def id(self) -> str:
        return self.order.id

    @property
    def leaf(self) -> Leaf | None:
        """What the journal keeps of this: nothing where no event is written."""
        return Leaf.of_record(self.order) if self.fields else None

    @property
    def saved(self) -> Order:
        """The order as the store has it once this is saved."""
        order, dropped = self.order, {effect for effect, _ in self.drop}
        effects = {effect: pending for effect, pending in order.effects.items() if effect not in dropped}
        effects |= {put.effect: put.pending for put in self.put}
        return Order(
            order.doc, order.person, order.line, order.state, self.read + 1, order.head, order.events, effects,
            order.publics,
        )  # fmt: skip


class LineChange(Struct, frozen=True):
    """A line to write. read: the version that was read, None when it is only stamped. A field set to '' goes.

    consume: key of the message to take from its inbox · release: its reader lets go of it ·
    barring: names of the restrictions under which nothing of the commit is written · sealed: the line as it is
    afterwards, where its chain has one link more
    """

    id: str
    read: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()
    consume: str = ""
    release: bool = False
    barring: Sequence[str] = ()
    sealed: Line | None = None

    @property
    def leaf(self) -> Leaf | None:
        """What the journal keeps of this: nothing where no event is written."""
        return Leaf.of_line(self.sealed) if self.sealed else None


class CallChange(Struct, frozen=True):
    """A call to write, as it is afterwards. before: as it was read; None for a new one, which must not be there yet ·
    archived: as the archive has one that comes back from there, and is not there yet either
    """

    call: Call
    before: Call | None
    fields: Mapping[str, str]
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()
    archived: Call | None = None

    @property
    def id(self) -> str:
        return self.call.id

    @property
    def leaf(self) -> Leaf | None:
        return Leaf.of_record(self.call) if self.fields else None


class EndingChange(Struct, frozen=True):
    """An ending to write, as it is afterwards. before: as it was read; None for a new one, which must not be there."""

    ending: Ending
    before: Ending | None
    fields: Mapping[str, str]
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()

    @property
    def id(self) -> str:
        return self.ending.id

    @property
    def leaf(self) -> Leaf | None:
        return Leaf.of_record(self.ending) if self.fields else None


class ReportChange(Struct, frozen=True):
    """A report to write, as it is afterwards. before: as it was read; None for a new one, which must not be there
    yet.
    """

    report: Report
    before: Report | None
    fields: Mapping[str, str]
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()

    @property
    def id(self) -> str:
        return self.report.id

    @property
    def leaf(self) -> Leaf | None:
        return Leaf.of_record(self.report) if self.fields else None


class RecordChange(Struct, frozen=True):
    """A record of any kind to write: nothing but its fields and effects. new: it must not be there yet. A field set to
    '' goes.
    """

    owner: Owner
    id: str
    read: int
    fields: Mapping[str, str] = field(default_factory=dict)
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()
    new: bool = False
    leaf: Leaf | None = None
    """what the journal keeps of this"""


class Look(Struct, frozen=True):
    """A record that is only looked at, and stays as it is: nothing of the commit is written when it has moved.

    read: the version that was read, None when that is all the same · barring: names of the restrictions under which
    nothing is written
    """

    owner: Owner
    id: str
    read: int | None = None
    barring: Sequence[str] = ()


Change = OrderChange | LineChange | CallChange | EndingChange | ReportChange | RecordChange | Look


class Commit(Struct, frozen=True):
    """All of a decision: saved whole or not at all.

    op: the identity of this change: a repeat is recognised by it among the events of the first record · records: of one
    cell, each once, and each with the version it was decided on; what is written has a higher one afterwards ·
    guard: no message received at or before this instant may be unread · at: the instant of the decision; a restriction
    that was over by then bars nothing · beat: a yes that is laid beside others; in one rhythm with them, nothing is
    written
    """

    op: str
    records: tuple[Change, ...]
    held: Held | None = None
    guard: Millis | None = None
    unmatched: Sequence[str] = ()
    wakes: frozenset[Lane] = frozenset()
    """lanes in which this makes something due at once"""
    at: Millis | None = None
    beat: Beat | None = None


class Word(StrEnum):
    """What became of a commit."""

    OK = "ok"
    SAME = "same"
    STALE = "stale"
    LOST = "lost"
    LEASED = "leased"
    GUARDED = "guarded"
    FRONT = "front"
    BARRED = "barred"
    RHYTHM = "rhythm"


class Saved(Struct, frozen=True):
    """What became of a commit. record: the id of the record that stood in its way; '' where none did · rhythm: that its
    yes came in, where it was refused for that.
    """

    word: Word
    record: str = ""
    rhythm: Rhythm | None = None


class LiftedWord(StrEnum):
    """What became of a lifting."""

    OK = "ok"
    NONE = "none"
    """no such refusal stands"""
    NEWER = "newer"
    """it stands for an act newer than the one that was to lift it"""


class Live(NamedTuple):
    """The server's instant, and the records that exist."""

    now: Millis
    orders: dict[str, Order]
    lines: dict[str, Line]
    calls: dict[str, Call]
    endings: Mapping[str, Ending] = {}


class Records(Protocol):
    """Orders and lines that can still change; all of a decision is saved, or nothing."""

    def part(self, record: str) -> int:
        """Which part of the store keeps a record: parts fail on their own."""

    def live(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """The server's instant, and the records that exist (every line does, if only as version 0) and can be read.

        Orders that have left for the archive are not there.
        """

    def look(
        self, orders: Sequence[str] = (), lines: Sequence[str] = (), calls: Sequence[str] = (),
        endings: Sequence[str] = (),
    ) -> Live:  # fmt: skip
        """As `live`, with calls and endings."""

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[Saved]:
        """Save each, in one round trip; repeated by itself when an answer was lost on the wire."""

    def prove(self, records: Sequence[str], owner: Owner = Owner.ORDER) -> list[bool]:
        """Prove durable, as `prove` does, what was written of records before; False for one that is not here (now)."""

    def versions(self, orders: Sequence[str]) -> list[int]:
        """The version of each order, 0 when there is none: cheap to ask often."""

    def line_of(self, orders: Sequence[str]) -> list[str | None]:
        """The line of each order, None for an order that does not exist."""

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str) -> LiftedWord:
        """Lift a refusal that stands for no newer act, and keep why, proven."""
