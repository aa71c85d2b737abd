"""Suspicions: replies that may be a refusal. People list and decide them; after a day undecided they are refusals."""

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from consent_engine.domain.call.call import Call
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import WAKE_UNDECIDED, Millis
from consent_engine.domain.grammar import folded
from consent_engine.domain.inbox import UnreadClearance, UnreadRefusal, encode_message
from consent_engine.domain.line.line import Line, keyed
from consent_engine.domain.line.restriction import EVERY_CARRIER, SUSPICION_LASTS_MS, Kind, Restriction, name_of
from consent_engine.domain.msisdn import contains_number, hidden
from consent_engine.engine.recall import changing
from consent_engine.engine.round_trips import Step, load, load_of, post, saving
from consent_engine.errors import FieldError, Malformed
from consent_engine.ports import Change, Commit, Leased, Posted
from consent_engine.ports.queries import StandingRestriction

_PREFIX = name_of(Kind.SUSPECTED, "")
BY_ENGINE = "engine"
PAGE, MOST_GROUPED = 500, 5_000
ID = r"[0-9a-f]{28}\.(\*|[a-z]{1,20})(/[0-9a-f]{28})?\.[0-9]{1,15}"
"""The form of an id: line, carrier (and the order, where it is about that alone), newest act of the suspicion."""


@dataclass(frozen=True, slots=True)
class HeldText:
    """A suspicion as a person sees it: without any number, also in its text.

    id: names it as it was seen · group: the same for the same words
    """

    id: str
    carrier: str
    reason: str
    text: str
    group: str
    since: Millis
    until: Millis


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Suspicions with the same words, newest first, to be decided at once. since, until: of the oldest."""

    group: str
    reason: str
    text: str
    ids: tuple[str, ...]
    since: Millis
    until: Millis


@dataclass(frozen=True, slots=True)
class Decided:
    """Counts of suspicions: decided; gone, or changed since they were seen; or of the decider's own call."""

    decided: int
    gone: int
    own_call: int


def held_of(secret: str, standing: Sequence[StandingRestriction]) -> list[HeldText]:
    """Return the suspicions of a list as a person sees them."""
    return [_held(secret, each.line, each.restriction, hidden(each.restriction.words)) for each in standing]


def _held(secret: str, line: str, of: Restriction, text: str) -> HeldText:
    return HeldText(
        id=f"{line}.{of.name.removeprefix(_PREFIX)}.{of.newest}", carrier=of.carrier, reason=of.reason, text=text,
        group=keyed(secret, "held", "".join(folded(text).split())), since=of.since,
        until=of.since + SUSPICION_LASTS_MS,
    )  # fmt: skip


