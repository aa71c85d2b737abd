"""Lines: one number each, with the orders asked of it, its refusals, its own pending effects, its unread messages."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.days import CHINA, DAY_MS, Days
from consent_engine.domain.effects import WAKE_PARTS, Millis, Pending
from consent_engine.domain.grammar import usable_code
from consent_engine.domain.hashing import mac
from consent_engine.domain.inbox import Gathered, Message, UnreadReply
from consent_engine.domain.line.holder import HolderEvent, holder_since
from consent_engine.domain.line.proof_code import FIELD as CODE
from consent_engine.domain.line.proof_code import ProofCode
from consent_engine.domain.line.restriction import Kind, Restriction, names_barring
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.order.event import chain
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord


class Entry(Row, frozen=True):
    """One order in short, as replies are matched with it.

    until: 0 while open; then until when a reply may still mean it
    """

    order: str
    carrier: str
    plan: str
    code: str
    sub: str
    until: Millis

    @property
    def is_open(self) -> bool:
        """Whether the order has not settled."""
        return self.until == 0

    def remembered(self, now: Millis) -> bool:
        """Whether a reply received at `now` may mean this order."""
        return self.is_open or now <= self.until

    @classmethod
    def of(cls, order: Order) -> "Entry":
        """Return the entry of an order as it stands."""
        doc = order.doc
        until = doc.policy.remembered_until(order.settled_at) if order.state.settled else 0
        return cls(doc.id, doc.carrier, doc.plan, doc.code, doc.sub, until)


def as_sealed(entries: Sequence[Entry], orders: Mapping[str, Order]) -> tuple[Entry, ...]:
    """Return a line's entries, made anew from those of its orders that are given. No seal covers an entry: so a code
    or a carrier that was changed there makes no reply mean another order.
    """
    return tuple(Entry.of(orders[each.order]) if each.order in orders else each for each in entries)


class CallEntry(Row, frozen=True):
    """A call to the number, in short: the facts by which it and the other calls of the day are judged.

    refusal: 1 where it is kept only for an order that was refused at the door; 2 where it came from another number than
    the carrier's, too: the same request with the number corrected describes it again · permitted: since when the permit
    that it names is valid; 0: it names none that we gave
    """

    call: str
    at: Millis
    carrier: str
    refusal: int = 0
    permitted: Millis = 0

    @property
    def counts(self) -> bool:
        """Whether it counts among the calls of its day."""
        return self.refusal <= 1

    @property
    def place(self) -> tuple[Millis, str]:
        """Its place among the calls to the number: the same in any order of reports."""
        return self.at, self.call


class Unread(Struct, frozen=True):
    """A message in the line's inbox. `key` names it for ever.

    at: its place among all records of the line, which is when it came unless the store's clock went back · barred: the
    names of the restrictions that stood on the line when it reached us
    """

    at: Millis
    key: str
    body: Message
    barred: tuple[str, ...] = ()

    @property
    def came(self) -> Millis:
        """When it reached us by the store's clock, even where that had gone back."""
        came = self.body.came if isinstance(self.body, UnreadReply) else UNSET
        return self.at if came is UNSET else came

    def was_barred(self, carrier: str) -> bool:
        """Whether a restriction stood against `carrier` when it reached us: then it is no consent."""
        return bool(self.barred) and not frozenset(self.barred).isdisjoint(names_barring(carrier))


Entry.rows = Rows(Entry, least=5, named=1)
CallEntry.rows = Rows(CallEntry, least=2, named=1)


NAMED_FOR_MS = 400 * 86_400_000
"""How long a line names a report: longer than the year of any ledger."""
MOST_NAMED = 500
"""The most reports that a line names, the newest; all rewarded ones stay beside them, however many others follow."""


class ReportedCall(Row, frozen=True):
    """A report, in short.

    at: when it reached the store · called_at: when the call was · carrier: the one it is about · call: our call that it
    is about, '' where none is known · granted_at: when its reward was granted; 0: it was not
    """

    report: str
    at: Millis
    called_at: Millis
    carrier: str
    call: str = ""
    granted_at: Millis = 0

    @property
    def until(self) -> Millis:
        """Until when the line names the report: the period begins anew when its reward is granted."""
        return max(self.at, self.granted_at) + NAMED_FOR_MS

    @property
    def field(self) -> str:
        return f"q:{self.report}"


ReportedCall.rows = Rows(ReportedCall, least=3, named=1)


REMEMBER_MESSAGES_MS = 30 * 24 * 3_600_000
"""How long a message's dedupe key is kept: longer than any gateway repeats a message (the longest seen is a day)."""

