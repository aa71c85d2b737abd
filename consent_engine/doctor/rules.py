"""The rules of records: each with its name, its sentence, the command to type, and whether a record breaks it.

A rule is pure: it is asked about a record as it was read, with all that it is compared with beside it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import Struct

from consent_engine.doctor.findings import Level
from consent_engine.domain.call.call import ABANDONED_AFTER_MS, Call, CallState
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.days import DAY_MS
from consent_engine.domain.decide.decision import PARKED, Put, abandoning, begun
from consent_engine.domain.decide.endings import missing_of_ending
from consent_engine.domain.decide.wanted_effects import excess, missing, missing_of
from consent_engine.domain.effects import DEACTIVATE, FRESH, READ, WAKE_ABANDONED, WAKE_UNDECIDED, Millis
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.line import Entry, Line
from consent_engine.domain.line.restriction import Kind, Restriction, name_of
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import sound
from consent_engine.engine.audit import Logged
from consent_engine.ports import Change, Recorded

GRACE_MS = 3_600_000
"""How late a worker may be before an operator must see to it."""


class Found(Struct, frozen=True):
    """A record as it was read. dues: of each pending effect, when it is due; None: it is in no due-set"""

    record: Recorded | Line
    now: Millis
    dues: Mapping[str, float | None]

    @property
    def name(self) -> str:
        """The id that people are given."""
        return self.record.id

    @property
    def key(self) -> tuple[type, str, int]:
        """By which two looks are of the same: one that changed in between was read while others wrote."""
        return Found, self.record.id, self.record.version

    @property
    def misnamed(self) -> bool:
        """Whether an order's entry on its line says otherwise than the order."""
        return False

    def lacks(self) -> Iterator[Put]:
        """Yield the effects that are surely missing, as they are put back."""
        yield from ()

    def change(self, lease_ms: Millis) -> Change | None:
        """Return the change that puts back the missing parts, and nothing else; None: nothing is. It names the version
        that was read. A leased effect is due when its lease is over, as if it had been in the due-set all the time.
        """
        puts = {
            effect: Put(effect, PARKED if kept.parked else self.now + (lease_ms if kept.leased_at else 0), kept)
            for effect, kept in self.record.effects.items() if self.dues[effect] is None
        }  # fmt: skip
        back = tuple((puts | {put.effect: put for put in self.lacks()}).values())
        return Change.of(self.record, put=back) if back else None


class FoundOrder(Found, frozen=True):
    """An order. line: its number's, None where it cannot be read · call: its own, None where there is none · other:
    whether its Idempotency-Key made another order · taken_back: whether its plan was revoked a while ago
    """

    record: Order
    line: Line | None
    call: Call | None
    other: bool
    taken_back: bool

    @property
    def is_open(self) -> bool:
        return not self.record.state.settled

    @property
    def entries(self) -> list[Entry] | None:
        return [each for each in self.line.entries if each.order == self.record.id] if self.line else None

    @property
    def misnamed(self) -> bool:
        return any(each != Entry.of(self.record) for each in self.entries or ())

    def lacks(self) -> Iterator[Put]:
        if self.is_open:
            yield from (want.back for want in missing(self.record) if want.back)

    @property
    def bar(self) -> Restriction | None:
        """The restriction that the order's line lacks: its call is up, or its review contested, and nothing else bars
        the activation.
        """
        order, call, line = self.record, self.call, self.line
        kind = _BARS.get(call.state if call.state is CallState.UP else call.verdict or "") if call else None
        past = order.state.settled or begun(order) or order.last(Trigger.SERVICE_ACTIVATED) is not None
        if call is None or line is None or kind is None or past or line.named(name_of(kind, order.id)) is not None:
            return None
        return Restriction(kind, order.id, "", self.now, "doctor", call.id)

    @property
    def far(self) -> bool:
        """Whether something of it is due later than the longest wait from now."""
        policy = self.record.doc.policy
        longest = policy.reply_window + policy.confirm_within + policy.retry_max + policy.uncertain_hold + 2 * DAY_MS
        return any(due and self.now + longest < due < float("inf") for due in self.dues.values())


