"""The port to records (orders, lines, calls, endings, reports), read whole and changed by commits; and its types."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Beat, Laid, Newest
from consent_engine.domain.seal import newest_link
from consent_engine.errors import BrokenRecord

Recorded = Order | Call | Ending | Report
"""A record of any kind but a line: it leaves the store, and is then in SQL alone."""
R = TypeVar("R", bound=Recorded)
K = TypeVar("K", bound=Recorded | Line)
Wanted = Mapping[type, Sequence[str]]
"""The ids of wanted records, by kind."""


class Snapshot(NamedTuple):
    """The records that exist and can be read, by kind and id, and the server's instant at which they were read.

    unreadable: ids of those that exist and cannot be read
    """

    now: Millis
    found: Mapping[type, Mapping[str, Any]] = {}
    unreadable: Set[str] = frozenset()

    def of(self, kind: type[K]) -> Mapping[str, K]:
        """Return the loaded records of a kind."""
        return self.found.get(kind, {})

    @property
    def all(self) -> dict[str, Recorded | Line]:
        """The loaded records of every kind, by id."""
        return {name: record for some in self.found.values() for name, record in some.items()}

    def find(self, kind: type[R], name: str) -> R | None:
        """Return a loaded record, None where there is none. Raises BrokenRecord for one that cannot be read."""
        if name in self.unreadable:
            raise BrokenRecord(f"this {kind.__name__.lower()}'s record cannot be read: damaged, or somebody changed it")
        return self.of(kind).get(name)

    def line(self, line_id: str) -> Line:
        """Return a loaded line. Raises BrokenRecord when it cannot be read: its refusals must not be guessed."""
        try:
            return self.of(Line)[line_id]
        except KeyError:
            raise BrokenRecord("a line's record cannot be read") from None


CLOCKS_APART_MS: Millis = 1_000
"""How far the clocks of the store's servers may be apart: a commit's `until` comes from one, and is compared by
another, a promoted replica even. A caller that waits for such an instant waits so much longer.
"""


class Owner(StrEnum):
    """The kinds of records, by the first letter of their effects' members in the due-sets."""

    ORDER = "o"
    LINE = "l"
    CALL = "c"
    ENDING = "e"
    REPORT = "r"


OWNERS: Mapping[type, Owner] = {
    Order: Owner.ORDER, Line: Owner.LINE, Call: Owner.CALL, Ending: Owner.ENDING, Report: Owner.REPORT,
}  # fmt: skip

KINDS: Mapping[Owner, type[Recorded]] = {owner: kind for kind, owner in OWNERS.items() if kind is not Line}


def by_kind(named: Iterable[tuple[Owner, str]]) -> Wanted:
    """Return the ids of records of any kind, by kind."""
    rows = list(named)
    return {kind: list(dict.fromkeys(name for of, name in rows if of is owner)) for kind, owner in OWNERS.items()}


class Held(Struct, frozen=True):
    """A leased effect of a record. token: the number of the attempt that it was leased for · since: when it was leased.
    A number alone does not name a lease: an attempt that was given back is counted again, but never due again before
    the millisecond after its lease.
    """

    record: str
    effect: str
    token: int
    since: Millis

    @property
    def lease(self) -> str:
        """The lease as every script compares it with the first two numbers of the kept effect."""
        return f"{self.token},{self.since}"


class How(StrEnum):
    """What a commit does with a record."""

    WRITE = "write"
    LOOK = "look"
    """only checks it: where it is not as the change says, the commit writes nothing"""
    LEAVE = "leave"
    """deletes it as it was read, with all its effects"""


class Change(Struct, frozen=True):
    """A record of any kind in a commit, and all that is done with it. A field set to '' is deleted.

    read: the version that was read, 0: it must not exist yet (a line: nothing is known of it); None: any will do ·
    record: its content after the decision, where that is known: with a new link of its chain among the fields it is
    sealed, and has an entry in the journal · events: the new ones of an order · consume: key of the message to
    take from a line's inbox · release: the reader of that inbox gives up the lease
    """

    owner: Owner
    id: str
    read: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()
    consume: str = ""
    release: bool = False
    record: Recorded | Line | None = None
    events: Sequence[Event] = ()
    how: How = How.WRITE

    @classmethod
    def of(
        cls, record: Recorded | Line, fields: Mapping[str, str] | None = None, put: Sequence[Put] = (),
        drop: Sequence[tuple[str, Drop]] = (), events: Sequence[Event] = (),
    ) -> "Change":  # fmt: skip
        """Return the change that writes a record, where it is still of the version that was read."""
        return cls(
            OWNERS[type(record)], record.id, record.version, fields or {}, put, drop, record=record, events=events
        )

    @classmethod
    def look(cls, record: Recorded | Line) -> "Change":
        """Return the check that a record is still of the version that was read."""
        return cls(OWNERS[type(record)], record.id, record.version, how=How.LOOK)

    @classmethod
    def leave(cls, record: Recorded | Line) -> "Change":
        """Return the change by which a record leaves the store as it was read, or not at all."""
        drop = [(effect, Drop.ANYWAY) for effect in record.effects]
        return cls(OWNERS[type(record)], record.id, record.version, drop=drop, record=record, how=How.LEAVE)

    @property
    def sealed(self) -> Recorded | Line | None:
        """The record, where this change adds a link to its chain."""
        record = self.record
        return record if record is not None and newest_link(record) in self.fields else None


