"""A subscriber's reply, and what follows: only a whole, timely, unambiguous yes to a question asked activates."""

from collections.abc import Iterable

from msgspec.structs import replace

from consent_engine.domain.decision import (
    Decision,
    Drop,
    activating,
    asking_at,
    begun,
    clarified,
    note,
    proves_reading,
    refuse_or_note,
    say,
    unless_in_flight,
)
from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.event import Event
from consent_engine.domain.facts import Replied, Rule
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.lifecycle import ANSWERABLE, ENGAGED, State, Trigger
from consent_engine.domain.order import QUESTION, Order
from consent_engine.domain.outcomes import question_answered
from consent_engine.domain.restriction import SUSPICION_LASTS_MS

MOST_ANSWERS = 3
"""How often an order answers HELP, or STOP after activation: somebody's machine may be talking to ours."""


def on_reply(order: Order, reply: Replied, now: Millis) -> Decision:
    """Decide what a reply does to an order it means, or might mean."""
    if reply.rule is Rule.AMBIGUOUS and reply.keyword is not Keyword.HELP:
        return _ambiguous(order, reply, now)
    match reply.keyword:
        case Keyword.YES:
            return _yes(order, reply, now)
        case Keyword.NO | Keyword.STOP:
            return _no(order, reply, now)
        case Keyword.HELP:
            return _help(order, reply, now)
        case Keyword.HOLD:
            return _held(order, reply, now)
        case _:
            return _unknown(order, reply, now)


def _event(trigger: Trigger, reply: Replied, now: Millis, **more: str | int) -> Event:
    """What the record keeps of a reply: the rule, the candidates, when it reached us; the words in the person part."""
    detail: dict[str, str | int | list[str]] = {
        "keyword": reply.keyword.value,
        "rule": reply.rule.value,
        "candidates": list(reply.candidates),
        "received_at": reply.at,
        "gateway": reply.gateway,
        "edition": reply.edition,
        **more,
    }
    if reply.reason is not None:
        detail["reason"] = reply.reason.value
    if reply.written_at is not None:
        detail["written_by"] = reply.written_at
    person = {"msisdn": reply.msisdn, "to": reply.to, "text": reply.text}
    return Event(trigger, now, reply.op, reply.ref, "subscriber", detail, person)


def _yes(order: Order, reply: Replied, now: Millis) -> Decision:
    if reply.barred and not order.state.settled:
        return note(order, _event(Trigger.REPLIED_BARRED, reply, now))
    if order.asked_anew and reply.rule is Rule.ONLY_ORDER:
        return _unknown(order, reply, now)
    if order.state is State.AGREED:
        return _early_yes(order, reply, now)
    if order.state is not State.AWAITING_REPLY or reply.at > order.reply_by:
        return _late(order, reply, now)
    asked = order.last(Trigger.CONFIRMATION_ACCEPTED)
    if asked is None or _written_before(reply, asked.detail["last"]):
        return _stale(order, reply, now)
    event = _event(Trigger.SAID_YES, reply, now)
    # Nothing that still waited to be said matters to somebody who has answered; what is in flight ends as a note.
    gone = tuple((effect, Drop.ANYWAY) for effect in order.effects)
    return Decision(order.moved(event), (event,), (activating(order, now),), gone)


def _stale(order: Order, reply: Replied, now: Millis) -> Decision:
    """A yes from before the question is none. One that came after it may be held back by a clock alone: asked once."""
    asked = order.last(Trigger.CONFIRMATION_ACCEPTED)
    came_after = asked is not None and reply.at >= int(str(asked.detail["last"]))
    asks = came_after and not clarified(order)
    event = _event(Trigger.REPLIED_BEFORE, reply, now, clarified=int(asks))
    return note(order, event, *((say(Purpose.CLARIFICATION, now),) if asks else ()))


def _written_before(reply: Replied, started: object) -> bool:
    """Whether it was written, or even received, before the question began to be asked."""
    written = reply.at if reply.written_at is None else min(reply.at, reply.written_at)
    return isinstance(started, int) and written < started


def _early_yes(order: Order, reply: Replied, now: Millis) -> Decision:
    """A yes while the hand-over is not recorded: it counts only if that very hand-over turns out to be true."""
    pending = order.question
    if pending is None or not pending.last_at or _written_before(reply, pending.first_at):
        return note(order, _event(Trigger.REPLIED_BEFORE, reply, now))
    # It counts only for the attempt it can have answered: an older one is void once the question went out again.
    answered = 0 if _written_before(reply, pending.last_at) else pending.last_at
    early = _event(Trigger.REPLIED_EARLY, reply, now, last=answered)
    if not (answered and proves_reading(order, reply.rule) and pending.doubts and not pending.leased_at):
        return note(order, early)
    # Only who has read the question can write this: the doubt is settled, and the yes with it.
    decision = question_answered(order.moved(early), now, f"{reply.op}:asked", "reply", reply.ref)
    return replace(decision, events=(early, *decision.events), drop=(*decision.drop, (QUESTION, Drop.ANYWAY)))


