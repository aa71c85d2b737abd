"""Reading a line's inbox: what each message means, in the order in which they reached us, and what follows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consent_engine.domain.correlate import Meaning, correlate, remembered
from consent_engine.domain.decide import decide
from consent_engine.domain.decision import Drop, Put, clarified
from consent_engine.domain.effects import Millis, Pending, Purpose, is_sms, sms_effect
from consent_engine.domain.event import compact
from consent_engine.domain.facts import CancelAsked, Fact, Replied, Reported, Rule
from consent_engine.domain.keywords import Keyword, read
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line import Entry, Line, Unread
from consent_engine.domain.order import MOST_EVENTS, Order
from consent_engine.domain.replies import was_started, which_asked
from consent_engine.domain.sms import Delivery
from consent_engine.errors import BrokenRecord, IllegalTransition, StoreUnavailable
from consent_engine.ports import Commit, Held, Leased, LineChange, Owner, Word
from consent_engine.recording import MOST_RACES, commit_of, told, wakes_of
from consent_engine.rounds import Loaded, Step, load, save

log = logging.getLogger(__name__)
MOST_SETTLED = 20
"""How many settled orders of a line are looked at; open ones are never left out."""
ANSWER_AGAIN_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message asks for: facts about orders, SMS of the line's own, or nothing (then `unmatched` says why)."""

    facts: tuple[tuple[str, Fact], ...] = ()
    put: tuple[Put, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[tuple[str, Drop], ...] = ()
    unmatched: str = ""


def reading(leased: Leased, max_attempts: int) -> Step[int]:
    """Read what a leased line has unread; the number of messages that were consumed by us."""
    line = leased.line
    if line is None:
        raise BrokenRecord("a read without a line")
    held = Held(Owner.LINE, leased.effect, leased.token)
    if not leased.unread:  # consumed by somebody whose lease we were given: nothing is left to do
        yield from save(Commit("", line=LineChange(line.id, drop=((leased.effect, Drop.ANYWAY),)), held=held))
        return 0
    poisoned = leased.lost and leased.token > max_attempts
    loaded: Loaded | None = Loaded(leased.at, {}, {line.id: line})
    for n, message in enumerate(leased.unread):
        behind = leased.unread[n + 1 :]
        ours = yield from _one(loaded, line.id, message, behind, held, poisoned=poisoned and n == 0)
        if not ours:
            return n
        loaded = None
    return len(leased.unread)


def _one(
    loaded: Loaded | None, line_id: str, message: Unread, behind: Sequence[Unread], held: Held,
    *, poisoned: bool,
) -> Step[bool]:  # fmt: skip
    """Read one message; False when the line is no longer ours."""
    for _ in range(MOST_RACES):
        if loaded is None:
            loaded = yield from load(lines=[line_id])
        now, line = loaded.now, loaded.line(line_id)
        wanted = [] if poisoned else _wanted(line, message)
        orders: Mapping[str, Order] = (yield from load(wanted)).orders if wanted else {}
        waits = any(m.body["kind"] == "reply" for m in behind)
        meant = Reading(unmatched="lost_reader") if poisoned else _read(line, orders, message, waits=waits)
        word = yield from _save(line, orders, message, meant, held, now, release=not behind)
        if word is Word.OK:
            return True
        if word in {Word.LOST, Word.FRONT}:
            return False
        loaded = None
    raise StoreUnavailable("too many others change this line")


def _save(
    line: Line, orders: Mapping[str, Order], message: Unread, meant: Reading, held: Held, now: Millis, *, release: bool
) -> Step[Word]:
    """Commit order by order; the last commit consumes the message. A repeat finds what was done by its op."""
    try:
        decided = [(orders[o], fact, decide(orders[o], fact, now)) for o, fact in meant.facts if o in orders]
    except (BrokenRecord, IllegalTransition) as error:
        log.error("line %s: a message cannot be decided: %s", line.id, type(error).__name__)
        decided, meant = [], Reading(unmatched="undecidable")
    todo = [row for row in decided if not row[2].is_void]
    fields = {**dict.fromkeys(line.aged, ""), **meant.fields}
    for n, (order, fact, decision) in enumerate(todo):
        last = n == len(todo) - 1
        change = LineChange(line.id, line.version + n)
        if last:
            change = LineChange(line.id, line.version + n, fields, meant.put, meant.drop, message.key, release)
        commit, _ = commit_of(order, decision, fact.op, now, held, change)
        word = yield from save(commit)
        if word is not Word.OK:
            return word
        told(order, decision)
    if todo:
        return Word.OK
    entries = [_kept(line, message, meant.unmatched)] if meant.unmatched else []
    change = LineChange(line.id, line.version, fields, meant.put, meant.drop, message.key, release)
    return (yield from save(Commit("", None, change, held, None, entries, wakes_of(meant.put, now))))


def _kept(line: Line, message: Unread, why: str) -> str:
    """A message that answered nothing, as the stream keeps it (evidence: it holds the person's words)."""
    return compact({"why": why, "line": line.id, "at": message.at, "key": message.key, "message": message.body})


def _wanted(line: Line, message: Unread) -> list[str]:
    """The orders that must be seen to understand a message."""
    body = message.body
    if body["kind"] == "report":
        return [str(body["owner"])] if body["owner"] != line.id else []
    entries = remembered(line.entries, str(body["carriers"]).split(), message.at)
    settled = [entry for entry in entries if not entry.is_open]
    return [entry.order for entry in (*settled[-MOST_SETTLED:], *(e for e in entries if e.is_open))]


def _read(line: Line, orders: Mapping[str, Order], message: Unread, *, waits: bool) -> Reading:
    """Say what a message asks for."""
    match message.body["kind"]:
        case "reply":
            return _reply(line, orders, message)
        case "refusal":
            return _refusal(line, orders, message)
        case _:
            return _report(line, orders, message, waits=waits)


def _reply(line: Line, orders: Mapping[str, Order], message: Unread) -> Reading:
    body = message.body
    text = str(body["text"])
    keyword, code = read(text)
    carriers = str(body["carriers"]).split()
    entries = _older(remembered(line.entries, carriers, message.at), orders, message)
    meaning = correlate(
        keyword, code, str(body["sub"]), entries,
        was_started=lambda order: was_started(orders[order]),
        which_asked=lambda order: which_asked(orders[order], message.key),
    )  # fmt: skip
    room = tuple(o for o in meaning.orders if len(orders[o].events) < MOST_EVENTS or meaning.keyword in _MOVING)
    if not room and keyword is Keyword.STOP:
        room = _active(entries, orders)
    if not room:
        return _nothing_asked(line, message, keyword, "too_many" if meaning.orders else "nothing_asked")
    if keyword is Keyword.HELP:
        room = room[-1:]
    ambiguous = meaning.rule is Rule.AMBIGUOUS and keyword is not Keyword.HELP
    ask = ambiguous and _may_ask(meaning.keyword, [orders[o] for o in room], message)
    # One SMS answers a message, not one an order; read again after a crash, it was answered by the first commit.
    first = None if any(orders[o].knows(message.key) for o in orders) else room[0]
    facts = tuple((o, _replied(meaning, message, answer=ask if ambiguous else o == first)) for o in room)
    # Whoever has answered is not asked any more.
    drop = () if ambiguous else tuple((effect, Drop.ANYWAY) for effect in line.effects if effect.startswith(_ASKING))
    return Reading(facts, (_which_one(line, orders, room),) if ask else (), drop=drop)


_ASKING = (f"sms.{Purpose.CLARIFICATION}.", f"sms.{Purpose.HELP}.")


def _older(entries: Sequence[Entry], orders: Mapping[str, Order], message: Unread) -> list[Entry]:
    """A message cannot mean an order that is younger than itself."""
    return [e for e in entries if e.order in orders and orders[e.order].doc.placed_at <= message.at]


_MOVING = frozenset({Keyword.YES, Keyword.NO, Keyword.STOP})


def _may_ask(keyword: Keyword, candidates: Sequence[Order], message: Unread) -> bool:
    """Which one? Once for an answer that fits several, once for words that are none; not before anything was asked."""
    if not any(order.asked_at or was_started(order) for order in candidates):
        return False
    if keyword is Keyword.UNKNOWN:
        return not any(clarified(order, message.key) for order in candidates)
    return not any(which_asked(order, message.key) for order in candidates)


def _replied(meaning: Meaning, message: Unread, *, answer: bool) -> Replied:
    body = message.body
    written = body.get("written_at")
    return Replied(
        op=message.key,
        at=message.at,
        keyword=meaning.keyword,
        rule=meaning.rule,
        candidates=meaning.candidates,
        gateway=str(body["gateway"]),
        ref=str(body["id"]),
        text=str(body["text"]),
        msisdn=str(body["from"]),
        to=str(body["to"]),
        written_at=int(written) if written is not None else None,
        answer=answer,
    )


def _which_one(line: Line, orders: Mapping[str, Order], candidates: tuple[str, ...]) -> Put:
    """Ask once which order was meant, listing codes."""
    docs = [orders[o].doc for o in candidates]
    about = (docs[0].carrier, *(f"{doc.code} {doc.plan_name}" for doc in docs))
    return Put(sms_effect(Purpose.CLARIFICATION, line.version), 0, Pending(about=about))


def _active(entries: Sequence[Entry], orders: Mapping[str, Order]) -> tuple[str, ...]:
    """The newest order whose service is on: a STOP that comes after it is told how to end that."""
    return tuple(e.order for e in entries if orders[e.order].state is State.NOTIFIED)[-1:]


def _nothing_asked(line: Line, message: Unread, keyword: Keyword, why: str) -> Reading:
    """STOP and HELP are answered even when nothing was asked, at most once an hour; all else is kept, unanswered."""
    purpose = {Keyword.STOP: Purpose.OPTED_OUT, Keyword.HELP: Purpose.HELP}.get(keyword)
    if purpose is None or message.at - line.answered.get(purpose, 0) < ANSWER_AGAIN_MS:
        return Reading(unmatched=why)
    carriers = str(message.body["carriers"]).split()
    put = Put(sms_effect(purpose, line.version), 0, Pending(about=tuple(carriers[:1])))
    return Reading(put=(put,), fields={f"a:{purpose}": str(message.at)}, unmatched=why)


def _refusal(line: Line, orders: Mapping[str, Order], message: Unread) -> Reading:
    body = message.body
    entries = _older(remembered(line.entries, str(body["carriers"]).split(), message.at), orders, message)
    drop = tuple((effect, Drop.ANYWAY) for effect in line.effects if effect.startswith(_ASKING))
    fact = CancelAsked(message.key, str(body["by"]), "refused", str(body["door"]))
    return Reading(tuple((entry.order, fact) for entry in entries if entry.is_open), drop=drop)


def _report(line: Line, orders: Mapping[str, Order], message: Unread, *, waits: bool) -> Reading:
    body = message.body
    effect, status = str(body["effect"]), Delivery(str(body["status"]))
    if not is_sms(effect):
        return Reading(unmatched="no_such_sms")
    order = orders.get(str(body["owner"]))
    if order is None:
        settles = effect in line.effects and status is not Delivery.FAILED
        return Reading(drop=((effect, Drop.ANYWAY),) if settles else (), unmatched="" if settles else "no_such_sms")
    if len(order.events) >= MOST_EVENTS:
        return Reading(unmatched="too_many")
    fact = Reported(
        op=message.key,
        at=message.at,
        gateway=str(body["gateway"]),
        effect=effect,
        message_id=str(body["id"]),
        status=status,
        segment=int(str(body["segment"])),
        segments=int(str(body["segments"])),
        error=str(body["error"]),
        waits=waits,
    )
    return Reading(((order.id, fact),))