class FoundLine(Found, frozen=True):
    """A line. orders: those that its entries name · lost: those of them without a record · unread: its messages"""

    record: Line
    orders: Mapping[str, Order]
    lost: Collection[str]
    unread: int

    @property
    def misnamed(self) -> bool:
        return any(order.line != self.record.id for order in self.orders.values())

    def lacks(self) -> Iterator[Put]:
        yield from missing_of(self.record, self.unread, self.now)


class FoundCall(Found, frozen=True):
    """A call. other: whether its recording, by its reference or its audio, is another call's, too"""

    record: Call
    other: bool

    @property
    def late(self) -> bool:
        return (
            self.record.state is CallState.UP
            and self.record.began.registered_at < self.now - ABANDONED_AFTER_MS - GRACE_MS
        )

    @property
    def untimed(self) -> bool:
        """Whether it is up, and no timer would abandon it."""
        return self.record.state is CallState.UP and self.dues.get(WAKE_ABANDONED) is None

    def lacks(self) -> Iterator[Put]:
        if self.untimed:
            put = abandoning(self.record.began.registered_at)
            yield Put(put.effect, max(self.now, put.due), put.pending)


class FoundEnding(Found, frozen=True):
    """An ending that is not over."""

    record: Ending

    @property
    def name(self) -> str:
        return self.record.doc.order

    def lacks(self) -> Iterator[Put]:
        """Its deactivation has its own key: a service that is off is not switched off twice."""
        if missing_of_ending(self.record):
            yield Put(DEACTIVATE, self.now, FRESH)


_BARS: Mapping[str, Kind] = {CallState.UP: Kind.CALL, Verdict.CONTESTED: Kind.REVIEW}
F = TypeVar("F", bound=Found | Logged)


class Rule(NamedTuple, Generic[F]):
    """A rule. level, what, do: of the finding · of, broken: which records it is about, and whether one breaks it, or a
    sentence that says how; None: the walk itself sees it
    """

    level: Level
    what: str
    do: str
    of: type[F] | None = None
    broken: Callable[[F], Any] | None = None


BAD, WARN = Level.BAD, Level.WARN
TELL_US = "keep the data, and report it: this must never happen"
BACKUP = "stop the workers, keep the data, restore a backup beside it: docs/operations.md"
STALLED = "consent show ORDER: no SMS or activation is put back by a guess; cancel the open order, and report it"
MEND = "consent doctor --mend; if it says so again: consent show ORDER, and report it"


