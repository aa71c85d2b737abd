"""The port to the store, and what passes through it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field

from consent_engine.domain.admission.admit import Listed, Sale
from consent_engine.domain.clocks import Heard, Lag
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line, Unread
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.order.order import Order
from consent_engine.ports.archive import Archive, Leaving
from consent_engine.ports.inbox import Posted, Stored
from consent_engine.ports.lists import LiftedWord, Standing, Tally


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


class Leased(Struct, frozen=True):
    """An effect given to us for a while, with its record. lost: whoever had it before never said how it ended.

    barred: the restrictions for which it was *not* given to us; nothing is held then
    """

    effect: str
    token: int
    lost: bool
    at: Millis
    order: Order | None = None
    line: Line | None = None
    unread: Sequence[Unread] = ()
    barred: Sequence[str] = ()


class Claim(Struct, frozen=True):
    """A reservation of an Idempotency-Key. taken: the fingerprint, order and instant it stands for, when not ours."""

    now: Millis
    taken: tuple[str, str, Millis] | None
    seen: str = ""


class Stuck(Struct, frozen=True):
    """An effect on the stuck list."""

    owner: Owner
    id: str
    effect: str
    lane: Lane


class ApiKey(Struct, frozen=True):
    """A caller: its name (who), and its role."""

    name: str
    role: str
    created_at: Millis


class LaneDepth(Struct, frozen=True):
    """How much of a lane is due, how late the oldest is (ms), how much is parked, how much waits."""

    due: int
    late: int
    parked: int
    waiting: int


class Store(Leaving, Protocol):
    """Keeps orders, lines, events and effects; saves all of a decision or nothing.

    Every method raises StoreUnavailable when the store cannot be reached or refuses writes; `prove` asks that what was
    written is on disk (and on as many replicas as set) before the method returns, else NotDurable.
    """

    archive: Archive | None
    """where settled orders go; None: they stay"""

    def part(self, record: str) -> int:
        """Which part of the store keeps a record: parts fail on their own."""

    def load(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """The server's instant, and the records that exist (every line does, if only as version 0) and can be read.

        Orders that have left the store are read in the archive; raises ArchiveUnavailable when that cannot be asked.
        """

    def live(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """As `load`, but only what is in the store itself: what can still change."""

    def recall(self, keys: Sequence[str]) -> list[Order]:
        """Archived orders that these keys of requests made (`request_key`). Raises ArchiveUnavailable."""

    def archived_of(self, line: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """As `placed`, of the archived orders of a number. Raises ArchiveUnavailable."""

    def placed_at(self, orders: Sequence[str]) -> list[Millis]:
        """When these were placed, in their order; 0 for one that is not in the store itself."""

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[Word]:
        """Save each, in one round trip; repeated by itself when an answer was lost on the wire."""

    def prove(self, orders: Sequence[str]) -> list[bool]:
        """Prove durable, as `prove` does, what was written of orders before; False for one that is not here (now)."""

    def lease(self, lane: Lane, n: int) -> list[Leased]:
        """Take up to n due effects. Never repeated by itself: a lost answer is a lost lease."""

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        """Put messages into their lines' inboxes, each once. What makes what does not stand is never a repeat."""

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        """Reserve keys: (key hash, fingerprint, order id, claimant, reservation to take over or '')."""

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        """Give reservations back: (key hash, claimant)."""

    def line_of(self, orders: Sequence[str]) -> list[str | None]:
        """The line of each order, None for an order that does not exist."""

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        """Keep messages that answered nothing."""

    def trim(self) -> int:
        """Delete of these, and of what is told of liftings, what is older than evidence is kept, and the oldest of more
        than a million; how many."""

    def depths(self) -> dict[Lane, LaneDepth]:
        """How every lane stands."""

    def stuck(self, limit: int) -> list[Stuck]:
        """What waits for a person."""

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Orders with the instants they were placed at, newest first, from where a page ended."""

    def open_orders(self, limit: int) -> list[str]:
        """Orders that something is still wanted for: every unsettled one, and some that wait to be told."""

    def restrictions(self, kind: Kind, before: tuple[Millis, str] | None, limit: int) -> list[Standing]:
        """Restrictions of a kind, newest first; before: name and instant of the last one of the page before."""

    def tally(self, kind: Kind) -> Tally:
        """How many restrictions of a kind stand, and the oldest's instant."""

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str) -> LiftedWord:
        """Lift a refusal that stands for no newer act, and keep why, proven."""

    def versions(self, orders: Sequence[str]) -> list[int]:
        """The version of each order, 0 when there is none: cheap to ask often."""

    def funnel(self, day: str) -> dict[State, int]:
        """Orders placed on a day (UTC, YYYY-MM-DD), by state."""


class Registry(Protocol):
    """Keeps what people set up (plans, API keys) and who is alive. Raises as the Store does; writes are proven."""

    def catalogue_mark(self) -> str:
        """Changes whenever the catalogue does."""

    def catalogue(self) -> dict[str, Listed]:
        """Every plan in its current version."""

    def publish(self, plan: Plan, sale: Sale, over: Listed | None) -> None:
        """Keep a plan's version as the current one; what was current once is never overwritten.

        over: what it replaces, as it was read; raises StoreUnavailable when somebody else was faster.
        """

    def plan_versions(self, code: str) -> list[Plan]:
        """Every version of a plan, oldest first."""

    def add_key(self, key_hash: str, key: ApiKey) -> bool:
        """Keep an API key (its hash); False, and nothing is kept, when its name was given to another key before."""

    def key(self, key_hash: str) -> ApiKey | None:
        """Whose key this is."""

    def keys(self) -> dict[str, ApiKey]:
        """Every key, by hash."""

    def drop_key(self, key_hash: str, name: str) -> None:
        """Forget a key, but not its name."""

    def announce(self, worker: str, told: str) -> None:
        """Say that a worker is alive, in our own key."""

    def workers(self, within: int) -> dict[str, str]:
        """Workers heard from within so many milliseconds."""

    def now(self) -> Millis:
        """The store's instant."""

    def count(self, counts: Mapping[str, float]) -> None:
        """Add to what is counted by all processes."""

    def counted(self) -> dict[str, float]:
        """What all processes counted."""

    def note_lags(self, heard: Sequence[Heard]) -> None:
        """Keep smallest differences between gateways' stamps and their arrival; a larger one than is kept is none."""

    def lags(self) -> dict[str, Lag]:
        """By gateway, how its clock looked lately."""

    def adopt(self) -> None:
        """Mark data of an earlier program, that were checked, as ours: the earlier one refuses them from now on."""

    def sealed_since(self) -> Millis | None:
        """Since when every order that is placed has a seal; None where no engine was started yet."""

    def check(self, secret: str, *, strict: bool, cells: int) -> None:
        """Raise SettingsError unless the server can keep our promises, and the data were written with this secret."""
