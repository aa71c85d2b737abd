"""Every question that a decision puts to an order's past, once. What the history says of itself is `Order`'s own:
states, instants, and until when a yes counts.
"""

from collections.abc import Iterable
from typing import TypeVar

from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.lifecycle import ENGAGED, State, Trigger
from consent_engine.domain.order.details import (
    Cancelled,
    ConfirmationAccepted,
    ConfirmationFailed,
    Detail,
    MayBeAsked,
    RepliedBefore,
    RepliedEarly,
    RepliedLate,
    ServiceActivated,
    TooLateToAsk,
    Unclear,
    Words,
)
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.order import Order

D = TypeVar("D", bound=Detail)


_NAMING = frozenset({Rule.CODE, Rule.WHICH_ONE, Rule.SUB_NUMBER})


def all_of(order: Order, kind: type[D]) -> list[tuple[Event, D]]:
    """Every event of a kind, with what it says, oldest first."""
    return [(event, event.detail) for event in order.events if isinstance(event.detail, kind)]


def last_of(order: Order, kind: type[D]) -> D | None:
    """What the newest event of a kind says."""
    for event in reversed(order.events):
        if isinstance(event.detail, kind):
            return event.detail
    return None


# -- the question -----------------------------------------------------------------------------------------------------


def asked(order: Order) -> ConfirmationAccepted | None:
    """How the question was handed over; None while it was not."""
    return last_of(order, ConfirmationAccepted)


def asking_since(order: Order) -> Millis:
    """When the question began to be asked, handed over or not; 0 while it was not."""
    accepted = asked(order)
    if accepted is not None:
        return accepted.started
    return order.question.first_at if order.question else 0


def may_be_asked(order: Order) -> bool:
    """Whether the question was handed over, or may have left us though nothing says so."""
    if order.asked_at:
        return True
    if order.state.settled:
        return any(isinstance(e.detail, MayBeAsked) and e.detail.may_be_asked for e in order.events)
    return order.question is not None and order.question.last_at > 0


def clarified(order: Order, op: str = "") -> bool:
    """Whether a clarification was asked of this order: one an order. op: the message being read does not count."""
    notes = (e.detail for e in order.events if e.op != op)
    return any(isinstance(note, Unclear | RepliedBefore) and note.clarified for note in notes)


def proves_reading(order: Order, rule: Rule) -> bool:
    """Whether a yes by this rule proves that the question was read.

    A sub-number does. A code does where the question told it, and nothing else of ours has told it since.
    """
    told_elsewhere = clarified(order) or order.last(Trigger.ASKED_HELP) is not None
    return rule is Rule.SUB_NUMBER or (rule is Rule.CODE and bool(order.doc.asks_code) and not told_elsewhere)


def early_yes(order: Order) -> RepliedEarly | None:
    """The newest yes that came before the hand-over was recorded, if it can have answered the newest attempt."""
    early = last_of(order, RepliedEarly)
    last = order.question.last_at if order.question else 0
    return early if early is not None and early.last == last else None


# -- which one? -------------------------------------------------------------------------------------------------------


def which_asked(order: Order, op: str, at: Millis, others: Iterable[Order] = ()) -> Keyword | None:
    """What the subscriber had said when we decided to ask "which one?" about this order, before a message came at `at`.

    One question, one answer: it is over once any of `others` was answered by code or sub-number since.
    """
    unclear = [
        (event.at, each.clarified, each.which)
        for event, each in all_of(order, Unclear) if each.which and event.op != op and event.at <= at
    ]  # fmt: skip
    if not any(asks for _, asks, _ in unclear):
        return None
    since = max(at for at, asks, _ in unclear if asks)
    answers = (e.detail for other in others for e in other.events if e.at >= since and e.op != op)
    if any(_names(answer) for answer in answers):
        return None
    return Keyword(str(unclear[-1][2]))


def _names(detail: Detail) -> bool:
    return isinstance(detail, Words | RepliedLate) and detail.rule in _NAMING and detail.keyword is not Keyword.UNKNOWN


def ambiguous_before(orders: Iterable[Order], op: str) -> Unclear | None:
    """The note of an ambiguous message, where it was committed in part before its reader died."""
    notes = (unclear for order in orders for event, unclear in all_of(order, Unclear) if event.op == op)
    return next((each for each in notes if each.rule is Rule.AMBIGUOUS), None)


# -- words that came --------------------------------------------------------------------------------------------------


def stops(order: Order) -> int:
    """How many STOPs this order has heard."""
    return sum(isinstance(e.detail, Words | RepliedLate) and e.detail.keyword is Keyword.STOP for e in order.events)


def told_late(order: Order) -> bool:
    """Whether the subscriber got an SMS that says a yes changes nothing."""
    kinds = RepliedLate | TooLateToAsk | ConfirmationFailed
    return any(isinstance(e.detail, kinds) and e.detail.answered for e in order.events)


def early_in_vain(order: Order) -> bool:
    """Whether a yes came before the hand-over was known, of an order that was never handed over."""
    return order.state is State.AGREED and last_of(order, RepliedEarly) is not None


def yes_in_vain(order: Order) -> Event | None:
    """The newest yes that reached us, where it has led to nothing: no service is on, or being switched on, and none can
    come of that yes any more.
    """
    if order.state in ENGAGED or (order.state is State.AGREED and early_yes(order) is not None):
        return None
    return next((event for event in reversed(order.events) if _is_yes(event)), None)


def _is_yes(event: Event) -> bool:
    """Whether an event is a yes; one that a refusal outweighed cancelled its order, with the words of it."""
    if isinstance(event.detail, Words | RepliedLate):
        return event.detail.keyword is Keyword.YES
    return isinstance(event.detail, Cancelled) and bool(event.person)


def took_back(order: Order) -> tuple[Event, RepliedLate] | None:
    """The first no or STOP that came too late to end the order."""
    words = (each for each in all_of(order, RepliedLate) if each[1].keyword in {Keyword.NO, Keyword.STOP})
    return next(words, None)


PLAN_REVOKED = "plan"
"""The door by which an order is cancelled whose plan was revoked, where its activation had begun."""


def revoked_late(order: Order) -> str:
    """Why its plan was revoked while its activation was under way, or in doubt; '' where it was not."""
    return next((late.reason or "" for _, late in all_of(order, RepliedLate) if late.door == PLAN_REVOKED), "")


NUMBER_CHANGED = "number_changed"
"""Why an order was cancelled, or its notification given up."""
BY_LINE = "line"
"""The door by which that came."""


def number_changed(order: Order) -> bool:
    """Whether the number went to another holder since the order was asked: nothing more is sent."""
    return any(
        e.detail.door == BY_LINE and e.detail.reason == NUMBER_CHANGED
        for e in order.events if isinstance(e.detail, (Cancelled, RepliedLate))
    )  # fmt: skip


# -- reports ----------------------------------------------------------------------------------------------------------


def asks(effect: str) -> bool:
    """Whether an SMS is the question, or the question again."""
    return effect.startswith(f"sms.{Purpose.CONFIRMATION}.")


# -- the service ------------------------------------------------------------------------------------------------------


def active_from(order: Order) -> str:
    """From when the service is on, as the BSS said; '' where it did not."""
    activated = last_of(order, ServiceActivated)
    return activated.note if activated is not None else ""