CALLS_KNOWN_MS = 3 * DAY_MS
"""How long a line names a call: longer than any day lasts, and longer than a call stays before it is archived."""
MOST_CALLS = 50
"""The most calls of one day that a line names, the earliest: as many as may be allowed in a day."""

STRANGER_MS = REMEMBER_MESSAGES_MS
"""How long a line without orders and restrictions is kept after its last message."""


def keyed(secret: str, kind: str, *parts: str) -> str:
    """Return a keyed hash, 24 hex digits. Without the secret no one can find the number or key it came from."""
    text = "\n".join((kind, *parts)).encode("utf-8", "surrogatepass")
    return mac(secret.encode(), text).hex()[:24]


def line_id(secret: str, msisdn: Msisdn) -> str:
    """Return the line's id: the number's slot (4 hex digits), then a keyed hash of the number."""
    return f"{slot(msisdn):04x}{keyed(secret, 'line', msisdn)}"


def order_id(secret: str, msisdn: Msisdn, api_key: str, idempotency_key: str) -> str:
    """Return an order's id: number's slot, then a hash of API key and idempotency key. One request is one order."""
    return f"{slot(msisdn):04x}{keyed(secret, 'order', api_key, idempotency_key)}"


def request_key(order: str) -> str:
    """Return the part of an order's id that names its request, for any number: the hash of the two keys."""
    return order[4:]


class Line(Struct, frozen=True):
    """A number as it stands at one version; version 0 when nothing is known of it."""

    id: str
    version: int
    msisdn: str
    entries: tuple[Entry, ...]
    restrictions: tuple[Restriction, ...]
    effects: Mapping[str, Pending]
    answered: Mapping[str, Millis] = field(default_factory=dict)
    """purpose -> when we last answered a message that no order answers"""
    seen: Millis = 0
    """The newest instant known on this line: no later record is ordered before it, whatever the clock does. No effect
    is due by it."""
    aged: tuple[str, ...] = ()
    """Fields that may go: dedupe keys past their age, restrictions that are over, calls and reports of long ago."""
    gathered: Mapping[str, Gathered] = field(default_factory=dict)
    """Replies of which only parts have come, or had until lately."""
    reports: Mapping[str, str] = field(default_factory=dict)
    """SMS of several parts -> the reports on them, as kept."""
    calls: tuple[CallEntry, ...] = ()
    """Calls to the number in the last days, the newest first."""
    history: tuple[HolderEvent, ...] = ()
    """Changes of the number's holder, carrier or service."""
    publics: tuple[str, ...] = ()
    """the links of the history's chain, as kept"""
    seal: str = ""
    """the seal of that chain, as kept"""
    reported: tuple[ReportedCall, ...] = ()
    """Reports that the number made about calls: those that were rewarded first, then the newest."""
    code: ProofCode | None = None
    """the code that proves its reporter's number"""
    ended: tuple[Restriction, ...] = ()
    """Restrictions that ended in the last days: a call reported later is judged by those in force when it began."""
    heard: tuple[str, ...] = ()
    """The keys by which repeated messages are known."""

    @property
    def head(self) -> str:
        """The head of its chain; '' where the number has no history."""
        return chain("", self.publics) if self.publics else ""

    def holder_since(self, carrier: str) -> Millis:
        """Return since when the number is its holder's, and this carrier's; 0: since before anything is known of it."""
        return holder_since(self.history, carrier) if self.history else 0

    def with_event(self, event: HolderEvent) -> "Line":
        return replace(self, history=(*self.history, event), publics=(*self.publics, event.encode()))

    def restriction(self, carrier: str | None, plan: str | None = None) -> Restriction | None:
        """Return the restriction that bars `carrier` (None: any) from calls about `plan`: the gravest and oldest."""
        if not self.restrictions:  # nearly every line has none
            return None
        found = (r for r in self.restrictions if r.bars(carrier, plan))
        return min(found, key=lambda r: r.rank, default=None)

    def refusal(self, carrier: str, plan: str | None = None) -> Restriction | None:
        """Return the refusal that forbids `carrier` to call this number, about `plan`."""
        found = self.restriction(carrier, plan)
        return found if found is not None and found.kind is Kind.REFUSED else None

    def calls_of_day(self, at: Millis, days: Days = CHINA) -> list[CallEntry]:
        """Return the calls that count on the day of an instant, the oldest first."""
        return [each for each in reversed(self.calls) if each.counts and days.same(each.at, at)]

    def with_call(self, entry: CallEntry) -> "Line":
        """Return the line with a call, in the place of its earlier entry."""
        others = [each for each in self.calls if each.call != entry.call]
        return replace(self, calls=tuple(sorted([*others, entry], key=lambda each: each.place, reverse=True)))

    def named(self, name: str) -> Restriction | None:
        """Return the standing restriction with this name; None where there is none."""
        return next((r for r in self.restrictions if r.name == name), None) if self.restrictions else None

    def barring(self, carrier: str, plan: str, order: str) -> list[Restriction]:
        """Return what bars the activation of an order."""
        names = names_barring(carrier, plan, order) if self.restrictions else ()
        return [each for each in map(self.named, names) if each]

    @property
    def awaited(self) -> int:
        """How many replies wait for parts that are still to come."""
        return sum(not known.done for known in self.gathered.values())

    @classmethod
    def decode(cls, line: str, fields: Mapping[str, str], now: Millis) -> "Line":
        """Read a line from the fields of its record (none at all: a number never seen). Raises BrokenRecord."""
        # Most numbers are unknown when a plan is sold to them.
        return cls._read(line, fields, now) if fields else cls(line, 0, "", (), (), {})

    @classmethod
    def _read(cls, line: str, fields: Mapping[str, str], now: Millis) -> "Line":
        of: dict[str, dict[str, str]] = defaultdict(dict)
        for name, kept in fields.items():
            kind, _, rest = name.partition(":")
            of[kind][rest] = kept
        try:
            entries = tuple([Entry.decode(*each) for each in of["o"].items()])
            restrictions = [Restriction.decode(*each) for each in of["r"].items()]
            effects = {effect: Pending.decode(kept) for effect, kept in of["f"].items()}
            answered = {purpose: int(at) for purpose, at in of["a"].items()}
            aged = [f"m:{key}" for key, at in of["m"].items() if int(at) < now - REMEMBER_MESSAGES_MS]
            parts = of["p"].items() if WAKE_PARTS in effects else ()  # its timer stands as long as any of them does
            gathered = {name: Gathered.decode(kept) for name, kept in parts}
            calls = [CallEntry.decode(*each) for each in of["c"].items()]
            reported = [ReportedCall.decode(*each) for each in of["q"].items()]
            past = _past_of(fields)
            code = ProofCode.decode(fields[CODE]) if CODE in fields else None
            version, seen = int(fields.get("v", "0")), int(fields.get("seen", "0"))
        except (ValueError, TypeError) as error:
            raise BrokenRecord(f"line record cannot be read: {type(error).__name__}") from error
        calls.sort(key=lambda each: each.place, reverse=True)
        reported.sort(key=lambda each: (not each.granted_at, -each.at, each.report))
        ended = tuple([each for each in restrictions if each.is_over(now)])
        over = [f"r:{each.name}" for each in ended if each.is_over(now - CALLS_KNOWN_MS)]
        standing = tuple([each for each in restrictions if not each.is_over(now)])
        return cls(
            line, version, fields.get("msisdn", ""), entries, standing, effects, answered, seen,
            (*aged, *over, *_gone(calls, now), *_forgotten(reported, now))[:_MOST_AGED],
            gathered, of["d"], tuple(calls), *past, tuple(reported), code, ended, tuple(of["m"]),
        )  # fmt: skip


