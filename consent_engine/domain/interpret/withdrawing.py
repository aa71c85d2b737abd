"""Ending a service by SMS: the activated order that 退订 with its code, or its plan's own word, means; and the answer
to a bare 退订, which refuses marketing and never costs a fee.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.call.ending import Ending, EndingState, Notified
from consent_engine.domain.decide.decision import Drop, Put, begun
from consent_engine.domain.decide.endings import about
from consent_engine.domain.effects import Millis, Pending, Purpose, sms_effect
from consent_engine.domain.grammar import Keyword, Read, asks_to_end, read
from consent_engine.domain.inbox import UnreadReply
from consent_engine.domain.interpret.correlate import Reading
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.line import Line, Unread
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS, Kind, name_of, receipt_of
from consent_engine.domain.order.facts import Replied
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.confirmation_fields import elements, has_early_fee, leaving
from consent_engine.domain.texts.render import asked_again
from consent_engine.domain.texts.words import CHINESE, ENGLISH

REFUSING = frozenset({Keyword.STOP, Keyword.HOLD})
"""Keywords that restrict the number: they mean every open order."""
A_DAY_MS = 24 * 3_600_000
AN_HOUR_MS = 3_600_000
ASKING = (f"sms.{Purpose.CLARIFICATION}.", f"sms.{Purpose.HELP}.")
_PURPOSES = {Keyword.STOP: Purpose.OPTED_OUT, Keyword.HOLD: Purpose.HELD, Keyword.HELP: Purpose.HELP}


def answered(line: Line, keyword: Keyword, carrier: str, at: Millis) -> dict[str, str]:
    """Return the line's field that records this answer; empty where nothing is to be answered (again).

    STOP and HOLD once a day and carrier: phones answer automatically. After a STOP no SMS says that a person still has
    to read something. HELP once an hour.
    """
    if keyword is Keyword.HELP:
        return {"a:help": str(at)} if at - line.answered.get("help", 0) >= AN_HOUR_MS else {}
    if keyword not in REFUSING:
        return {}
    names = [f"stop:{carrier}"] + ([f"hold:{carrier}"] if keyword is Keyword.HOLD else [])
    lately = any(at - line.answered[name] < A_DAY_MS for name in names if name in line.answered)
    settled = keyword is Keyword.HOLD and line.refusal(carrier) is not None
    return {} if lately or settled else {f"a:{names[-1]}": str(at)}


def language_of(orders: Iterable[Order]) -> str:
    """Return the language of a number's newest order; Chinese where there is none."""
    newest = max(orders, key=lambda order: order.doc.placed_at, default=None)
    return newest.doc.offer.language if newest is not None else CHINESE


def of_the_line(line: Line, keyword: Keyword, carrier: str, language: str, at: Millis) -> Put:
    """Return the answer to a message that no order answers."""
    said: tuple[str, ...] = ()
    if keyword is Keyword.HOLD:
        said = (str(at + SUSPICION_LASTS_MS),)
    elif keyword is Keyword.STOP:
        said = (receipt_of(line.id, name_of(Kind.REFUSED, carrier)),)
    return Put(sms_effect(_PURPOSES[keyword], line.version), at, Pending(about=(carrier, language, *said)))


def registered(line: Line, carrier: str, language: str, at: Millis) -> Put:
    """Return the answer to the marketing-free word."""
    receipt = receipt_of(line.id, name_of(Kind.MARKETING_FREE, carrier))
    return Put(sms_effect(Purpose.MARKETING_FREE, line.version), at, Pending(about=(carrier, language, receipt)))


def which_one(line: Line, orders: Sequence[Order], at: Millis) -> Put:
    """Ask once which order was meant, listing codes: in the newest one's language, if all plans have words in it."""
    return Put(sms_effect(Purpose.CLARIFICATION, line.version), at, Pending(about=choices_of(orders)))


def choices_of(orders: Sequence[Order]) -> tuple[str, ...]:
    """Return the contents of "which one?": carrier and language, then each order's code and the name of its plan."""
    docs, language = [order.doc for order in orders], language_of(orders)
    if any(language == ENGLISH and doc.offer.tariff.english is None for doc in docs):
        language = CHINESE
    names = (elements(doc.carrier, doc.offer.tariff, language).name for doc in docs)
    return docs[0].carrier, language, *(f"{doc.code} {name}" for doc, name in zip(docs, names, strict=True))


def asking(line: Line) -> tuple[tuple[str, Drop], ...]:
    """Return the line's own questions that have not gone out, to drop them."""
    return tuple((effect, Drop.ANYWAY) for effect in line.effects if effect.startswith(ASKING))


class Withdrawal(Struct, frozen=True):
    """The order that a message ends. ends: the order that is meant · asks: the order to ask about · refuses: it also
    refuses marketing · waits: one that may be meant is being switched on, and the outcome is not known yet · again: the
    ending that the order had already · put: an effect of the line, by which the wish lives on
    """

    ends: Order | None = None
    asks: Order | None = None
    refuses: bool = True
    waits: bool = False
    again: Ending | None = None
    put: tuple[Put, ...] = ()


NONE = Withdrawal()
LATE_MS = 3_600_000
"""After so long an ending is late: an alarm calls a person to it (`ConsentStuck`)."""


def may_withdraw(line: Line, message: Unread) -> bool:
    """Whether a message may be about ending a service: then the active services must be looked at."""
    body = message.body
    if not isinstance(body, UnreadReply):
        return False
    said = body.meaning()
    if said.keyword is Keyword.NO:  # it declines the open orders
        return not any(entry.is_open and entry.carrier in body.scope for entry in line.entries)
    return said.keyword is Keyword.WITHDRAW or (said.keyword is Keyword.STOP and asks_to_end(body.text))


