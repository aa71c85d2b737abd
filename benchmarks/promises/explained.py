"""Reasons why a yes of a chaos run moved nothing, or a question was asked again: from its order's history alone."""

import contextlib
from collections.abc import Sequence

from consent_engine.domain.lifecycle import State, Trigger, advance
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.errors import IllegalTransition


def doubts(order: Order, copies: int) -> str:
    """Return what the history tells of the attempts before the one that counted; '' when it tells of none."""
    accepted = order.last(Trigger.CONFIRMATION_ACCEPTED)
    if accepted is None:
        told = order.last(Trigger.PARKED) or (order.events[-1] if order.events else None)
        return f"its hand-over was never recorded: {told.trigger.value}, then {order.state.value}" if told else ""
    retried = order.last(Trigger.RETRIED) is not None
    may_have = int(str(accepted.as_json()["may_have"]))
    if copies <= may_have or retried:
        return f"{may_have - 1} attempt(s) whose end was lost or in doubt"
    return ""


FOLLOWS = frozenset({Trigger.EARLY_REPLY_VOID, Trigger.CONFIRMATION_ACCEPTED})
"""Events that name a reply as their reason; the reply has an event of its own."""
UNEXPLAINED = "unexplained:"


def why_not(order: Order, n: int) -> str:
    """Return why a yes, the order's n-th event, moved nothing."""
    event, before, after = order.events[n], order.events[:n], order.events[n + 1 :]
    state = State.AGREED
    with contextlib.suppress(IllegalTransition):  # illegal transitions are reported by the check that replays
        for each in before:
            state = advance(state, each.trigger)
    reason = NO_CONSENT.get(event.trigger, "")
    if event.trigger is Trigger.REPLIED_LATE:
        reason = _why_late(order, event, before, state)
    elif event.trigger is Trigger.REPLIED_EARLY:
        reason = _why_void(event, after)
    return reason or f"{UNEXPLAINED} {order.id}: {event.trigger}, {state}, then {order.state}"


def _why_late(order: Order, event: Event, before: Sequence[Event], state: State) -> str:
    if any(each.trigger is Trigger.SAID_YES for each in before):
        return "a second yes"
    if state is not State.AWAITING_REPLY:
        return f"the order was {state.value}"
    return "after the window" if int(str(event.as_json()["received_at"])) > order.reply_by else ""


def _why_void(event: Event, after: Sequence[Event]) -> str:
    triggers = {each.trigger for each in after}
    if any(each.trigger is Trigger.EARLY_REPLY_VOID and each.ref == event.ref for each in after):
        return "given while its question was in doubt, which was then asked again"
    if Trigger.REPLIED_EARLY in triggers:
        return "a later one, given while the question was in doubt, took its place"
    return "" if Trigger.CONFIRMATION_ACCEPTED in triggers else "its question was never known to be handed over"


NO_CONSENT = {
    Trigger.REPLIED_BEFORE: "written before its question",
    Trigger.UNCLEAR: "it fitted several orders",
    Trigger.CANCELLED: "after a refusal",
}
