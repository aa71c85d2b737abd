"""The SMS of an order: the text of each one, and those that were handed over, word for word.

A text is not kept with the event of its hand-over: it follows from the agreement and from the events before it was
written. Where others came between the writing and the end of the call, the event names how many were known then.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.effects import Accepted, Millis, Purpose, is_sms, sms_parts
from consent_engine.domain.lifecycle import State, Trigger, advance
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS
from consent_engine.domain.order.details import ConfirmationAccepted, EndedLate, SmsAccepted
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.history import active_from, delivered
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.texts.render import write
from consent_engine.domain.texts.words import EDITION
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