def grouped(page: Callable[[str, int], tuple[list[HeldText], str]]) -> tuple[list[HeldGroup], bool]:
    """Group suspicions by their words, the first deadline first; and tell whether more than MOST_GROUPED stand.

    page: as `Engine.held`
    """
    found: dict[str, list[HeldText]] = {}
    cursor = ""
    for _ in range(MOST_GROUPED // PAGE):
        rows, cursor = page(cursor, PAGE)
        for each in rows:
            found.setdefault(each.group, []).append(each)
        if not cursor:
            break
    groups = [
        HeldGroup(name, same[-1].reason, same[-1].text, tuple(each.id for each in same), same[-1].since, same[-1].until)
        for name, same in found.items()
    ]
    return sorted(groups, key=lambda each: (each.until, each.group)), bool(cursor)


@dataclass(frozen=True, slots=True)
class SuspicionId:
    """A parsed id: a suspicion of a line, by its name, and the newest act that it stood for when it was seen."""

    line: str
    name: str
    newest: Millis

    @classmethod
    def read(cls, text: str) -> "SuspicionId":
        """Read an id of a list. Raises Malformed."""
        if not re.fullmatch(ID, text):
            raise Malformed([FieldError("ids", "invalid_id", "take them from the list of what is held, as they are")])
        line, scope, newest = text.split(".")
        return cls(line, f"{_PREFIX}{scope}", int(newest))


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on suspicions: a refusal, or none and the reason. Raises Malformed for an unusable reason."""

    refusal: bool
    by: str
    reason: str
    carriers: tuple[str, ...]
    """every carrier, for a suspicion against all"""
    agent: str = ""
    """the agent's number that is bound to the decider"""
    never_again: bool = False
    """whether a doubtful reply refuses calls, too, as all others do"""

    def __post_init__(self) -> None:
        """Check it. The reason stands in an event, which outlives the erasure of a person."""
        if self.never_again and not self.refusal:
            raise Malformed([FieldError("never_again", "invalid", "only a refusal can be one of calls")])
        if not (self.refusal or self.reason):
            raise Malformed([FieldError("reason", "missing", "must be given: why it was no refusal")])
        if contains_number(self.reason):
            raise Malformed([FieldError("reason", "contains_number", "must not contain a telephone number")])


def deciding(seen: SuspicionId, decision: Decision, now: Millis) -> Step[str]:
    """Decide one suspicion as it was seen: 'decided', 'gone', or 'own_call' (an agent may not judge its own call, nor
    what it sold in another's).
    """
    loaded = yield from load({Line: [seen.line]})
    line = loaded.line(seen.line)
    restriction = line.named(seen.name)
    if restriction is None or restriction.kind is not Kind.SUSPECTED or restriction.newest != seen.newest:
        return "gone"
    orders = (yield from load_of(line, [entry.order for entry in line.entries])).values()
    calls = (yield from load({Call: [order.doc.call_id for order in orders]})).of(Call).values()
    whose = {name for order in orders for name in (order.doc.placed_by, order.doc.agent)}
    whose |= {name for call in calls for name in (call.began.placed_by, call.began.agent)}
    if not whose.isdisjoint({decision.by, decision.agent} - {""}):
        return "own_call"
    stored = yield from post(_decided(line, restriction, decision, now))
    return "gone" if stored.gone else "decided"


def _decided(line: Line, restriction: Restriction, decision: Decision, now: Millis) -> Posted:
    """Return the message that decides: a refusal through the door that it came by, or a clearance. A doubtful reply
    concerns its order alone, with either decision; as a refusal of calls, too, it ends every open order.
    """
    carriers = decision.carriers if restriction.carrier == EVERY_CARRIER else (restriction.carrier,)
    kind = UnreadRefusal if decision.refusal else UnreadClearance
    order = restriction.plan if restriction.plan and not decision.never_again else UNSET
    body = kind(carriers=" ".join(carriers), by=decision.by, door=restriction.door, reason=decision.reason, order=order)
    # The words stay only with their message, and expire there: in an order's history, or among the unmatched messages.
    kept = {
        "line": line.id, "carrier": restriction.name, "by": decision.by, "evidence": decision.reason, "at": now,
        "ref": restriction.ref, "since": restriction.since,
    }  # fmt: skip
    return Posted(
        line.id, "", f"decide-{uuid.uuid4().hex}", encode_message(body),
        makes=(restriction.carrier,) if decision.refusal and order is UNSET else (), door=restriction.door,
        ref=restriction.ref, decides=restriction.name, decided=restriction.newest,
        lifting="" if decision.refusal else compact(kept),
    )  # fmt: skip


def overdue(leased: Leased, carriers: Sequence[str]) -> Step[str]:
    """Make refusals of a line's suspicions that are undecided after their day; drop the timer, or set it to the next.
    Raises BrokenRecord for a timer of another record.
    """
    line = leased.of(Line)
    decision = Decision(refusal=True, by=BY_ENGINE, reason="undecided", carriers=tuple(carriers))
    for suspicion in _suspicions(line):
        if suspicion.since + SUSPICION_LASTS_MS <= leased.at:
            yield from post(_decided(line, suspicion, decision, leased.at))

    def timed(line: Line, _: Millis) -> Step[None]:
        # A suspicion that came meanwhile set no timer, as this one stood: it is dropped only when no suspicion is left.
        due = min((each.since + SUSPICION_LASTS_MS for each in _suspicions(line)), default=None)
        put = () if due is None else (Put(WAKE_UNDECIDED, due),)
        drop = ((leased.effect, Drop.ANYWAY),) if due is None else ()
        change = Change.of(line, put=put, drop=drop)
        yield from saving(Commit("", (change,), leased.held))

    yield from changing(Line, line.id, timed)
    return "performed"


def _suspicions(line: Line) -> Iterator[Restriction]:
    return (each for each in line.restrictions if each.kind is Kind.SUSPECTED)