def _no(order: Order, reply: Replied, now: Millis) -> Decision:
    stop = reply.keyword is Keyword.STOP
    event = _event(Trigger.OPTED_OUT if stop else Trigger.SAID_NO, reply, now)
    late = _event(Trigger.REPLIED_LATE, reply, now)
    purpose = Purpose.OPTED_OUT if stop else Purpose.DECLINED
    if not (reply.answer and (stop or order.doc.policy.tell_declined)):
        return refuse_or_note(order, event, late)
    # A STOP is answered whenever it comes: after an activation with how to end the service.
    stops = sum(1 for e in order.events if e.detail.get("keyword") == Keyword.STOP)
    too_late = (say(purpose, now, stops + 1),) if stop and stops < MOST_ANSWERS else ()
    return refuse_or_note(order, event, late, say(purpose, now, stops + 1), late_puts=too_late)


def _held(order: Order, reply: Replied, now: Millis) -> Decision:
    """Words that may be a refusal: noted, and answered while the order can still wait for whoever reads them.

    Nothing is asked meanwhile: no answer would count.
    """
    event = _event(Trigger.SUSPECTED, reply, now)
    told = reply.answer and not begun(order) and not order.state.settled
    n = 1 + sum(1 for _ in order.all(Trigger.SUSPECTED))
    resting = asking_at(order, reply.at + SUSPICION_LASTS_MS)
    noted = note(order, event, *resting, *((say(Purpose.HELD, now, n),) if told else ()))
    again = tuple(
        (effect, Drop.ANYWAY) for effect in order.effects if effect.startswith(_ASKING_AGAIN) and effect != QUESTION
    )
    return replace(noted, drop=(*unless_in_flight(resting), *again))


def _late(order: Order, reply: Replied, now: Millis) -> Decision:
    """A yes that comes too late changes nothing; who is still waiting for the service is told so, once."""
    # After a STOP its answer was the last message.
    waits = order.state not in ENGAGED and order.last(Trigger.OPTED_OUT) is None
    told = waits and not any(e.detail.get("answered") for e in order.all(Trigger.REPLIED_LATE))
    event = _event(Trigger.REPLIED_LATE, reply, now, answered=int(told))
    return note(order, event, *((say(Purpose.LATE, now),) if told else ()))


def _help(order: Order, reply: Replied, now: Millis) -> Decision:
    """Say what this is about and how to answer."""
    asked = sum(1 for _ in order.all(Trigger.ASKED_HELP))
    puts = (say(Purpose.HELP, now, asked + 1),) if asked < MOST_ANSWERS else ()
    return note(order, _event(Trigger.ASKED_HELP, reply, now), *puts)


def _unknown(order: Order, reply: Replied, now: Millis) -> Decision:
    if order.state not in ANSWERABLE:
        return note(order, _event(Trigger.REPLIED_LATE, reply, now))
    asks = order.state is State.AWAITING_REPLY and not clarified(order) and not reply.barred
    event = _event(Trigger.UNCLEAR, reply, now, clarified=int(asks))
    return note(order, event, *((say(Purpose.CLARIFICATION, now),) if asks else ()))


def _ambiguous(order: Order, reply: Replied, now: Millis) -> Decision:
    """It fits several: none moves. `which` remembers what was said, for the code that may follow."""
    counts = reply.keyword in {Keyword.YES, Keyword.NO} and _was_asked(order, reply)
    counts = counts and not (reply.barred and reply.keyword is Keyword.YES)
    which = reply.keyword.value if counts else ""
    return note(order, _event(Trigger.UNCLEAR, reply, now, clarified=int(reply.answer), which=which))


def _was_asked(order: Order, reply: Replied) -> bool:
    """Whether this order's question had begun to be asked when the reply was written."""
    asked = order.last(Trigger.CONFIRMATION_ACCEPTED)
    started = asked.detail["started"] if asked else order.question.first_at if order.question else 0
    return bool(started) and not _written_before(reply, started)


def which_asked(order: Order, op: str, at: Millis, others: Iterable[Order] = ()) -> Keyword | None:
    """What the subscriber had said when we decided to ask "which one?" about this order, before a message came at `at`.

    One question, one answer: it is over once any of `others` was answered by code or sub-number since.
    """
    unclear = [e for e in order.all(Trigger.UNCLEAR) if e.detail.get("which") and e.op != op and e.at <= at]
    if not any(e.detail["clarified"] for e in unclear):
        return None
    since = max(e.at for e in unclear if e.detail["clarified"])
    answers = (e for other in others for e in other.events if e.at >= since and e.op != op)
    if any(e.detail.get("rule") in _NAMING and e.detail["keyword"] != Keyword.UNKNOWN for e in answers):
        return None
    return Keyword(str(unclear[-1].detail["which"]))


_ASKING_AGAIN = tuple(
    f"sms.{purpose}." for purpose in (Purpose.CONFIRMATION, Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.RESUMED)
)
_NAMING = frozenset({Rule.CODE, Rule.WHICH_ONE, Rule.SUB_NUMBER})


def was_started(order: Order) -> bool:
    """Whether the question may have left us though nothing says so yet."""
    return order.question is not None and order.question.last_at > 0
