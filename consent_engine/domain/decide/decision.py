"""The parts of a decision, and the moves that several decisions share."""

from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.call.call import ABANDONED_AFTER_MS
from consent_engine.domain.effects import (
    ACTIVATE,
    FRESH,
    NOTIFICATION,
    WAKE_ABANDONED,
    WAKE_ACTIVATE,
    WAKE_ARCHIVE,
    WAKE_REMINDER,
    WAKE_TOO_LATE,
    WAKE_WINDOW,
    Lane,
    Millis,
    Pending,
    Purpose,
    lane_of,
    sms_effect,
)
from consent_engine.domain.lifecycle import WAITING, State, Trigger, allows
from consent_engine.domain.offer.offer import LATE_MARGIN, UNDELIVERED_MS
from consent_engine.domain.order.details import (
    OF_LINE,
    Cancelled,
    ConfirmationAccepted,
    ConfirmationFailed,
    GivenUp,
    Held,
    MayBeAsked,
    RepliedLate,
    TooLateToAsk,
)
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.history import NUMBER_CHANGED, answered_late, asks, early_in_vain, number_changed
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.order.unlikely_yes import Beat

A_SECOND = 1_000
A_MINUTE = 60_000
PARKED: Millis = -1
"""The due time of an effect that waits for a person: kept as +inf, which is the stuck list."""


class Drop(IntEnum):
    """The condition for dropping an effect; otherwise the whole commit is refused and the fact is decided again."""

    ANYWAY = 0
    NOT_BEGUN = 1
    """neither in flight nor in doubt; an attempt that surely did nothing, or unknown to the BSS, is not begun"""
    NOT_IN_FLIGHT = 2


class Put(Struct, frozen=True):
    """An effect to add, or to keep with another due time."""

    effect: str
    due: Millis
    pending: Pending = FRESH


class Decision(Struct, frozen=True):
    """The consequences of a fact.

    order: as it is afterwards · events: to append · put, drop: effects · guard: settle only if no message received at
    or before this instant is unread · beat: the yes behind it, to be compared with others of its
    agent · nothing to write at all: `is_void`
    """

    order: Order
    events: tuple[Event, ...] = ()
    put: tuple[Put, ...] = ()
    drop: tuple[tuple[str, Drop], ...] = ()
    guard: Millis | None = None
    beat: Beat | None = None

    @property
    def is_void(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.events or self.put or self.drop)


def settle(
    order: Order, event: Event, *puts: Put, started: Drop = Drop.ANYWAY, guard: Millis | None = None,
    unasked: bool = False, unsent: Drop = Drop.ANYWAY,
) -> Decision:  # fmt: skip
    """Settle: drop every effect that is not a consequence of it. Nothing more is sent to a subscriber who has answered,
    but the answer to a STOP. Once no reply can mean it any more, the order moves to the archive.

    started, unsent: when a started activation, or notification, may be dropped · unasked: the question is surely not
    with the subscriber. Otherwise a question in flight, or in doubt, is recorded: a bare yes that comes later may
    answer it. An early yes to a question that was never handed over gets the answer that it changes nothing.
    """
    kinds = {ACTIVATE: started, NOTIFICATION: unsent}
    question = order.question
    may_be_sent = question is not None and order.state is State.AGREED and (question.leased_at or question.doubts)
    if may_be_sent and not unasked and isinstance(event.detail, MayBeAsked):
        event = replace(event, detail=replace(event.detail, may_be_asked=1))
    if (
        isinstance(event.detail, (TooLateToAsk, ConfirmationFailed))
        and early_in_vain(order)
        and not answered_late(order)
    ):
        event = replace(event, detail=replace(event.detail, answered=1))
        puts = (*puts, say(Purpose.LATE, event.at))
    settled = order.moved(event)
    over = [effect for effect in order.effects if effect not in answers_to_stops(order)]
    gone = tuple((effect, kinds[effect]) if effect in kinds else off(order, effect) for effect in over)
    return Decision(settled, (event,), (*puts, archiving(settled)), gone, guard)


def off(order: Order, effect: str) -> tuple[str, Drop]:
    """Drop an effect; a question only as it was seen: if it began since, decide again, so that the history tells of
    every copy.
    """
    seen = order.effects.get(effect)
    careful = asks(effect) and not (seen and seen.leased_at)
    return effect, Drop.NOT_IN_FLIGHT if careful else Drop.ANYWAY