RULES: Mapping[str, Rule[Any]] = {
    "gone": Rule(BAD, "orders that are gone from Redis, though SQL has them as open or new", BACKUP),
    "unreadable": Rule(BAD, "records that cannot be read, or whose seal does not fit: they were changed or damaged",
                       BACKUP, Logged,
                       lambda record: record.unread and "cannot be read, and nothing of it is in the log"),
    "history": Rule(BAD, "orders whose sealed history does not lead to the record: a defect, or the secret leaked",
                    BACKUP, FoundOrder, lambda order: not sound(order.record)),
    "endless": Rule(BAD, "open orders without the timer that ends their wait", MEND,
                    FoundOrder, lambda order: [*order.lacks()]),
    "stalled": Rule(BAD, "open orders without the question, activation or notification that is next", STALLED,
                    FoundOrder, lambda order: order.is_open and None in {want.back for want in missing(order.record)}),
    "undecided": Rule(BAD, "suspected refusals that no timer would ever make refusals", MEND,
                      FoundLine, lambda line: WAKE_UNDECIDED in {put.effect for put in line.lacks()}),
    "unrefused": Rule(BAD, "refusals that are gone though nobody lifted them: these numbers could be called",
                      "consent doctor --all --mend"),
    "unlogged": Rule(WARN, "refusals that the log lacks, or has as lifted (a backup is back)",
                     "consent doctor --all --mend: else nobody would miss them"),
    "unlifted": Rule(WARN, "liftings that the log lacks (an older copy of it is back)",
                     "consent doctor --all --mend: else their refusals would be put back one day"),
    "undue": Rule(BAD, "records with a pending effect that is in no due-set", MEND,
                  Found, lambda found: None in found.dues.values()),
    "unread": Rule(BAD, "lines with unread messages that no worker would read", MEND,
                   FoundLine, lambda line: READ in {put.effect for put in line.lacks()}),
    "unheard": Rule(BAD, "open orders that no reply can be matched with", TELL_US,
                    FoundOrder, lambda order: order.is_open and order.entries == []),
    "dangling": Rule(BAD, "lines that name an order without a record", BACKUP, FoundLine, lambda line: line.lost),
    "misnamed": Rule(BAD, "orders that a number's list names otherwise than their record: it was changed", BACKUP,
                     Found, lambda found: found.misnamed),
    "excess": Rule(BAD, "orders with a pending effect that their state does not allow", TELL_US,
                   FoundOrder, lambda order: excess(order.record)),
    "unarchived": Rule(WARN, "settled orders that no timer moves to the archive", TELL_US,
                       FoundOrder, lambda order: not order.is_open and missing(order.record)),
    "far": Rule(WARN, "orders with an effect due later than any wait may last: did the server's clock jump?",
                "consent show ORDER; cancel it, or wait", FoundOrder, lambda order: order.far),
    "member": Rule(WARN, "entries of due-sets that the engine did not write",
                   "which program writes into this Redis?"),
    "idle": Rule(WARN, "entries of due-sets that no record wants", "nothing: each is removed when it is due"),
    "dropped": Rule(BAD, "records that lack events which the log has, are gone, or cannot be read", BACKUP,
                    Logged, lambda record: record.dropped),
    "rewritten": Rule(BAD, "records whose history is another one than the log has", BACKUP,
                      Logged, lambda record: record.rewritten),
    "unsealed": Rule(BAD, "records with events that the log lacks: SQL is an older copy, or entries were taken out",
                     "was SQL restored: consent doctor --all --mend notes them; else keep the data, and report it: who "
                     "else writes into this Redis, and into SQL?", Logged, lambda record: record.unsealed),
    "unlisted": Rule(BAD, "records that SQL lacks, though the log has them: no list names them",
                     "restore the database's newest backup beside it: docs/operations.md",
                     Logged, lambda record: record.unlisted and "SQL has no row of it"),
    "misfiled": Rule(BAD, "records whose row in SQL says otherwise than the record: lists and searches go by it",
                     "who else writes into this database? Restore its newest backup beside it: docs/operations.md",
                     Logged, lambda record: record.misfiled),
    "resold": Rule(BAD, "plans that are not as they were sold: their catalogue was changed", BACKUP),
    "log": Rule(BAD, "entries of the log that are gone, written anew or unreadable",
                "keep the data, and restore the archive from its newest backup: docs/operations.md"),
    "callless": Rule(BAD, "orders whose call is neither in Redis nor in the archive, or cannot be read", BACKUP,
                     FoundOrder, lambda order: order.call is None),
    "ungated": Rule(BAD, "open orders that nothing bars, though their call is up or its review contested", MEND,
                    FoundOrder, lambda order: order.bar),
    "unended": Rule(BAD, "calls that have been up for more than five hours, or that no timer would abandon", MEND,
                    FoundCall, lambda call: call.untimed or call.late),
    "untaken": Rule(BAD, "orders whose ending lacks its deactivation: the service would stay on", MEND,
                    FoundEnding, lambda ending: [*ending.lacks()] or ending.dues.get(DEACTIVATE, 0) is None),
    "shared": Rule(BAD, "calls whose recording, by its reference or its audio, is another call's, too",
                   "consent calls --json shows both; hear it, and fail the call that it is not of: "
                   "POST /v1/reviews/CALL", FoundCall, lambda call: call.other),
    "doubled": Rule(BAD, "orders whose Idempotency-Key made another order, too",
                    "consent show ORDER; cancel the one that its desk does not know, or take it back; and report it",
                    FoundOrder, lambda order: order.other),
    "revoked": Rule(BAD, "open orders of a plan that was revoked: the revocation was interrupted",
                    "POST /v1/plans/CODE/revoke once more: it goes on", FoundOrder, lambda order: order.taken_back),
}  # fmt: skip


def broken_by(found: Found | Logged) -> dict[str, str]:
    """Return the names of the rules that a record breaks, each with how, where the rule says that."""
    said = (
        (name, rule.broken(found)) for name, rule in RULES.items()
        if rule.of and rule.broken and isinstance(found, rule.of)
    )  # fmt: skip
    return {name: how if isinstance(how, str) else "" for name, how in said if how}
