"""The subscriber look-up: the BSS names the holder of a number before an activation; a former holder's YES is void.

Only an answer lets an activation begin. An answer with another holder or network, or with a minor, is an event of the
line, as if its network had reported it: the same code ends the order, or bars it where its activation has begun.
"""

from typing import NamedTuple

from consent_engine.domain.effects import ACTIVATE, Accepted, Millis, Outcome, Unavailable, Uncertain
from consent_engine.domain.line.holder import LineEvent, Subscriber
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import OF_A_MINOR
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.engine.line_events import SKEW_MS, LineEventAsked
from consent_engine.ports import Endpoint, Leased, Outside
from consent_engine.ports.endpoints import BSS

BY = "bss"
"""The name under which the history records the result of a look-up."""
CHANGED = "the BSS says that the number went to another holder or network"
OF_A_CHILD = "the BSS says that the number's holder is a minor"


class Looked(NamedTuple):
    """The result of a subscriber look-up. measured: how the request itself ended · ends: the outcome of an activation
    that must not begin · event: the event for its line
    """

    target: Endpoint
    measured: Outcome
    ends: Outcome | None = None
    event: LineEventAsked | None = None


async def looked_up(outside: Outside, leased: Leased) -> Looked | None:
    """Ask for the holder of a number before its activation; None without a look-up service, or for other effects."""
    order = leased.order
    if outside.subscribers is None or order is None or leased.effect != ACTIVATE:
        return None
    answer = await outside.subscribers.look_up(order.person.msisdn)
    return _meant(Endpoint(BSS, outside.subscribers.name), order, answer, leased.at)


def _meant(target: Endpoint, order: Order, answer: Subscriber | Unavailable, now: Millis) -> Looked:
    if not isinstance(answer, Unavailable) and answer.holder_since > now + SKEW_MS:
        answer = Unavailable("look-up: a holder from a day to come")
    if isinstance(answer, Unavailable):
        return Looked(target, answer, answer)
    accepted, event = Accepted(""), _event(order, answer, now)
    if event is None:
        return Looked(target, accepted)
    # In doubt it may have been activated for the holder before: a person must find that out, and it is not tried again.
    in_doubt, why = order.effects[ACTIVATE].in_doubt, OF_A_CHILD if event.event is LineEvent.MINOR else CHANGED
    return Looked(target, accepted, Uncertain(why) if in_doubt else Unavailable(why), event)


def _event(order: Order, answer: Subscriber, now: Millis) -> LineEventAsked | None:
    number, carrier = Msisdn(order.person.msisdn), order.doc.carrier
    if answer.came_after(order.doc.call.started_at):
        return LineEventAsked(number, LineEvent.ASSIGNED, answer.holder_since, BY)
    if answer.is_elsewhere(carrier):
        return LineEventAsked(number, LineEvent.PORTED_OUT, now, BY, carrier)
    return LineEventAsked(number, LineEvent.MINOR, now, BY) if answer.adult is False else None


def of_age(line: Line, msisdn: Msisdn, answer: Subscriber, now: Millis) -> LineEventAsked | None:
    """Return the event by which a line comes to say what the BSS said, before an order, of its holder's age; None where
    it says so, or the BSS does not.
    """
    is_minor = line.named(OF_A_MINOR) is not None
    if answer.adult is None or answer.adult is not is_minor:
        return None
    return LineEventAsked(msisdn, LineEvent.OF_AGE if answer.adult else LineEvent.MINOR, now, BY)