def withdrawal(
    line: Line, message: Unread, orders: Sequence[Order], is_ended: Callable[[Order], bool]
) -> Withdrawal:  # fmt: skip
    """Return the order that a message ends, or the one to ask about. Never a guess: one that fits several ends none.
    However long it waited, it means no order that was placed after it.

    orders: of the number, wherever they are kept · is_ended: whether an ending of it was asked for before
    """
    body = message.body
    if not isinstance(body, UnreadReply):
        return NONE
    said = body.meaning()
    theirs = [o for o in orders if o.doc.placed_at <= message.at and _is_theirs(line, o, body.scope)]
    active = [order for order in theirs if order.last(Trigger.SERVICE_ACTIVATED) is not None]
    named = [order for order in theirs if _fits(order, said, body.text)] if said.keyword is Keyword.WITHDRAW else []
    if any(order.state is State.CONFIRMED and begun(order) for order in named):
        return Withdrawal(waits=True)
    fits = [order for order in named if order in active]
    fits = [order for order in fits if not is_ended(order)] or fits
    if said.code and any(order not in active and _was_open(order, message.key) for order in named):
        return NONE  # codes are reused: here the code names the question that was open, and refuses that
    if len(fits) == 1:
        return Withdrawal(ends=fits[0])
    declines = said.keyword is Keyword.NO
    still_on = [order for order in active if not is_ended(order)]
    if declines and said.code:
        still_on = [order for order in still_on if order.doc.code == said.code]
    newest = max(still_on, key=lambda order: order.doc.placed_at, default=None)
    # Where several orders have this very code, asking for it again would go round in circles.
    asks = declines or (asks_to_end(body.text) and not fits)
    return Withdrawal(asks=newest, refuses=not declines) if asks else NONE


def _is_theirs(line: Line, order: Order, carriers: Sequence[str]) -> bool:
    """Whether an order was asked of the number's present holder, by a carrier that the message may mean."""
    doc = order.doc
    matches = doc.carrier in carriers and doc.call.started_at >= line.holder_since(doc.carrier)
    return matches and bool(order.person.msisdn)


def _was_open(order: Order, message: str) -> bool:
    """Whether an order without active service was open at the message's first reading, which may have settled it."""
    return not order.state.settled or order.knows(message)


def _fits(order: Order, said: Read, text: str) -> bool:
    if said.code:
        return order.doc.code == said.code
    tariff = order.doc.offer.tariff
    word = tariff.unsubscribe.word
    return bool(word) and read(text, words=(word or "",)).keyword is Keyword.WITHDRAW


def answering(meant: Reading, found: Withdrawal, line: Line, carrier: str, at: Millis) -> Reading:
    """Return the reading with the answer that the withdrawal wants: the notice of the ending, which comes once the
    service is off, or the question whether it shall end, as often as a STOP is answered.
    """
    meant = replace(meant, put=(*meant.put, *found.put))
    if found.ends is None and found.asks is None:
        return meant
    silent = tuple((o, replace(fact, answer=False) if isinstance(fact, Replied) else fact) for o, fact in meant.facts)
    put = tuple(each for each in meant.put if not each.effect.startswith(f"sms.{Purpose.OPTED_OUT}."))
    unmatched = "withdrawn" if meant.unmatched and found.ends is not None else meant.unmatched
    notice = _notice_again(found.again, line, carrier, at)
    fields = {**meant.fields, f"a:end:{carrier}": str(at)} if notice else meant.fields
    if found.asks is not None and not found.refuses and at - line.answered.get(f"ask:{carrier}", 0) >= A_DAY_MS:
        fields = {**fields, f"a:ask:{carrier}": str(at)}
    if found.asks is not None and (f"a:stop:{carrier}" in fields or f"a:ask:{carrier}" in fields):
        put = (*put, asking_to_end(found.asks, line, at, refuses=found.refuses))
    return replace(meant, facts=silent, put=(*put, *notice), fields=fields, unmatched=unmatched)


def _notice_again(ending: Ending | None, line: Line, carrier: str, at: Millis) -> tuple[Put, ...]:
    """Return the answer to a repeated withdrawal, once a day at most: the notice once more, or that an operator sees to
    it. None where the notice is still to come, and is not late.
    """
    if ending is None or at - line.answered.get(f"end:{carrier}", 0) < A_DAY_MS:
        return ()
    subject = about(ending)
    late = ending.state is EndingState.ENDING and at - ending.doc.asked_at >= LATE_MS
    if late or ending.state in {EndingState.ENDING_FAILED, EndingState.GIVEN_UP}:
        subject = asked_again(subject)
    elif not any(isinstance(each, Notified) and each.effect for each in ending.events):
        return ()
    return (Put(sms_effect(Purpose.ENDED, line.version), at, Pending(about=subject)),)


def asking_to_end(order: Order, line: Line, at: Millis, *, refuses: bool) -> Put:
    """Return the question whether the service itself shall end. The order's code stands in it. refuses: the message
    that it answers refused marketing
    """
    doc, offer = order.doc, order.doc.offer
    on = order.last(Trigger.SERVICE_ACTIVATED)
    ends = on.at + offer.policy.free_exit if on and offer.policy.free_exit else 0
    free_until = ends if at < ends and has_early_fee(offer.tariff) else 0
    names = elements(doc.carrier, offer.tariff, offer.language)
    cost = leaving(offer.tariff, offer.language, free_until)
    about = (doc.carrier, offer.language, doc.code, names.name, cost, "refused" * refuses)
    return Put(sms_effect(Purpose.WITHDRAW_ASK, line.version), at, Pending(about=about))
