"""Decisions on a subscriber's reply: only a whole, timely, unambiguous yes to a question asked activates."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from consent_engine.domain.decide.decision import (
    OUTCOME_MS,
    Decision,
    activating,
    asking_at,
    begun,
    note,
    off,
    refuse_or_note,
    say,
    unless_in_flight,
)
from consent_engine.domain.decide.on_outcome import question_answered
from consent_engine.domain.effects import ACTIVATE, Millis, Purpose, sms_effect
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.lifecycle import ANSWERABLE, ASKED, ENGAGED, State, Trigger
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS
from consent_engine.domain.offer.offer import Suspects
from consent_engine.domain.order import details
from consent_engine.domain.order.details import AskedAgain, Delivered, Detail, Informed, RepliedSuspect, Resumed
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.facts import Replied, Rule
from consent_engine.domain.order.history import (
    all_of,
    answered_late,
    asked,
    asking_since,
    clarified,
    number_changed,
    proves_reading,
    stops,
)
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.order.unlikely_yes import Beat, Suspicion, Unlikely


class Rules(NamedTuple):
    """edition: raised by every change of these rules · characters: Chinese ones of a segment. As many Latin ones as it
    holds say about as much, so a text takes as long in both languages · short: segments of an SMS that asks for the
    code · late: ms after its own stamp from which a reply came in with a backlog, so that the stamp says when it was
    written. Those of a cadence stand where yeses are compared (`cadence_of`).
    """

    edition: int
    characters: int
    short: int
    late: Millis


RULES = Rules(edition=3, characters=67, short=2, late=60_000)


class Text(NamedTuple):
    """The text that a yes answers. since: when it was on the handset, or its hand-over began · delivered: whether it is
    known to be there · segments: its length · proves: whether it asks for the code
    """

    since: Millis
    delivered: bool
    segments: int
    proves: bool = False


def unlikely(order: Order, reply: Replied) -> Suspicion | None:
    """Return why no person can have written this yes, by the policy that the order was placed under; None: one can.

    Of several rules the first counts, in the order that stands here.
    """
    policy = order.doc.policy
    if not policy.suspects:
        return None
    text = _answered(order, reply)
    measured = reply.at - text.since
    if reply.in_call:
        return Suspicion(Unlikely.CALL_UP, measured, edition=RULES.edition)
    least = policy.reading_ms(text.segments * RULES.characters)
    if least and measured < least:  # where a text takes no time, a record made after the reply makes none too fast
        return Suspicion(Unlikely.TOO_FAST, measured, least, RULES.edition)
    if policy.reports and not text.delivered:
        return Suspicion(Unlikely.NOT_DELIVERED, measured, edition=RULES.edition)
    if reply.cadence is not None:
        return Suspicion(reply.cadence.rule, measured, edition=RULES.edition, others=reply.cadence.others)
    return None


def beat(order: Order, reply: Replied, seen: Suspicion | None) -> Beat | None:
    """Return the yes to be compared with others of the order's agent; None where no cadence is looked for, or another
    rule was met. Once a cadence was `seen`, the yes is kept among them and compared no more.
    """
    policy = order.doc.policy
    if not (policy.suspects and policy.cadence) or (seen is not None and seen.rule not in IN_CADENCE):
        return None
    text, came, written = _answered(order, reply), reply.received_at, reply.written_at
    at = written if written is not None and came - written > RULES.late else came
    most = policy.cadence if seen is None else 0
    delay = max(0, reply.at - text.since)
    return Beat(order.line, order.doc.agent, delay, at, text.proves, text.delivered, most)


IN_CADENCE = frozenset({Unlikely.CADENCE, Unlikely.LOCKSTEP})


def _answered(order: Order, reply: Replied) -> Text:
    return _asking_for_code(order, reply.at) or _question(order, reply.at)


def _question(order: Order, by: Millis) -> Text:
    """Return the question. Asked again or reminded of it, the subscriber has had its first text since; where that is
    not known to be on the handset, the next one counts.
    """
    accepted = asked(order)
    sent = accepted.last if accepted is not None else order.question.last_at if order.question else 0
    again = (sms_effect(Purpose.CONFIRMATION, each.n) for _, each in all_of(order, AskedAgain))
    instants = (_delivered_at(order.events, effect, sent, by) for effect in (QUESTION, *again))
    delivered = next(filter(None, instants), 0)
    return Text(delivered or sent, bool(delivered), order.doc.segments)


def _asking_for_code(order: Order, by: Millis) -> Text | None:
    """Return the newest SMS asking for YES with the code; None where there is none, or it has not begun to leave."""
    found = [n for n, event in enumerate(order.events) if _asks_for_code(event)]
    if not found:
        return None
    since = order.events[found[-1] :]
    again = isinstance(since[0].detail, Resumed)
    purpose = Purpose.RESUMED if again else Purpose.PROVE
    effect = sms_effect(purpose, sum(isinstance(e.detail, Resumed) for e in order.events) if again else 1)
    pending = order.effects.get(effect)
    handed_over = (e.at for e in since if isinstance(e.detail, Informed) and e.detail.purpose is purpose)
    sent = next(handed_over, pending.last_at if pending else 0)
    delivered = _delivered_at(since, effect, sent, by)
    return Text(delivered or sent, bool(delivered), RULES.short, proves=True) if sent or delivered else None


def _asks_for_code(event: Event) -> bool:
    detail = event.detail
    return bool(
        (isinstance(detail, Resumed) and detail.needs_code) or (isinstance(detail, RepliedSuspect) and detail.asked)
    )


def _delivered_at(events: tuple[Event, ...], effect: str, sent: Millis, by: Millis) -> Millis:
    """Return when all of an SMS was on the handset; 0 while unknown. Reports come late: the gateway's own clock says
    when it arrived, between the hand-over and the report. For a report without a stamp that was read together with the
    reply (`by`), as after an outage, only the hand-over is known.
    """
    for event in events:
        if isinstance(event.detail, Delivered) and event.detail.effect == effect:
            stamped = event.detail.stamped
            if stamped is None:
                return event.at if event.at < by or not sent else sent
            return min(event.at, max(sent, stamped))
    return 0


MOST_ANSWERS = 3
"""How often an order answers HELP, or STOP after activation: an answering machine may be writing to the engine."""


def on_reply(order: Order, reply: Replied, now: Millis) -> Decision:
    """Decide the consequences of a reply for an order it means, or might mean."""
    if number_changed(order):  # neither the writer nor the present holder is notified
        return note(order, _event(details.RepliedLate, reply, now))
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


def _event(kind: Callable[..., Detail], reply: Replied, now: Millis, **more: str | int | Suspicion | None) -> Event:
    """Return the event of a reply: the rule, the candidates, when it reached us; the words in the person part."""
    detail = kind(
        keyword=reply.keyword, rule=reply.rule, candidates=reply.candidates, received_at=reply.received_at,
        gateway=reply.gateway, edition=reply.edition, reason=reply.reason, written_by=reply.written_at, **more,
    )  # fmt: skip
    return Event.of(detail, now, reply.op, reply.ref, "subscriber", reply.person)


def _yes(order: Order, reply: Replied, now: Millis) -> Decision:
    if (reply.barred or order.awaits_person) and not order.state.settled:
        return note(order, _event(details.RepliedBarred, reply, now))
    if not _proves_enough(order, reply):
        return _unknown(order, reply, now)
    if order.state is State.AGREED:
        return _early_yes(order, reply, now)
    if order.state not in ASKED or reply.received_at > order.reply_by:
        return _late(order, reply, now)
    accepted = asked(order)
    if accepted is None or _written_before(reply, accepted.last, order.asked_at):
        return _stale(order, reply, accepted, now)
    seen = unlikely(order, reply)
    beside = beat(order, reply, seen)
    if seen is not None and order.doc.policy.suspects != Suspects.OFF:
        event = _event(details.RepliedSuspect, reply, now, seen=seen, asked=1)
        return replace(note(order, event, say(Purpose.PROVE, now)), beat=beside)
    event = _event(details.SaidYes, reply, now, seen=seen)
    # SMS that still wait do not matter to a subscriber who has answered; a call in flight ends as a note.
    gone = tuple(off(order, effect) for effect in order.effects)
    return Decision(order.moved(event), (event,), (activating(order, now),), gone, beat=beside)


def _proves_enough(order: Order, reply: Replied) -> bool:
    """Whether the reply carries the code, where that was asked for."""
    if order.proof_asked:
        return reply.coded
    return not (order.asked_anew and reply.rule is Rule.ONLY_ORDER)


def to_be_held(order: Order, reply: Replied) -> Suspicion | None:
    """Return why a person must look at a yes that could count; None where there is no reason, or it could not."""
    policy = order.doc.policy
    if policy.suspects not in _HOLDING or reply.keyword is not Keyword.YES or reply.rule is Rule.AMBIGUOUS:
        return None
    if (
        not (reply.coded or policy.suspects == Suspects.HOLD)
        or reply.barred
        or order.awaits_person
        or not _can_count(order, reply)
    ):
        return None
    return unlikely(order, reply)


def _can_count(order: Order, reply: Replied) -> bool:
    """Whether the reply answers the question in time; during the hand-over, whether it may turn out to."""
    pending, accepted = order.question, asked(order)
    if not _proves_enough(order, reply):
        return False
    if order.state is State.AGREED:
        begun_at = pending.last_at if pending else 0
        return pending is not None and bool(begun_at) and not _written_before(reply, begun_at, pending.leased_at)
    in_time = order.state in ASKED and reply.received_at <= order.reply_by
    return in_time and accepted is not None and not _written_before(reply, accepted.last, order.asked_at)


def _stale(order: Order, reply: Replied, accepted: details.ConfirmationAccepted | None, now: Millis) -> Decision:
    """Note a yes from before the question: it is none. Where it came after, a clock alone may be wrong: ask once."""
    came_after = accepted is not None and reply.at >= accepted.last
    asks = came_after and not clarified(order)
    event = _event(details.RepliedBefore, reply, now, clarified=int(asks))
    return note(order, event, *((say(Purpose.CLARIFICATION, now),) if asks else ()))


def _written_before(reply: Replied, started: Millis, known: Millis) -> bool:
    """Whether the reply was written, or even received, before the question began to be asked.

    started: that beginning, as it is ordered among the number's records · known: an instant at which it had begun. A
    stamp is compared with the earlier: where the store's clock went back, `started` is no clock's time.
    """
    return reply.at < started or (reply.written_at is not None and reply.written_at < min(started, known or started))


def _early_yes(order: Order, reply: Replied, now: Millis) -> Decision:
    """Note a yes while the hand-over is not recorded: it counts only if that very hand-over turns out to be true."""
    pending = order.question
    if pending is None or not pending.last_at or _written_before(reply, pending.first_at, pending.leased_at):
        return note(order, _event(details.RepliedBefore, reply, now))
    # It counts only for the attempt it can have answered: it is void once the question went out again.
    answered = 0 if _written_before(reply, pending.last_at, pending.leased_at) else pending.last_at
    seen = unlikely(order, reply) if answered else None
    early = _event(details.RepliedEarly, reply, now, last=answered, seen=seen)
    beside = beat(order, reply, seen) if answered else None
    if not (answered and proves_reading(order, reply.rule) and pending.doubts and not pending.leased_at):
        return replace(note(order, early), beat=beside)
    # Only a reader of the question can write this: it settles the doubt, and the yes counts.
    decision = question_answered(order.moved(early), now, f"{reply.op}:asked", "reply", reply.ref)
    return replace(decision, events=(early, *decision.events), beat=beside)


def _no(order: Order, reply: Replied, now: Millis) -> Decision:
    stop = reply.keyword is Keyword.STOP
    event = _event(details.OptedOut if stop else details.SaidNo, reply, now)
    late = _event(details.RepliedLate, reply, now)
    purpose = Purpose.OPTED_OUT if stop else Purpose.DECLINED
    if not (reply.answer and (stop or order.doc.policy.tell_declined)):
        return refuse_or_note(order, event, late)
    # A STOP is answered whenever it comes: after an activation with how to end the service.
    heard, activation = stops(order), order.effects.get(ACTIVATE)
    due = now + OUTCOME_MS if activation is not None and activation.leased_at else now
    too_late = (say(purpose, due, heard + 1),) if stop and heard < MOST_ANSWERS else ()
    return refuse_or_note(order, event, late, say(purpose, now, heard + 1), late_puts=too_late)


def _held(order: Order, reply: Replied, now: Millis) -> Decision:
    """Note words that may be a refusal, and answer while the order can still wait for the person who reads them.

    Nothing is asked meanwhile: no answer would count.
    """
    event = _event(details.Suspected, reply, now, seen=reply.seen)
    answered = reply.answer and not begun(order) and not order.state.settled
    n = 1 + sum(1 for _ in order.all(Trigger.SUSPECTED))
    resting = asking_at(order, reply.received_at + SUSPICION_LASTS_MS)
    noted = note(order, event, *resting, *((say(Purpose.HELD, now, n),) if answered else ()))
    again = tuple(
        off(order, effect) for effect in order.effects if effect.startswith(_ASKING_AGAIN) and effect != QUESTION
    )
    cadence = beat(order, reply, reply.seen) if reply.seen is not None and reply.seen.rule in IN_CADENCE else None
    return replace(noted, drop=(*unless_in_flight(resting), *again), beat=cadence)


def _late(order: Order, reply: Replied, now: Millis) -> Decision:
    """Note a yes that comes too late; a subscriber who still waits is answered, once, that it changes nothing."""
    # After a STOP, the answer to it was the last message.
    waits = order.state not in ENGAGED and order.last(Trigger.OPTED_OUT) is None
    answered = waits and not answered_late(order)
    event = _event(details.RepliedLate, reply, now, answered=int(answered))
    return note(order, event, *((say(Purpose.LATE, now),) if answered else ()))


def _help(order: Order, reply: Replied, now: Millis) -> Decision:
    """Answer with the subject of the order, and how to reply to it."""
    helped = sum(1 for _ in order.all(Trigger.ASKED_HELP))
    puts = (say(Purpose.HELP, now, helped + 1),) if helped < MOST_ANSWERS else ()
    return note(order, _event(details.AskedHelp, reply, now), *puts)


def _unknown(order: Order, reply: Replied, now: Millis) -> Decision:
    if order.state not in ANSWERABLE:
        return note(order, _event(details.RepliedLate, reply, now))
    asks = order.state in ASKED and not clarified(order) and not reply.barred
    event = _event(details.Unclear, reply, now, clarified=int(asks))
    return note(order, event, *((say(Purpose.CLARIFICATION, now),) if asks else ()))


def _ambiguous(order: Order, reply: Replied, now: Millis) -> Decision:
    """Note a reply that fits several: none moves. `which` remembers its keyword, for the code that may follow."""
    counts = reply.keyword in {Keyword.YES, Keyword.NO} and _was_being_asked(order, reply)
    counts = counts and not (reply.barred and reply.keyword is Keyword.YES)
    which = reply.keyword.value if counts else ""
    return note(order, _event(details.Unclear, reply, now, clarified=int(reply.answer), which=which))


def _was_being_asked(order: Order, reply: Replied) -> bool:
    """Whether this order's question had begun to be asked when the reply was written."""
    started = asking_since(order)
    return bool(started) and not _written_before(reply, started, order.asked_at)


_HOLDING = frozenset({Suspects.CODE, Suspects.HOLD})
_ASKING_AGAIN = tuple(
    f"sms.{purpose}."
    for purpose in (
        Purpose.CONFIRMATION, Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.RESUMED, Purpose.PROVE,
    )
)  # fmt: skip
