"""The one place where the next step is decided. Pure: an order, a fact and an instant in, a decision out.

The outcomes of outside calls are decided in `on_outcome`, subscribers' replies in `on_reply`, delivery reports in
`on_delivery_report`; timers and people's requests, here.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from consent_engine.domain.decide.decision import (
    A_SECOND,
    Decision,
    Drop,
    Put,
    activating,
    asking_at,
    begun,
    changed_hands,
    closing,
    held_back,
    note,
    refuse_or_note,
    say,
    settle,
    telling,
    unless_in_flight,
    window_moved,
)
from consent_engine.domain.decide.on_outcome import failed, on_outcome, on_report
from consent_engine.domain.decide.on_reply import on_reply
from consent_engine.domain.effects import (
    ACTIVATE,
    NOTIFICATION,
    WAKE_ACTIVATE,
    WAKE_FAILED,
    WAKE_REMINDER,
    WAKE_TOO_LATE,
    WAKE_WINDOW,
    Millis,
    Purpose,
    sms_effect,
)
from consent_engine.domain.lifecycle import ASKING, WAITING, State, Trigger
from consent_engine.domain.line.restriction import EVERY_CARRIER, OF_A_MINOR, Kind, name_of, names_barring
from consent_engine.domain.order import details
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.facts import (
    Barred,
    CancelAsked,
    Ended,
    Fact,
    GiveUpAsked,
    NumberChanged,
    PlacedAgain,
    Replied,
    Reported,
    ResendAsked,
    Resumed,
    RetryAsked,
    Revealed,
    Woke,
)
from consent_engine.domain.order.history import MINOR, all_of, said_yes
from consent_engine.domain.order.order import Order
from consent_engine.errors import InFlight, NotActivated, NothingParked, NotWaiting, TooLate, TooManyResends

MOST_REVEALED = 50
"""The most looks at an order that its chain records; the audit lines record all of them."""


def decide(order: Order, fact: Fact, now: Millis) -> Decision:
    """Return the order as `fact` leaves it, and the effects to add and to drop.

    A fact that was decided before is void. Raises TooLate, NothingParked, NotActivated and the like to people who ask
    for the impossible.
    """
    if order.knows(fact.op):
        return Decision(order)
    return window_moved(order, _WAYS[type(fact)](order, fact, now))


def _on_timer(order: Order, fact: Woke, now: Millis) -> Decision:
    """Handle a timer that is due; an unread message may forbid settling on it."""
    effect, op = fact.effect, fact.op
    pending = order.effects.get(effect)
    if pending is None or pending.attempts != fact.token:
        return Decision(order)
    if fact.waits:
        return Decision(order, put=(Put(effect, now + A_SECOND),))
    way = _TIMERS.get(effect)
    return way(order, op, now) if way else Decision(order)


def _close(order: Order, op: str, now: Millis) -> Decision:
    """Settle an order whose window is over."""
    if order.state not in WAITING:
        return Decision(order)
    if now <= order.reply_by:  # the window moved: the question reached the handset late
        return Decision(order, put=(closing(order.reply_by),))
    return settle(order, Event.of(details.bare(Trigger.WINDOW_CLOSED), now, op, by="engine"), guard=order.reply_by)


def _too_late(order: Order, op: str, now: Millis) -> Decision:
    """Settle an order whose question was not handed over in time."""
    if order.state not in ASKING:
        return Decision(order)
    question = order.question
    if question and question.leased_at:  # in flight: let it end first, so that a question that went out counts
        return Decision(order, put=(Put(WAKE_TOO_LATE, now + A_SECOND),))
    return settle(order, Event.of(details.TooLateToAsk(), now, op, by="engine"), guard=order.ask_by)


def _activate(order: Order, op: str, now: Millis) -> Decision:
    """Put a barred activation again."""
    if order.state is not State.CONFIRMED:
        return Decision(order)
    return Decision(order, put=(activating(order, now),))


def _on_resumed(order: Order, fact: Resumed, now: Millis) -> Decision:
    """Go on after a suspected refusal was none: an SMS says how to confirm, while that is still possible."""
    if order.state.settled:
        return Decision(order)
    still = order.is_suspected if fact.doubtful else order.is_doubtful
    waits = order.state in WAITING and now <= order.reply_by and not still
    detail = details.Resumed(reason=fact.reason, needs_code=int(waits), doubtful=1 if fact.doubtful else None)
    event = Event.of(detail, now, fact.op, by=fact.by)
    if still:  # another reply waits for a person
        return note(order, event)
    n = 1 + sum(1 for _ in order.all(Trigger.RESUMED))
    if waits:
        return note(order, event, say(Purpose.RESUMED, now, n))
    return replace(note(order, event, *(resting := asking_at(order, now))), drop=unless_in_flight(resting))


def _on_barred(order: Order, fact: Barred, now: Millis) -> Decision:
    """Handle an activation barred by a restriction: a refusal ends the order, all else makes it wait."""
    if order.state is not State.CONFIRMED or begun(order):
        return Decision(order)
    against = frozenset(fact.names) & frozenset(names_barring(order.doc.carrier, order.doc.plan, order.id))
    if name_of(Kind.STALE_HOLDER, order.id) in against:
        return changed_hands(order, now, fact.op, "engine")
    if OF_A_MINOR in against:
        event = Event.of(details.Cancelled(reason=MINOR, door=details.OF_LINE), now, fact.op, by="engine")
        return telling(settle(order, event, started=Drop.NOT_BEGUN), fact.op, now)
    fell = next((late for _, late in all_of(order, details.RepliedLate) if late.door == details.OF_CALL), None)
    if fell is not None and name_of(Kind.REVIEW, order.id) in against:  # the second look upheld the failure meanwhile
        end = details.Cancelled(reason=fell.reason or "", door=fell.door)
        return telling(settle(order, Event.of(end, now, fact.op, by="engine"), started=Drop.NOT_BEGUN), fact.op, now)
    everything = any(name_of(Kind.REFUSED, scope) in against for scope in (EVERY_CARRIER, order.doc.carrier))
    if not (everything or name_of(Kind.REFUSED, order.doc.carrier, order.doc.plan) in against):
        return Decision(order)
    event = Event.of(details.Cancelled(reason="refused", limited=int(not everything)), now, fact.op, by="engine")
    return settle(order, event, started=Drop.NOT_BEGUN)


def _remind(order: Order, op: str, now: Millis) -> Decision:
    """Ask once more, by day; a reminder that comes, or would come, after the window is dropped."""
    if order.state not in WAITING:
        return Decision(order)
    window = closing(order.reply_by)
    if now > order.reply_by or order.awaits_person:  # the SMS after a person's decision asks anew
        return Decision(order, put=(window,))
    events, again = held_back(order, Put(WAKE_REMINDER, now), op, now)
    if not events:
        reminded = note(
            order, Event.of(details.bare(Trigger.REMINDED), now, op, by="engine"), say(Purpose.REMINDER, now), window
        )
        return replace(reminded, guard=now)  # no reminder for a subscriber whose answer is only unread
    return Decision(order.moved(*events), events, (again if again.due < order.reply_by else window,))


def _on_resend(order: Order, fact: ResendAsked, now: Millis) -> Decision:
    """Put the question again, under a new ref; the window goes on. Raises NotWaiting and TooManyResends."""
    if order.state not in WAITING:
        raise NotWaiting(f"order is {order.state}: nothing waits for a reply", state=order.state.value)
    if order.awaits_person:
        raise NotWaiting(
            "the subscriber's last reply may be a refusal: a person decides first", state=order.state.value
        )
    if fact.waits:
        raise NotWaiting(
            "the subscriber's last message is not read yet: try again in a moment", state=order.state.value
        )
    already = sum(1 for _ in order.all(Trigger.ASKED_AGAIN))
    asked = order.effects.get(sms_effect(Purpose.CONFIRMATION, already + 1)) if already else None
    if asked is not None and not asked.parked:  # it is on its way: a request made twice, or not answered, counts once
        return Decision(order)
    if already >= order.doc.policy.resend_max:
        raise TooManyResends(f"the question was asked again {already} times: that is as often as may be")
    event = Event.of(details.AskedAgain(n=already + 2), now, fact.op, by=fact.by)
    return replace(note(order, event, say(Purpose.CONFIRMATION, now, already + 2)), guard=now)


def _on_cancel(order: Order, fact: CancelAsked, now: Millis) -> Decision:
    """Cancel; raises TooLate when a person asked and an activation was started or the order has settled."""
    door = details.OF_PLAN if fact.revoked else fact.door
    cancelled = details.Cancelled(reason=fact.reason, door=door, limited=int(fact.limited))
    too_late = details.RepliedLate(reason=fact.reason, door=door, limited=int(fact.limited))
    event, late = (Event.of(each, now, fact.op, fact.ref, fact.by, fact.person) for each in (cancelled, too_late))
    decision = refuse_or_note(order, event, late)
    if decision.order.state is not order.state:
        refused = door not in {"", details.OF_CALL, details.OF_PLAN, details.OF_LINE}
        waits = fact.revoked or (not refused and said_yes(order))
        return telling(decision, fact.op, now) if waits else decision
    if door:
        return decision
    raise TooLate(f"order is {order.state}: it can no longer be cancelled", state=order.state.value)


def _on_give_up(order: Order, fact: GiveUpAsked, now: Millis) -> Decision:
    """End an order whose notification can never go out. Raises NotActivated, and InFlight while it is being sent."""
    if order.state is State.UNNOTIFIED:
        return Decision(order)
    if order.state is not State.ACTIVATED:
        raise NotActivated(f"order is {order.state}: no notification of it waits", state=order.state.value)
    pending = order.effects.get(NOTIFICATION)
    if pending is not None and pending.leased_at:
        raise InFlight("its notification is being sent just now: see how that ends")
    event = Event.of(details.GivenUp(reason=fact.reason), now, fact.op, by=fact.by)
    return settle(order, event, unsent=Drop.NOT_IN_FLIGHT)


def _on_retry(order: Order, fact: RetryAsked, now: Millis) -> Decision:
    """Retry what is parked, and believe its next answer; raises NothingParked."""
    wanted = fact.effects or order.effects
    parked = {effect: pending for effect, pending in order.effects.items() if pending.parked and effect in wanted}
    if not parked:
        raise NothingParked("nothing of this order stands on the stuck list")
    # The values that the gate checks are taken from the order once more.
    about = {ACTIVATE: (order.doc.carrier, order.doc.plan)}
    puts = tuple(
        Put(effect, now, replace(p.once_more(fact.by), about=about.get(effect, ()))) for effect, p in parked.items()
    )
    return note(order, Event.of(details.Retried(effects=tuple(sorted(parked))), now, fact.op, by=fact.by), *puts)


def _on_revealed(order: Order, fact: Revealed, now: Millis) -> Decision:
    """Record a look in any state; it changes nothing. Looks beyond the chain's limit are not recorded."""
    if sum(1 for _ in order.all(Trigger.REVEALED)) >= MOST_REVEALED:
        return Decision(order)
    return note(order, Event.of(details.Revealed(role=fact.role, reason=fact.reason), now, fact.op, by=fact.by))


def _on_placed_again(order: Order, fact: PlacedAgain, now: Millis) -> Decision:
    """Name the other order of the same call: neither of the two is moved by that."""
    return note(order, Event.of(details.PlacedAgain(old=fact.old, new=fact.new), now, fact.op, by=fact.by))


_TIMERS: dict[str, Callable[[Order, str, Millis], Decision]] = {
    WAKE_WINDOW: _close,
    WAKE_TOO_LATE: _too_late,
    WAKE_REMINDER: _remind,
    WAKE_FAILED: failed,
    WAKE_ACTIVATE: _activate,
}
_WAYS: dict[type[Fact], Callable[[Order, Any, Millis], Decision]] = {
    Barred: _on_barred,
    Ended: on_outcome,
    Replied: on_reply,
    Reported: on_report,
    Resumed: _on_resumed,
    Woke: _on_timer,
    CancelAsked: _on_cancel,
    RetryAsked: _on_retry,
    ResendAsked: _on_resend,
    GiveUpAsked: _on_give_up,
    Revealed: _on_revealed,
    PlacedAgain: _on_placed_again,
    NumberChanged: lambda order, fact, now: changed_hands(order, now, fact.op, fact.by, fact.ref),
}
