"""Line: one number. The orders asked of it, its refusals, its own pending effects, its unread messages."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from msgspec import Struct, field
from msgspec.structs import replace

from consent_engine.domain.days import CHINA, DAY_MS, Days
from consent_engine.domain.effects import WAKE_PARTS, Millis, Pending
from consent_engine.domain.grammar import usable_code
from consent_engine.domain.hashing import mac
from consent_engine.domain.inbox.parts import Gathered
from consent_engine.domain.line.entries import Called, Entry
from consent_engine.domain.line.holder import Happened, holder_since
from consent_engine.domain.line.proof_code import FIELD as CODE
from consent_engine.domain.line.proof_code import ProofCode
from consent_engine.domain.line.reported import MOST_NAMED, Reported
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.order.event import chain
from consent_engine.errors import BrokenRecord

REMEMBER_MESSAGES_MS = 30 * 24 * 3_600_000
"""How long a message's dedupe key is kept: longer than any gateway repeats itself (the longest seen is a day)."""

CALLS_KNOWN_MS = 3 * DAY_MS
"""How long a line names a call: longer than any day lasts, and than a call stays before it is archived."""
MOST_CALLS = 50
"""How many calls a line names, the newest."""

STRANGER_MS = REMEMBER_MESSAGES_MS
"""How long a line is kept that no order and no restriction stands on, after the last word from it."""


def keyed(secret: str, kind: str, *parts: str) -> str:
    """A keyed hash, 24 hex digits. Without the secret nobody can tell which number or key it came from."""
    text = "\n".join((kind, *parts)).encode("utf-8", "surrogatepass")
    return mac(secret.encode(), text).hex()[:24]


def line_id(secret: str, msisdn: Msisdn) -> str:
    """The line's id: the number's slot (4 hex digits), then a keyed hash of the number."""
    return f"{slot(msisdn):04x}{keyed(secret, 'line', msisdn)}"


def order_id(secret: str, msisdn: Msisdn, api_key: str, idempotency_key: str) -> str:
    """The order's id: the number's slot, then a hash of who asks and under which key. One request is one order."""
    return f"{slot(msisdn):04x}{keyed(secret, 'order', api_key, idempotency_key)}"