OUTCOME_MS: Millis = 15_000
"""How long the answer to a STOP waits for the outcome of an activation in flight, so as to say it once and truly."""


def answers_to_stops(order: Order) -> tuple[str, ...]:
    """Return the SMS answering a STOP that are still to be handed over."""
    return tuple(effect for effect in order.effects if effect.startswith(f"sms.{Purpose.OPTED_OUT}."))


def now_answered(before: Order, decision: Decision, now: Millis) -> Decision:
    """Return the decision with the answers to STOPs that waited for it due at once; a changed number gets none."""
    waiting = ((each, before.effects[each]) for each in answers_to_stops(before) if not number_changed(before))
    due = tuple(Put(each, now, pending) for each, pending in waiting if not pending.attempts)
    return replace(decision, put=(*decision.put, *due), drop=(*decision.drop, *unless_in_flight(due)))


def note(order: Order, event: Event, *puts: Put) -> Decision:
    """Record an event; the order's state stays the same."""
    return Decision(order.moved(event), (event,), puts)


def say(purpose: Purpose, now: Millis, n: int = 1) -> Put:
    """Return an SMS, due at once."""
    return Put(sms_effect(purpose, n), now)


def activating(order: Order, now: Millis) -> Put:
    """Return the activation, due at once. The gate checks its carrier and plan against the line's restrictions."""
    return Put(ACTIVATE, now, Pending(about=(order.doc.carrier, order.doc.plan)))


def asking_at(order: Order, due: Millis) -> tuple[Put, ...]:
    """Return the question, where it is still to be asked and is not being asked just now, with another due time."""
    question = order.question
    waits = order.state is State.AGREED and question is not None and not (question.leased_at or question.parked)
    return (Put(QUESTION, due, question),) if waits and question is not None else ()


def unless_in_flight(puts: tuple[Put, ...]) -> tuple[tuple[str, Drop], ...]:
    """Drop these effects as they stand: if one began after the order was read, the commit is decided again."""
    return tuple((put.effect, Drop.NOT_IN_FLIGHT) for put in puts)


def activates(before: Order, decision: Decision) -> bool:
    """Whether a decision puts the activation of an order that had none."""
    return ACTIVATE not in before.effects and ACTIVATE in [put.effect for put in decision.put]


def stood_off(decision: Decision, now: Millis) -> Decision:
    """Return the decision where a restriction bars its activation: that is tried again in a minute."""
    puts = tuple(Put(WAKE_ACTIVATE, now + A_MINUTE) if put.effect == ACTIVATE else put for put in decision.put)
    return replace(decision, put=puts)


def begun(order: Order) -> bool:
    """Whether the activation is in flight, or in doubt: then the order cannot be taken back any more."""
    pending = order.effects.get(ACTIVATE)
    return pending is not None and (pending.leased_at > 0 or pending.in_doubt)


def held_back(order: Order, put: Put, op: str, now: Millis) -> tuple[tuple[Event, ...], Put]:
    """Return the event of a delay to the end of the quiet hours, none outside them, and the effect as it is due."""
    until = order.doc.policy.quiet_until(now)
    if not until:
        return (), put
    held = Event.of(Held(effect=put.effect, until=until), now, f"{op}:held", by="engine")
    return (held,), replace(put, due=until)


def handed_over(
    order: Order, now: Millis, op: str, how: str, ref: str = "", parts: tuple[str, ...] = ()
) -> tuple[Order, Event, tuple[Put, ...]]:
    """Record that the question is with the subscriber. Return the order then, the event, and the timer that ends the
    wait: the reminder first, if there is one.

    how: `gateway` (it said so), `report` or `reply` (these prove it, when the gateway's answer was doubtful) · parts:
    the ids that the gateway gave its parts
    """
    pending, policy = order.question or Pending(), order.doc.policy
    detail = ConfirmationAccepted(
        how=how,
        attempts=pending.attempts,
        doubts=pending.doubts,
        may_have=max(1, pending.doubts + (1 if how == "gateway" or pending.leased_at else 0)),
        started=pending.first_at,
        last=pending.last_at,
        window=policy.reply_window,
        parts=parts,
        undelivered=UNDELIVERED_MS if policy.reports else None,
    )
    event = Event.of(detail, now, op, ref, "engine")
    moved = order.moved(event)
    return moved, event, (_waiting(moved),)


