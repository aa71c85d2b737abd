"""Conclusions from all reports on an SMS together: that it was not delivered, or that all of it is on the handset."""

from msgspec.structs import replace

from consent_engine.domain.decide.decision import A_SECOND, Decision, Put, note, settle
from consent_engine.domain.effects import WAKE_FAILED, Millis, sms_parts
from consent_engine.domain.lifecycle import WAITING
from consent_engine.domain.order import details
from consent_engine.domain.order.deliveries import (
    all_failed,
    delivered,
    last_failure,
    noted_delivered,
    reached_nobody,
    unanswered,
    was_reported,
    why_lost,
)
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.history import asked
from consent_engine.domain.order.order import QUESTION, Order


def failed(order: Order, op: str, now: Millis, *, waits: bool = False) -> Decision:
    """Settle an order whose question surely did not arrive. waits: unread messages may say otherwise; then it is looked
    at again once they are read.
    """
    if not reached_nobody(order):
        return Decision(order)
    if waits or _ids_are_to_come(order, now):
        return Decision(order, put=(Put(WAKE_FAILED, now + A_SECOND),))
    last, report = last_failure(order)
    event = Event.of(details.ConfirmationFailed(reason=why_lost(report)), now, op, last.ref, last.by)
    return settle(order, event, guard=now, unasked=True)


def settle_if_failed(decision: Decision, op: str, now: Millis, *, waits: bool) -> Decision:
    """Settle an order as failed where a report of failure overtook the record of the hand-over, unless a yes proves
    otherwise.
    """
    order = decision.order
    accepted = asked(order) if was_reported(order) else None
    if order.state not in WAITING or accepted is None or not all_failed(order, accepted.may_have):
        return decision
    if waits or _ids_are_to_come(order, now):  # unread messages, or ids to come: looked at again soon
        return replace(decision, put=(*decision.put, Put(WAKE_FAILED, now + A_SECOND)))
    why = details.ConfirmationFailed(reason=why_lost(last_failure(order)[1]))
    event = Event.of(why, now, f"{op}:failed", "", "gateway")
    return replace(settle(order, event, guard=now), events=(*decision.events, event))


def _ids_are_to_come(order: Order, now: Millis) -> bool:
    """Whether several apparent failed attempts may be parts of the one attempt that is not answered yet."""
    accepted = asked(order)
    return accepted is not None and accepted.may_have > 1 and unanswered(order, QUESTION, now)


def note_delivered(
    order: Order, effect: str, now: Millis, op: str, ref: str, by: str, stamped: Millis | None = None
) -> Decision:
    """Record once that all of an SMS is on the handset. stamped: since when, by the gateway's clock."""
    if noted_delivered(order, effect) or not delivered(order, effect) or unanswered(order, effect, now):
        return Decision(order)
    detail = details.Delivered(effect=effect, purpose=sms_parts(effect)[0], stamped=stamped)
    return note(order, Event.of(detail, now, f"{op}:all", ref, by))


def combined(first: Decision, second: Decision) -> Decision:
    """Combine two decisions on one fact: the second was made about the order as the first leaves it."""
    return Decision(
        second.order,
        (*first.events, *second.events),
        (*first.put, *second.put),
        (*first.drop, *second.drop),
        first.guard if second.guard is None else second.guard,
    )