def _past_of(fields: Mapping[str, str]) -> tuple[tuple[HolderEvent, ...], tuple[str, ...], str]:
    """Return a line's events, the links of their chain, and its seal; nearly every line has none. Raises ValueError."""
    publics: list[str] = []
    while (public := fields.get(f"e{len(publics)}")) is not None:
        publics.append(public)
    return tuple(map(HolderEvent.decode, publics)), tuple(publics), fields.get("mac", "")


def _forgotten(reported: Sequence[ReportedCall], now: Millis) -> list[str]:
    """Return the fields of reports that need not be named any more."""
    rewarded = sum(bool(each.granted_at) for each in reported)
    return [each.field for n, each in enumerate(reported) if n >= rewarded + MOST_NAMED or each.until < now]


def _gone(calls: Sequence[CallEntry], now: Millis) -> list[str]:
    """Return the fields of calls that need not be named any more."""
    return [f"c:{each.call}" for each in calls if each.at < now - CALLS_KNOWN_MS]


_MOST_AGED = 50


def free_code(
    entries: Sequence[Entry], now: Millis, seed: str, open_texts: Sequence[str] = (), figures: Set[str] = frozenset()
) -> str:
    """Return three digits, first 2-9, that no remembered order of the line has and that stand in no text open for it.

    seed: hex, makes it unpredictable · figures: numbers in a later question; one of them only where nothing else is
    left. Raises BrokenRecord when none is left.
    """
    spare = ""
    in_use = {entry.code for entry in entries if entry.remembered(now)}
    start = int(seed, 16) % 800
    for step in range(800):
        code = str(200 + (start + step) % 800)
        if code not in in_use and usable_code(code, open_texts):
            if code not in figures:
                return code
            spare = spare or code
    if not spare:
        raise BrokenRecord("no code is left on this line")
    return spare