def saved(record: K, change: Change) -> K:
    """Return the record of a change as the store holds it once that is saved."""
    dropped = {effect for effect, _ in change.drop}
    effects = {effect: pending for effect, pending in record.effects.items() if effect not in dropped}
    effects |= {put.effect: put.pending for put in change.put}
    return replace(record, version=record.version + 1, effects=effects)


EVERY_MESSAGE: Millis = 10**15
"""The `guard` of a commit that is saved only where no message is unread at all."""


class Commit(Struct, frozen=True):
    """All changes of a decision: saved whole or not at all.

    op: the identity of this commit: a repeat is recognised by it among the events of the first record · records: of one
    cell, each once, and each with the version the decision was based on; a written record then has a higher version ·
    guard: no message received at or before this instant may be unread · at: the instant of the decision · laid: a yes
    kept among others of the agent: where these are no longer those that it was compared with, the commit is STALE ·
    until: where it rests on something that is kept elsewhere, as a reservation or the catalogue: the instant until
    which that holds; from then on it is STALE, by the clock of the server that saves it · entries: of the journal,
    beside those of its records · lifted: what is kept of the act by which it lifts a refusal
    """

    op: str
    records: tuple[Change, ...]
    held: Held | None = None
    guard: Millis | None = None
    unmatched: Sequence[str] = ()
    wakes: frozenset[Lane] = frozenset()
    """lanes in which this commit makes effects due at once"""
    at: Millis | None = None
    laid: Laid | None = None
    until: Millis | None = None
    entries: Sequence[str] = ()
    lifted: str = ""


class CommitResult(StrEnum):
    """The result of a commit, as the commit script answers it."""

    OK = "ok"
    SAME = "same"
    """this commit was saved before"""
    STALE = "stale"
    """something is no longer as it was read: decide again"""
    LOST = "lost"
    """the lease is another's, or the message was consumed by another reader"""
    GUARDED = "guarded"
    """a message is unread that must be read first"""


class LiftResult(StrEnum):
    """The result of lifting a refusal."""

    OK = "ok"
    NONE = "none"
    """no such refusal is in force"""
    NEWER = "newer"
    """the refusal is for a newer act of the subscriber than the one it was to be lifted for"""
    DAMAGED = "damaged"
    """its record cannot be read, so it is unknown whether the act is newer: it stands"""


class Records(Protocol):
    """The records that can still change; a decision is saved whole or not at all."""

    def names(self, owner: Owner, pieces: int | None = None) -> Iterator[list[str]]:
        """Yield the ids of all records of a kind, piece by piece; one may come twice. pieces: how many at most of each
        part
        """

    def part(self, record: str) -> int:
        """Return the number of the part of the store (cell) that keeps a record: each part fails on its own."""

    def look(self, wanted: Wanted, *, prove: bool = False) -> Snapshot:
        """Return the server's instant and the wanted records that exist and can be read, kind by kind as they are
        named. A line always exists, if only as version 0; records that were moved to the archive are missing.

        prove: prove durable, as a commit does, all earlier writes to them: a server that others no longer write to
        cannot answer then. Raises NotDurable, too
        """

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[CommitResult]:
        """Save each commit, all in one round trip; sent again automatically when an answer was lost on the wire."""

    def newest_yeses(self, beats: Sequence[Beat]) -> list[Newest]:
        """Return the newest yeses that each is to be compared with; those of one agent, as one, for all of them."""

    def glance(self, orders: Sequence[str]) -> list[tuple[int, str]]:
        """Return the version and the line of each order, (0, '') where there is none: cheap enough to ask often."""

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str, at: Millis) -> LiftResult:
        """Lift a refusal unless it is for an act newer than `act_at`, and keep the evidence `kept`, which says that it
        was lifted at `at`, as the journal's entry does; proven durable."""

    def lifted(self, most: int) -> list[str]:
        """Return the newest liftings (JSON: carrier, at, by, evidence, ...), newest first."""