def request_key(order: str) -> str:
    """What an order's id says of its request: the hash of who asked and under which key, for any number."""
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
    """The newest instant known on this line: what comes after it is ordered by none that is older, whatever the clock
    does. Nothing is due by it."""
    aged: tuple[str, ...] = ()
    """Fields that may go: dedupe keys past their age, restrictions whose time is over, calls of long ago."""
    gathered: Mapping[str, Gathered] = field(default_factory=dict)
    """Replies of which only parts came, or did lately."""
    reports: Mapping[str, str] = field(default_factory=dict)
    """SMS of several parts -> what was reported of them, as kept."""
    calls: tuple[Called, ...] = ()
    """Calls to the number of the last days, the newest first."""
    history: tuple[Happened, ...] = ()
    """What became of the number."""
    publics: tuple[str, ...] = ()
    """the links of its chain as kept"""
    seal: str = ""
    """of the chain, as kept"""
    reported: tuple[Reported, ...] = ()
    """Reports of calls that were made from the number, the newest first."""
    code: ProofCode | None = None
    """what proves its reporter's number"""

    @property
    def head(self) -> str:
        """The head of its chain; '' where nothing became of the number."""
        return chain("", self.publics) if self.publics else ""

    def holder_since(self, carrier: str) -> Millis:
        """Since when the number is its holder's, and this carrier's; 0: since before anything is known of it."""
        return holder_since(self.history, carrier) if self.history else 0

    def with_event(self, happened: Happened) -> "Line":
        """The line after an event."""
        return replace(self, history=(*self.history, happened), publics=(*self.publics, happened.kept()))

    def restriction(self, carrier: str | None, plan: str | None = None) -> Restriction | None:
        """What forbids `carrier` (None: any) to call this number, about `plan`; the gravest, the oldest first."""
        if not self.restrictions:  # as on nearly all
            return None
        found = (r for r in self.restrictions if r.bars(carrier, plan))
        return min(found, key=lambda r: r.rank, default=None)

    def refusal(self, carrier: str, plan: str | None = None) -> Restriction | None:
        """The refusal that forbids `carrier` to call this number, about `plan`."""
        found = self.restriction(carrier, plan)
        return found if found is not None and found.kind is Kind.REFUSED else None

    def calls_before(self, at: Millis, days: Days = CHINA) -> list[Millis]:
        """When the calls to the number began that began on the day of an instant, before it, the oldest first."""
        return [
            each.at for each in reversed(self.calls) if each.at <= at and not each.refusal and days.same(each.at, at)
        ]

    def named(self, name: str) -> Restriction | None:
        """The restriction of a name, where it stands."""
        return next((r for r in self.restrictions if r.name == name), None) if self.restrictions else None

    @classmethod
    def read(cls, line: str, fields: Mapping[str, str], now: Millis) -> "Line":
        """A line from the fields of its record (none at all: a number never seen). Raises BrokenRecord."""
        # As most, when they are sold something.
        return cls._read(line, fields, now) if fields else cls(line, 0, "", (), (), {})

    @classmethod
    def _read(cls, line: str, fields: Mapping[str, str], now: Millis) -> "Line":
        of: dict[str, dict[str, str]] = defaultdict(dict)
        for name, kept in fields.items():
            kind, _, rest = name.partition(":")
            of[kind][rest] = kept
        try:
            entries = tuple([Entry.read(*each) for each in of["o"].items()])
            restrictions = [Restriction.read(*each) for each in of["r"].items()]
            effects = {effect: Pending.read(kept) for effect, kept in of["f"].items()}
            answered = {purpose: int(at) for purpose, at in of["a"].items()}
            aged = [f"m:{key}" for key, at in of["m"].items() if int(at) < now - REMEMBER_MESSAGES_MS]
            parts = of["p"].items() if WAKE_PARTS in effects else ()  # a timer stands as long as any of them does
            gathered = {name: Gathered.read(kept) for name, kept in parts}
            calls = [Called.read(*each) for each in of["c"].items()]
            told = [Reported.read(*each) for each in of["q"].items()]
            past = _past_of(fields)
            code = ProofCode.read(fields[CODE]) if CODE in fields else None
            version, seen = int(fields.get("v", "0")), int(fields.get("seen", "0"))
        except (ValueError, TypeError) as error:
            raise BrokenRecord(f"line record cannot be read: {type(error).__name__}") from error
        calls.sort(key=lambda each: (-each.at, each.call))
        told.sort(key=lambda each: (not each.granted_at, -each.at, each.report))
        over = [f"r:{each.name}" for each in restrictions if each.is_over(now)]
        standing = tuple([each for each in restrictions if not each.is_over(now)])
        return cls(
            line, version, fields.get("msisdn", ""), entries, standing, effects, answered, seen,
            (*aged, *over, *_gone(calls, now), *_forgotten(told, now))[:_MOST_AGED],
            gathered, of["d"], tuple(calls[:MOST_CALLS]), *past, tuple(told), code,
        )  # fmt: skip


def _past_of(fields: Mapping[str, str]) -> tuple[tuple[Happened, ...], tuple[str, ...], str]:
    """What became of a number, the links of that chain, and its seal; of nearly every line nothing is known. Raises
    ValueError.
    """
    publics: list[str] = []
    while (public := fields.get(f"e{len(publics)}")) is not None:
        publics.append(public)
    return tuple(map(Happened.read, publics)), tuple(publics), fields.get("mac", "")


def _forgotten(told: Sequence[Reported], now: Millis) -> list[str]:
    """The fields of reports that need not be named any more."""
    rewarded = sum(bool(each.granted_at) for each in told)
    return [each.field for n, each in enumerate(told) if n >= rewarded + MOST_NAMED or each.until < now]


def _gone(calls: Sequence[Called], now: Millis) -> list[str]:
    """The fields of calls that need not be named any more."""
    return [f"c:{each.call}" for n, each in enumerate(calls) if n >= MOST_CALLS or each.at < now - CALLS_KNOWN_MS]


_MOST_AGED = 50


def free_code(
    entries: Sequence[Entry], now: Millis, seed: str, open_texts: Sequence[str] = (), figures: Set[str] = frozenset()
) -> str:
    """Three digits, first 2-9, that no remembered order of the line has and that stand in no text open for it.

    seed: hex, makes it unpredictable · figures: what a later question may say; one of them where nothing else is left.
    Raises BrokenRecord when none is left.
    """
    spare = ""
    taken = {entry.code for entry in entries if entry.remembered(now)}
    start = int(seed, 16) % 800
    for step in range(800):
        code = str(200 + (start + step) % 800)
        if code not in taken and usable_code(code, open_texts):
            if code not in figures:
                return code
            spare = spare or code
    if not spare:
        raise BrokenRecord("no code is left on this line")
    return spare
