"""Finding a yes that no person can have written. The rules are data with an edition; the event holds the finding.

Every instant comes from the order's history and from the message: no other system is asked.
"""

from typing import NamedTuple

from consent_engine.domain.effects import Millis, Purpose, sms_effect
from consent_engine.domain.order.details import AskedAgain, Delivered, Informed, RepliedSuspect, Resumed
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.facts import Replied
from consent_engine.domain.order.history import all_of, asked
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.order.reply_cadence import Beat
from consent_engine.domain.order.unlikely_yes import Suspicion, Unlikely


class Rules(NamedTuple):
    """edition: raised by every change of these rules · characters: Chinese ones of a segment. As many Latin ones as it
    holds say about as much, so a text takes as long in both languages · short: segments of an SMS that asks for the
    code · late: ms after its own stamp from which a reply came in with a backlog, so that the stamp says when it was
    written. Those of a rhythm stand where yeses are compared (`rhythm_of`).
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
    if reply.rhythm is not None:
        return Suspicion(reply.rhythm.rule, measured, edition=RULES.edition, others=reply.rhythm.others)
    return None


def beat(order: Order, reply: Replied, seen: Suspicion | None) -> Beat | None:
    """Return the yes to be compared with others of the order's agent; None where no rhythm is looked for, or another
    rule was met. Once a rhythm was `seen`, the yes is kept among them and compared no more.
    """
    policy = order.doc.policy
    if not (policy.suspects and policy.cadence) or (seen is not None and seen.rule not in IN_RHYTHM):
        return None
    text, came, written = _answered(order, reply), reply.received_at, reply.written_at
    at = written if written is not None and came - written > RULES.late else came
    most = policy.cadence if seen is None else 0
    delay = max(0, reply.at - text.since)
    return Beat(order.line, order.doc.agent, delay, at, text.proves, text.delivered, most)


IN_RHYTHM = frozenset({Unlikely.CADENCE, Unlikely.LOCKSTEP})


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
