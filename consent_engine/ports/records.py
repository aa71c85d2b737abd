"""The port to records: orders and lines, read whole and changed by commits; and what passes through it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field

from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order


class Owner(StrEnum):
    """Whose effect it is."""

    ORDER = "o"
    LINE = "l"


class Held(Struct, frozen=True):
    """An effect in somebody's hands: the token is the attempt it was leased for."""

    owner: Owner
    effect: str
    token: int


class OrderChange(Struct, frozen=True):
    """An order to write: as it is after the decision, the version that was read, and the new fields."""

    order: Order
    read: int
    state_before: State | None
    fields: Mapping[str, str]
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()
    barring: Sequence[str] = ()
    """names of the restrictions under which this must not be written"""


class LineChange(Struct, frozen=True):
    """A line to write. read: the version that was read, None when it is only stamped. A field set to '' goes."""

    line: str
    read: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    put: Sequence[Put] = ()
    drop: Sequence[tuple[str, Drop]] = ()
    consume: str = ""
    release: bool = False


class Commit(Struct, frozen=True):
    """All of a decision: saved whole or not at all."""

    op: str
    order: OrderChange | None = None
    line: LineChange | None = None
    held: Held | None = None
    guard: Millis | None = None
    unmatched: Sequence[str] = ()
    wakes: frozenset[Lane] = frozenset()
    """lanes in which this makes something due at once"""


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


class LiftedWord(StrEnum):
    """What became of a lifting."""

    OK = "ok"
    NONE = "none"
    """no such refusal stands"""
    NEWER = "newer"
    """it stands for an act newer than the one that was to lift it"""


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

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[Word]:
        """Save each, in one round trip; repeated by itself when an answer was lost on the wire."""

    def prove(self, orders: Sequence[str]) -> list[bool]:
        """Prove durable, as `prove` does, what was written of orders before; False for one that is not here (now)."""

    def versions(self, orders: Sequence[str]) -> list[int]:
        """The version of each order, 0 when there is none: cheap to ask often."""

    def line_of(self, orders: Sequence[str]) -> list[str | None]:
        """The line of each order, None for an order that does not exist."""

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str) -> LiftedWord:
        """Lift a refusal that stands for no newer act, and keep why, proven."""