def window_moved(before: Order, decision: Decision) -> Decision:
    """Return the decision, with its timers moved where it records that the question is on the handset: the window
    begins then, and so does the wait for its end, or for the reminder.
    """
    after = decision.order
    if not after.doc.policy.reports or after.state not in WAITING or after.reply_by == before.reply_by:
        return decision
    wait = _waiting(after)
    rest = tuple(put for put in decision.put if put.effect not in _WAITS)
    named = {wait.effect, *(effect for effect, _ in decision.drop)}
    gone = tuple((effect, Drop.ANYWAY) for effect in before.effects if effect in _WAITS - named)
    return replace(decision, put=(*rest, wait), drop=(*decision.drop, *gone))


def _waiting(order: Order) -> Put:
    """Return the timer that ends the wait of an order that was asked: the reminder first, if there is one. A question
    that is still on its way gets no reminder.
    """
    policy, since = order.doc.policy, max(order.delivered_at, order.asked_at)
    reminds = 0 < policy.reminder_after < policy.reply_window and order.last(Trigger.REMINDED) is None
    if not reminds or (policy.reports and not order.delivered_at):
        return closing(order.reply_by)
    return Put(WAKE_REMINDER, since + policy.reminder_after)


_WAITS = frozenset({WAKE_REMINDER, WAKE_WINDOW})


def closing(reply_by: Millis) -> Put:
    """Return the end of the wait: a yes in the last millisecond is in time. A reminder puts it; one timer an order."""
    return Put(WAKE_WINDOW, reply_by + 1)


def giving_up(order: Order) -> Put:
    """Return the end of asking: a question that was not handed over by then is not asked at all."""
    return Put(WAKE_TOO_LATE, order.ask_by)


def parking(effect: str, pending: Pending, why: str) -> Put:
    """Return an effect on the stuck list: it waits for a person, who reads why."""
    return Put(effect, PARKED, pending.stuck(why))


def archiving(order: Order) -> Put:
    """Return the move of a settled order to the archive, due when no reply can mean it any more."""
    return Put(WAKE_ARCHIVE, order.doc.policy.remembered_until(order.settled_at) + 1)


def abandoning(now: Millis) -> Put:
    """Return the timer of a call that was made known just now, for the case that its end is not reported."""
    return Put(WAKE_ABANDONED, now + ABANDONED_AFTER_MS)


def archiving_call(over_at: Millis) -> Put:
    """Return the move of a finished call to the archive, due when no order can name it any more."""
    return Put(WAKE_ARCHIVE, over_at + LATE_MARGIN)


def telling(decision: Decision, op: str, now: Millis) -> Decision:
    """Return a cancellation with a notice: its subscriber was asked about a revoked plan, or had said yes."""
    order = decision.order
    held, notice = held_back(order, say(Purpose.CANCELLED, now), op, now)
    return replace(decision, order=order.moved(*held), events=(*decision.events, *held), put=(*decision.put, notice))


def changed_hands(order: Order, now: Millis, op: str, by: str, ref: str = "") -> Decision:
    """End an order whose number went to another holder; nothing more is sent. An activation that has begun is noted,
    and the order ends later; of a settled order, the SMS that still wait are dropped.
    """
    unsent = tuple((effect, Drop.ANYWAY) for effect in order.effects if lane_of(effect) is Lane.SMS)
    if order.state is State.ACTIVATED:
        return _left_unsaid(settle(order, Event.of(GivenUp(reason=NUMBER_CHANGED), now, op, ref, by)), unsent)
    if order.state.settled and not unsent:
        return Decision(order)
    reason, door = NUMBER_CHANGED, OF_LINE
    event = Event.of(Cancelled(reason=reason, door=door), now, op, ref, by)
    late = Event.of(RepliedLate(reason=reason, door=door), now, op, ref, by)
    return _left_unsaid(refuse_or_note(order, event, late), unsent)


def _left_unsaid(decision: Decision, unsent: tuple[tuple[str, Drop], ...]) -> Decision:
    """Return the decision with these SMS dropped, too."""
    named = dict(decision.drop)
    return replace(decision, drop=(*decision.drop, *(each for each in unsent if each[0] not in named)))


def refuse_or_note(order: Order, event: Event, late: Event, *puts: Put, late_puts: tuple[Put, ...] = ()) -> Decision:
    """End an order that is not wanted any more; once an activation has begun, only note it (and answer)."""
    if allows(order.state, event.trigger) and not begun(order):
        return settle(order, event, *puts, started=Drop.NOT_BEGUN)
    return note(order, late, *late_puts)
