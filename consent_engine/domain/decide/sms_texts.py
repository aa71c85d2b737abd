"""The SMS of an order: the text of each one, and those that were handed over, word for word.

A text is not kept with the event of its hand-over: it follows from the agreement and from the events before it was
written. Where others came between the writing and the end of the call, the event names how many were known then.
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.call.report import OF_OTHERS, Report, ReportClass, Reward
from consent_engine.domain.days import Days
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import Accepted, Millis, Pending, Purpose, is_sms, sms_effect, sms_parts
from consent_engine.domain.lifecycle import State, Trigger, advance
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS
from consent_engine.domain.order.details import ConfirmationAccepted, EndedLate, SmsAccepted
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.history import active_from, delivered
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.texts.confirmation_fields import plain
from consent_engine.domain.texts.render import AMOUNT, GROUND, NO_REWARD, REWARD_GRANTED, REWARD_OPEN, named, write
from consent_engine.domain.texts.words import (
    ALLOWED,
    EDITION,
    FORBIDDEN,
    NOT_OURS,
    PAID,
    RECEIVED,
    SPOOFED,
    by_end_of,
    clock_of,
)
from consent_engine.errors import BrokenRecord

_ACCEPTED = Accepted.__name__.lower()


class Sent(Struct, frozen=True):
    """An SMS that was handed over. text: '' where the person part that it needs is erased · delivered: all of it is on
    the handset
    """

    purpose: Purpose
    text: str
    delivered: bool


def text_of(order: Order, purpose: Purpose) -> str:
    """Return the text of an order's SMS: the question as frozen at the door, the others in the order's language.

    Raises BrokenRecord where its words are of another edition than the one known here.
    """
    if purpose is Purpose.CONFIRMATION:
        return order.text
    offer = order.doc.offer
    if offer.words != EDITION:
        raise BrokenRecord(f"the words of this order are of edition {offer.words}, which is not known here")
    asked = order.last(Trigger.ASKED_HELP)
    return write(
        purpose, order.subject(), needs_code=order.needs_code, active_from=active_from(order),
        until=_until(order, purpose), at=asked.at if asked else 0, language=offer.language,
    )  # fmt: skip


def sent(order: Order) -> Iterator[tuple[int, Sent]]:
    """Yield every SMS that was handed over, oldest first, with the number of its event among the order's (from 0)."""
    for n, event in enumerate(order.events):
        effect = _handed_over(event)
        if effect:
            purpose, _ = sms_parts(effect)
            known = getattr(event.detail, "known", None)
            text = text_of(_as_of(order, n if known is None else known), purpose)
            yield n, Sent(purpose, text, delivered(order, effect))


def _handed_over(event: Event) -> str:
    """Return the effect whose SMS this event records as handed over; '' for any other event."""
    match event.detail:
        case ConfirmationAccepted():
            return QUESTION
        case SmsAccepted(purpose=purpose):
            effect = event.op.partition("#")[0]
            return effect if is_sms(effect) else f"sms.{purpose}.1"
        case EndedLate(effect=effect, outcome=outcome) if outcome == _ACCEPTED and is_sms(effect):
            return effect
    return ""


def _as_of(order: Order, n: int) -> Order:
    """Return the order as it stood after its first n events."""
    events, state = order.events[:n], State.AGREED
    for event in events:
        state = advance(state, event.trigger)
    return replace(order, events=events, state=state)


def _until(order: Order, purpose: Purpose) -> Millis:
    """Return the instant that a text names: the deadline of a person's reading, or until when a yes counts."""
    if purpose in {Purpose.RESUMED, Purpose.REMINDER, Purpose.PROVE}:
        return order.surely_until
    suspected = order.last(Trigger.SUSPECTED)
    return suspected.at + SUSPICION_LASTS_MS if suspected else 0


CENTRE = "12321"


class Telling(Struct, frozen=True):
    """The addressee of a text: a carrier's reporter, on a line of a version, with the calendar days used there."""

    carrier: str
    version: int
    days: Days
    at: Millis

    def clock(self, at: Millis, language: str) -> str:
        """Return an instant as people say it."""
        return clock_of(at // 60_000, language, self.days)

    def put(self, purpose: Purpose, text: str, language: str, *about: str) -> Put:
        """Return the SMS, due at once."""
        kept = (self.carrier, named(text, language), *about)
        return Put(sms_effect(purpose, self.version), self.at, Pending(about=kept))


def received(report: Report, to: Telling) -> Put:
    """Return the SMS that a report came, with its number and when it will be answered."""
    complaint, language = report.received, report.received.language
    at, due = to.clock(complaint.received_at, language), by_end_of(to.days.at(complaint.answer_by), language)
    return to.put(Purpose.REPORT, RECEIVED, language, report.number, at, due)


def found(report: Report, to: Telling) -> Put:
    """Return the SMS with the finding on a report. Raises ValueError for a report without a decision."""
    decided = report.decided
    if decided is None:
        raise ValueError("nobody has decided this report")
    complaint, language = report.received, report.received.language
    number, caller, at = report.number, report.person.caller, to.clock(complaint.called_at, language)
    if decided.found in OF_OTHERS:
        return to.put(Purpose.REPORT, NOT_OURS, language, number, caller, decided.forwarded or CENTRE)
    if decided.found is ReportClass.OURS_SPOOFED:
        return to.put(Purpose.REPORT, SPOOFED, language, number, at, caller, decided.forwarded or CENTRE)
    if decided.found is ReportClass.OURS_ALLOWED:
        return to.put(Purpose.REPORT, ALLOWED, language, number, at, caller, GROUND[language])
    reward = _reward(decided.reward, decided.amount, language)
    return to.put(Purpose.REPORT, FORBIDDEN, language, number, at, caller, reward)


def paid(report: Report, amount: str, to: Telling) -> Put:
    language = report.received.language
    return to.put(Purpose.REWARD, PAID, language, report.number, AMOUNT[language].format(plain(Decimal(amount))))


def _reward(reward: Reward, amount: str, language: str) -> str:
    if reward is Reward.ELIGIBLE:
        return REWARD_OPEN[language]
    return NO_REWARD[language] if reward is Reward.NONE else REWARD_GRANTED[language].format(plain(Decimal(amount)))
