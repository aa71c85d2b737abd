"""The meaning of a message in a line's inbox: facts about orders, SMS of the line's own, or nothing; and of
one whose readers all died, of which the refusal counts unread and the rest waits for a person.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from consent_engine.domain.decide.decision import Drop, Put, parking
from consent_engine.domain.decide.on_reply import to_be_held
from consent_engine.domain.effects import WAKE_ASIDE, WAKE_UNDECIDED, Millis, Pending
from consent_engine.domain.grammar import Keyword, Read, Reason, counted, doubt_of, takes_back, usable_code
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.inbox import (
    UnreadClearance,
    UnreadRefusal,
    UnreadRegistration,
    UnreadReply,
    UnreadReport,
    decode_message,
    encode_message,
)
from consent_engine.domain.interpret.correlate import TOO_MANY, Meaning, Reading, correlate, remembered, report
from consent_engine.domain.interpret.withdrawing import (
    ASKING,
    REFUSING,
    answered,
    asking,
    language_of,
    of_the_line,
    registered,
    which_one,
)
from consent_engine.domain.lifecycle import ANSWERABLE, ENGAGED, SETTLED, State, Trigger, allows, sources
from consent_engine.domain.line.line import Entry, Line, Unread
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS, Kind, Restriction, name_of
from consent_engine.domain.order.details import Unclear
from consent_engine.domain.order.facts import CancelAsked, Fact, Replied, Resumed, Rule
from consent_engine.domain.order.history import ambiguous_before, clarified, early_yes, may_be_asked, which_asked
from consent_engine.domain.order.order import MOST_EVENTS, Order
from consent_engine.domain.order.unlikely_yes import ReplyCadence, Suspicion
from consent_engine.errors import BrokenRecord

MOST_SETTLED = 20
"""The most settled orders of a line that are looked at; open ones are never left out."""
EVER: Millis = 2**53


def wanted(line: Line, message: Unread) -> list[str]:
    """Return the orders that must be loaded to understand a message."""
    body = message.body
    if isinstance(body, UnreadReport):
        return [body.owner] if body.owner != line.id else []
    entries = remembered(line.entries, body.scope, message.came)
    settled = [entry for entry in entries if not entry.is_open]
    return [entry.order for entry in (*settled[-MOST_SETTLED:], *(e for e in entries if e.is_open))]


def understand(
    line: Line, orders: Mapping[str, Order], message: Unread, *, waits: bool, cadence: ReplyCadence | None = None
) -> Reading:
    """Return the facts in a message. cadence: the one that a yes shares with other numbers."""
    match message.body:
        case UnreadReply() as body:
            return _replied_by(line, orders, message, body, cadence)
        case UnreadReport() as body:
            return report(line, orders, message, body, waits=waits)
        case UnreadRefusal(door=door, by=by) as body:
            asked = CancelAsked(message.key, by, "refused", door, limited=body.limited)
            return _to_all_open(line, message, body, asked, () if body.limited else asking(line))
        case UnreadRegistration():
            return Reading()
        case UnreadClearance(by=by, reason=reason, order=order) as body:
            # The door lifted the doubt that was decided: one that stands is of words that were not read by then.
            if order and any(line.named(name_of(Kind.SUSPECTED, each, order)) for each in body.scope):
                return Reading()
            return _to_all_open(line, message, body, Resumed(message.key, by, reason, bool(order)))


def _replied_by(
    line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply, cadence: ReplyCadence | None
) -> Reading:
    """Return the reading of a reply; a yes that a person must look at is held, as a suspected refusal is."""
    said = body.meaning()
    if said.is_doubtful and not _questions(line, orders, message, body):
        said = replace(said, keyword=Keyword.UNKNOWN, reason=None)
    if said.keyword is Keyword.UNKNOWN and not said.code and _wavers(line, orders, message, body):
        said = doubt_of(said)
    if said.keyword is Keyword.NO and _may_take_back(orders, _meaning(line, orders, message, body, said)):
        said = doubt_of(said)
    meant = _reply(line, orders, message, body, said)
    if cadence is not None:
        meant = replace(meant, facts=tuple((o, _in_cadence(fact, cadence)) for o, fact in meant.facts))
    for order, fact in meant.facts:
        seen = to_be_held(orders[order], fact) if isinstance(fact, Replied) else None
        if seen is not None:
            said = replace(said, keyword=Keyword.HOLD, reason=Reason.NO_PERSON)
            held = _reply(line, orders, message, body, said)
            facts = tuple((o, _with(fact, seen if o == order else None)) for o, fact in held.facts)
            return _restricting(line, message, body, replace(held, facts=facts), said)
    if said.is_doubtful:
        return doubting(line, orders, message, body, meant)
    return meant


def _wavers(line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply) -> bool:
    """Whether unclear words may take back the yes of an order whose service is not on yet."""
    meant = [orders[entry.order] for entry in _questions(line, orders, message, body)]
    return any(map(_has_its_yes, meant)) and takes_back(body.text, sent=tuple(order.text for order in meant))


def _has_its_yes(order: Order) -> bool:
    return order.state is State.CONFIRMED or early_yes(order) is not None


def _may_take_back(orders: Mapping[str, Order], meaning: Meaning) -> bool:
    """Whether a no may mean an order that has its yes, and names none for sure. Where the yes is still to come, it is
    enough to ask which one is meant.
    """
    sure = meaning.keyword is Keyword.NO and meaning.rule is not Rule.AMBIGUOUS
    return not sure and any(_has_its_yes(orders[order]) for order in meaning.orders)


def _in_cadence(fact: Fact, cadence: ReplyCadence) -> Fact:
    return replace(fact, cadence=cadence) if isinstance(fact, Replied) else fact


def _with(fact: Fact, seen: Suspicion | None) -> Fact:
    return replace(fact, seen=seen) if isinstance(fact, Replied) else fact


def _meaning(
    line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply, said: Read
) -> Meaning:  # fmt: skip
    """Return the orders that a reply concerns, whether or not their histories have room for it."""
    entries = _concerned(line, orders, message, body, said)
    if len(entries) > 1:
        entries.sort(key=lambda entry: orders[entry.order].asked_at or message.came)
    meaning = correlate(
        counted(said.keyword), said.code, body.sub, entries,
        was_asked=lambda order: may_be_asked(orders[order]),
        which_asked=lambda order: _which_asked(line, orders[order], orders, message),
        doubtful=() if not said.code or usable_code(said.code, _texts(entries, orders)) else (said.code,),
        to_us=len(body.scope) == 1,
    )  # fmt: skip
    begun = ambiguous_before(orders.values(), message.key)
    return _as_begun(begun, orders) if begun is not None else _of_the_only(meaning)


def _concerned(
    line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply, said: Read
) -> list[Entry]:  # fmt: skip
    return _questions(line, orders, message, body) if said.is_doubtful else _meant(line, orders, message, body, said)


def _reply(line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply, said: Read) -> Reading:
    keyword, came = counted(said.keyword), message.came
    spoken = language_of(orders[entry.order] for entry in _meant(line, orders, message, body, said))
    meaning = _meaning(line, orders, message, body, said)
    begun = ambiguous_before(orders.values(), message.key)
    room = tuple(o for o in meaning.orders if _has_room(orders[o], meaning))
    if not room and keyword is Keyword.STOP:
        entries = _concerned(line, orders, message, body, said)
        room = _active(sorted(entries, key=lambda entry: orders[entry.order].asked_at or came), orders)
    if not room:
        return nothing_asked(line, message, body, said, TOO_MANY if meaning.orders else "nothing_asked", spoken)
    if keyword is Keyword.HELP:
        room = room[-1:]
    ambiguous = meaning.rule is Rule.AMBIGUOUS and keyword is not Keyword.HELP
    ask = ambiguous and begun is None and _may_ask(meaning.keyword, [orders[o] for o in room], message)
    asked = ask or (begun is not None and bool(begun.clarified))
    # A message gets one SMS, not one an order; read again after a crash, it was answered by the first commit.
    fields = answered(line, keyword, body.scope[0], came) if keyword in REFUSING else {}
    silent = (keyword in REFUSING and not fields) or any(orders[o].knows(message.key) for o in orders)
    free = keyword is Keyword.STOP and said.marketing_free  # then the line answers, and names no order
    first = None if silent or free else room[0]
    answers = {o: asked if ambiguous else o == first for o in room}
    facts = tuple((o, _said(line, orders[o], meaning, message, body, said, answer=answers[o])) for o in room)
    # A subscriber who has answered is not asked any more.
    drop = () if ambiguous or meaning.keyword is Keyword.UNKNOWN else asking(line)
    put = (which_one(line, [orders[o] for o in room], came),) if ask else ()
    if free and not silent:
        put = (registered(line, body.scope[0], spoken, came),)
    return Reading(facts, put, fields, drop)


def _restricting(line: Line, message: Unread, body: UnreadReply, meant: Reading, said: Read) -> Reading:
    """Add the restrictions that the door did not see in the message: they come with the answer to it."""
    kind = {Keyword.STOP: Kind.REFUSED, Keyword.HOLD: Kind.SUSPECTED}.get(counted(said.keyword))
    if kind is None:
        return meant
    kinds = (kind, *[Kind.MARKETING_FREE] * (kind is Kind.REFUSED and said.marketing_free))
    made = [Restriction(each, carrier, "", message.came, "sms", body.id) for each in kinds for carrier in body.scope]
    if kind is Kind.SUSPECTED:
        reason = said.reason.value if said.reason else ""
        made = [replace(each, last=message.came, reason=reason, text=body.text) for each in made]
    missing = {f"r:{each.name}": each.encode() for each in made if line.named(each.name) is None}
    timed = kind is Kind.SUSPECTED and missing and WAKE_UNDECIDED not in line.effects
    timer = (Put(WAKE_UNDECIDED, message.came + SUSPICION_LASTS_MS),) if timed else ()
    return replace(meant, put=(*meant.put, *timer), fields={**missing, **meant.fields})


def doubting(line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply, meant: Reading) -> Reading:
    """Add the restrictions of the orders that a doubtful reply concerns: each bars its order alone."""
    fields: dict[str, str] = {}
    for entry in _questions(line, orders, message, body):
        made = Restriction(
            Kind.SUSPECTED, entry.carrier, entry.order, message.came, "sms", body.id, message.came, Reason.DOUBTFUL,
            body.text,
        )  # fmt: skip
        known = line.named(made.name)
        fields[f"r:{made.name}"] = (made if known is None else known.again(message.came, body.text)).encode()
    timed = fields and WAKE_UNDECIDED not in line.effects
    timer = (Put(WAKE_UNDECIDED, message.came + SUSPICION_LASTS_MS),) if timed else ()
    return replace(meant, put=(*meant.put, *timer), fields={**fields, **meant.fields})


def _meant(
    line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply, said: Read | None = None
) -> list[Entry]:
    """Return the orders that a reply may mean. One from before an order was placed cannot mean it; a STOP means every
    order, since the door bars later ones.
    """
    entries = remembered(line.entries, body.scope, message.came)
    if said is None or counted(said.keyword) not in REFUSING:
        entries = _older(entries, message, orders)
    return [entry for entry in entries if entry.order in orders and is_of_holder(line, entry, orders[entry.order])]


def _questions(line: Line, orders: Mapping[str, Order], message: Unread, body: UnreadReply) -> list[Entry]:
    """Return the orders that a doubtful reply concerns: the one asked from the number it was sent to; where that tells
    nothing, each that was asked, until its service is activated.
    """
    open_questions = [entry for entry in _meant(line, orders, message, body) if _is_open_question(orders[entry.order])]
    return [entry for entry in open_questions if entry.sub == body.sub] or open_questions


def _is_open_question(order: Order) -> bool:
    return may_be_asked(order) and allows(order.state, Trigger.SAID_NO)


def _texts(entries: Sequence[Entry], orders: Mapping[str, Order]) -> Iterator[str]:
    """Return the questions of open orders without their codes: three digits in them may be meant literally."""
    return (orders[entry.order].codeless_text for entry in entries if entry.is_open)


def _said(
    line: Line, order: Order, meaning: Meaning, message: Unread, body: UnreadReply, said: Read, *, answer: bool
) -> Fact:
    barred = message.was_barred(order.doc.carrier)
    refused = _refused(line, order, meaning, message, body)
    in_call = line.named(name_of(Kind.CALL, order.id)) is not None
    return refused or replied(meaning, message, body, said, answer=answer, barred=barred, in_call=in_call)


def _has_room(order: Order, meaning: Meaning) -> bool:
    """Whether the history can take another note; an event that moves an open order always finds room."""
    moves = meaning.rule is not Rule.AMBIGUOUS and order.state in _MOVING.get(meaning.keyword, frozenset())
    return moves or len(order.events) < MOST_EVENTS


def _which_asked(line: Line, order: Order, orders: Mapping[str, Order], message: Unread) -> Keyword | None:
    """Return the answer that "which one?" was asked about; None while that SMS has not left: it has no answer yet."""
    waits = (pending for effect, pending in line.effects.items() if effect.startswith(ASKING))
    if any(not pending.first_at or pending.first_at >= message.at for pending in waits):
        return None
    return which_asked(order, message.key, message.at - 1, orders.values())


def _of_the_only(meaning: Meaning) -> Meaning:
    """Treat a wrong code as no answer where only one order can be meant; "which one?" would list several."""
    wrong = meaning.rule is Rule.AMBIGUOUS and meaning.keyword is Keyword.UNKNOWN
    if wrong and len(meaning.orders) == len(meaning.candidates) == 1:
        return replace(meaning, rule=Rule.ONLY_ORDER)
    return meaning


def _as_begun(begun: Unclear, orders: Mapping[str, Order]) -> Meaning:
    """Keep an ambiguous message ambiguous for the remaining orders, even if that has changed since."""
    waiting = tuple(o for o in begun.candidates if o in orders and not orders[o].state.settled)
    return Meaning(begun.keyword, Rule.AMBIGUOUS, waiting, begun.candidates)


def _refused(line: Line, order: Order, meaning: Meaning, message: Unread, body: UnreadReply) -> CancelAsked | None:
    """Return the cancellation by a yes after a refusal: it is no consent, even where the refusing message was void.

    A yes came after it if it reached us under it, as the door recorded (a refusal of one plan goes by its instant).
    Else instants cannot decide that: two messages may have the same one, and the store's clock may go back.
    """
    refusal = line.refusal(order.doc.carrier, order.doc.plan)
    if refusal is None or meaning.keyword is not Keyword.YES or order.state.settled:
        return None
    if not (refusal.since <= message.came if refusal.plan else refusal.name in message.barred):
        return None
    limited = bool(refusal.plan or refusal.until)
    return CancelAsked(message.key, "engine", "refused", refusal.door, ref=body.id, person=body.person, limited=limited)


def _older(entries: Sequence[Entry], message: Unread, orders: Mapping[str, Order]) -> list[Entry]:
    """Return the orders that are not younger than a message."""
    return [e for e in entries if e.order in orders and orders[e.order].doc.placed_at <= message.at]


def is_of_holder(line: Line, entry: Entry, order: Order) -> bool:
    """Whether an order was asked of the present holder of the number: earlier questions mean nothing to them."""
    return order.doc.call.started_at >= line.holder_since(entry.carrier)


_MOVING = {Keyword.YES: ANSWERABLE, Keyword.NO: sources(Trigger.SAID_NO), Keyword.STOP: sources(Trigger.OPTED_OUT)}
"""The states from which a keyword can move an order."""


def _may_ask(keyword: Keyword, candidates: Sequence[Order], message: Unread) -> bool:
    """Whether to ask "which one?": once for an answer that fits several, once for words that are none.

    Not before anything was asked. Once, however many messages wait behind it: it counts that it was asked, not when.
    """
    if not any(may_be_asked(order) for order in candidates):
        return False
    if any(message.was_barred(order.doc.carrier) for order in candidates):
        return False
    if keyword is Keyword.UNKNOWN:
        return not any(clarified(order, message.key) for order in candidates)
    return not any(which_asked(order, message.key, EVER, candidates) for order in candidates)


def replied(
    meaning: Meaning, message: Unread, body: UnreadReply, said: Read, *, answer: bool, barred: bool, in_call: bool
) -> Replied:
    return Replied(
        op=message.key,
        at=message.at,
        keyword=meaning.keyword,
        rule=meaning.rule,
        candidates=meaning.candidates,
        gateway=body.gateway,
        ref=body.id,
        person=body.person,
        written_at=body.written_at,
        answer=answer,
        barred=barred,
        edition=said.edition,
        reason=said.reason,
        came=message.came,
        coded=bool(said.code),
        in_call=in_call,
    )


def _active(entries: Sequence[Entry], orders: Mapping[str, Order]) -> tuple[str, ...]:
    """Return the newest order whose service is on: the answer to a later STOP says how to end it."""
    return tuple(e.order for e in entries if orders[e.order].state in _ACTIVE)[-1:]


_ACTIVE = ENGAGED & SETTLED
"""States in which the service is on, and nothing more follows for the order."""


def nothing_asked(
    line: Line, message: Unread, body: UnreadReply, said: Read, why: str, language: str
) -> Reading:  # fmt: skip
    """Answer STOP, HOLD and HELP even when nothing was asked, now and then; all else is kept unanswered."""
    carrier, keyword = body.scope[0], counted(said.keyword)
    drop = asking(line) if keyword in REFUSING else ()
    fields = answered(line, keyword, carrier, message.came) if why != TOO_MANY else {}
    if not fields:
        return Reading(drop=drop, unmatched=why)
    free = keyword is Keyword.STOP and said.marketing_free
    answer = registered(line, carrier, language, message.came)
    if not free:
        answer = of_the_line(line, keyword, carrier, language, message.came)
    return Reading((), (answer,), fields, drop, why)


def _to_all_open(
    line: Line, message: Unread, body: UnreadRefusal | UnreadClearance, fact: Fact,
    drop: tuple[tuple[str, Drop], ...] = (),
) -> Reading:  # fmt: skip
    entries = [entry for entry in remembered(line.entries, body.scope, message.came) if entry.is_open]
    if isinstance(body, UnreadRefusal) and body.plan:
        entries = [entry for entry in entries if entry.plan == body.plan]
    if not body.order:
        return Reading(tuple((entry.order, fact) for entry in entries), drop=drop)
    decided = {f"r:{name_of(Kind.SUSPECTED, carrier, body.order)}": "" for carrier in body.scope}
    return Reading(tuple((e.order, fact) for e in entries if e.order == body.order), fields=decided)


LOST_READER = "lost_reader"
"""The reason of an unmatched message that lost every reader."""
SET_ASIDE = Hitch.SET_ASIDE.of()
_FIELDS = 4
"""How many fields of the timer each message is."""


def is_refusal(message: Unread) -> bool:
    """Whether a message refuses, as the door read it: then no more of it has to be read."""
    body = message.body
    if isinstance(body, UnreadReply):
        return counted(body.keyword or Keyword.UNKNOWN) is Keyword.STOP
    return isinstance(body, UnreadRefusal)


def aside(line: Line, message: Unread, why: str = SET_ASIDE) -> Put:
    """Return the timer of a line that keeps a message, on the stuck list, until a person has it read once more."""
    known = line.effects.get(WAKE_ASIDE, Pending())
    row = (message.key, str(message.at), " ".join(message.barred), encode_message(message.body))
    about = known.about if message.key in known.about[::_FIELDS] else (*known.about, *row)
    return parking(WAKE_ASIDE, replace(known, about=about), why)


def set_aside(kept: Pending) -> tuple[Unread, Pending]:
    """Return the oldest message that such a timer keeps, and the timer without it. Raises BrokenRecord."""
    try:
        key, at, barred, body = kept.about[:_FIELDS]
        message = Unread(int(at), key, decode_message(body), tuple(barred.split()))
    except ValueError:
        raise BrokenRecord("a message that was set aside cannot be read") from None
    return message, Pending(about=kept.about[_FIELDS:])


def without_reader(line: Line, orders: Mapping[str, Order], message: Unread) -> Reading:
    """Return the facts in a message whose readers all died: a refusal, as read on arrival, ends open orders, and a
    doubt bars it. Nothing else of it is looked at, for that may be what they died of.
    """
    body = message.body
    if isinstance(body, UnreadRefusal):
        return understand(line, orders, message, waits=False)
    if not isinstance(body, UnreadReply):
        return Reading(unmatched=LOST_READER)
    said, unread = body.meaning(), Reading(unmatched=LOST_READER)
    if not is_refusal(message):
        return doubting(line, orders, message, body, unread) if said.is_doubtful else unread
    entries = remembered(line.entries, body.scope, message.came)
    open_ = tuple(
        e.order for e in entries if e.is_open and e.order in orders and is_of_holder(line, e, orders[e.order])
    )
    if not open_:
        return nothing_asked(line, message, body, said, LOST_READER, language_of(orders.values()))
    fields = answered(line, Keyword.STOP, body.scope[0], message.came)
    meaning = Meaning(Keyword.STOP, Rule.EVERY_OPEN, open_, open_)
    facts = tuple(
        (o, replied(meaning, message, body, said, answer=bool(fields) and o == open_[0], barred=False, in_call=False))
        for o in open_
    )
    return Reading(facts, (), fields, asking(line))
