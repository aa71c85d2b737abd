"""The lifecycle: one table, held by one `transitions` machine that no order lives in.

The only file that imports `transitions`. The README's picture is made from `TRANSITIONS` and tested against it. Every
set of states follows from the table; a trigger that stands neither in it nor among the notes stops the import.
"""

from enum import Enum, StrEnum

from transitions import Machine

from consent_engine.errors import IllegalTransition


class State(StrEnum):
    """Where an order stands."""

    AGREED = "agreed"
    AWAITING_REPLY = "awaiting_reply"
    CONFIRMED = "confirmed"
    ACTIVATED = "activated"
    NOTIFIED = "notified"
    UNNOTIFIED = "unnotified"
    """The service is on, and its notification can never go out."""
    DECLINED = "declined"
    EXPIRED = "expired"
    UNDELIVERABLE = "undeliverable"
    CANCELLED = "cancelled"
    ACTIVATION_FAILED = "activation_failed"

    @property
    def settled(self) -> bool:
        """A settled order never moves again."""
        return self in SETTLED


SAID: dict[State, tuple[str, str]] = {
    State.AGREED: ("通话中同意", "call agreed"),
    State.AWAITING_REPLY: ("已发确认短信，等待回复", "awaiting reply"),
    State.CONFIRMED: ("已回复同意", "confirmed"),
    State.ACTIVATED: ("已开通", "activated"),
    State.NOTIFIED: ("已通知，完成", "notified, done"),
    State.UNNOTIFIED: ("已开通，通知无法送出", "active, notification given up"),
    State.DECLINED: ("已拒绝，未办理", "declined"),
    State.EXPIRED: ("逾期未回复，未办理", "expired"),
    State.UNDELIVERABLE: ("确认短信无法送达，未办理", "undeliverable"),
    State.CANCELLED: ("已取消，未办理", "cancelled"),
    State.ACTIVATION_FAILED: ("开通失败", "activation failed"),
}
"""A state as people read it, in Chinese and in English: on pages, in a demo's account, in the Chinese README."""


class Trigger(StrEnum):
    """What moves an order, then (from `DELIVERED` on) what is only noted beside its state."""

    CONFIRMATION_ACCEPTED = "confirmation_accepted"
    CONFIRMATION_FAILED = "confirmation_failed"
    SAID_YES = "said_yes"
    SAID_NO = "said_no"
    OPTED_OUT = "opted_out"
    CANCELLED = "cancelled"
    WINDOW_CLOSED = "window_closed"
    TOO_LATE_TO_ASK = "too_late_to_ask"
    SERVICE_ACTIVATED = "service_activated"
    ACTIVATION_REFUSED = "activation_refused"
    NOTIFICATION_ACCEPTED = "notification_accepted"
    NOTIFICATION_FAILED = "notification_failed"
    GIVEN_UP = "given_up"
    """Nobody sends the notification any more: ops said so, or the number went to another holder."""

    REPORTED = "reported"
    """The gateway's report on one of our SMS, as it came: accepted, delivered or failed."""
    DELIVERED = "delivered"
    """All segments of one of our SMS are on the handset."""
    UNCLEAR = "unclear"
    """A reply that is no answer, or that fits more than one order. It is no consent."""
    REPLIED_EARLY = "replied_early"
    """A yes while the hand-over of the question was still unrecorded."""
    EARLY_REPLY_VOID = "early_reply_void"
    """That question was never handed over as it stood, so its early yes counts for nothing."""
    REPLIED_LATE = "replied_late"
    """A reply that no longer changes anything."""
    REPLIED_BEFORE = "replied_before"
    """A reply written before the question was asked."""
    REPLIED_BARRED = "replied_barred"
    """A yes that reached us while a restriction stood against it: no consent, even when that was lifted since."""
    REPLIED_SUSPECT = "replied_suspect"
    """A yes that no person can have written: no consent, and asked once for YES with the order's code."""
    SUSPECTED = "suspected"
    """Words that may be a refusal: a person reads them, and nothing goes on before."""
    RESUMED = "resumed"
    """A person decided that they were none: the order goes on, and a yes needs its code."""
    ASKED_HELP = "asked_help"
    REMINDED = "reminded"
    HELD = "held"
    """A message that can wait is held until the quiet hours are over."""
    ASKED_AGAIN = "asked_again"
    """An agent or ops asked for the question to be sent once more."""
    INFORMED = "informed"
    """An SMS that is not the question or the notification was handed over."""
    NOT_INFORMED = "not_informed"
    PARKED = "parked"
    """Put on the stuck list, with the reason."""
    RETRIED = "retried"
    """Taken off the stuck list by a person."""
    REVEALED = "revealed"
    """Whom it is masked for was shown the number and what the subscriber wrote, for a reason."""
    ENDED_LATE = "ended_late"
    """An outside call ended after its effect was gone: kept, with its ref."""


# fmt: off
TRANSITIONS: tuple[tuple[Trigger, State, State], ...] = (
    (Trigger.CONFIRMATION_ACCEPTED, State.AGREED,         State.AWAITING_REPLY),
    (Trigger.CONFIRMATION_FAILED,   State.AGREED,         State.UNDELIVERABLE),
    (Trigger.CONFIRMATION_FAILED,   State.AWAITING_REPLY, State.UNDELIVERABLE),
    (Trigger.SAID_YES,              State.AWAITING_REPLY, State.CONFIRMED),
    (Trigger.SAID_NO,               State.AGREED,         State.DECLINED),
    (Trigger.SAID_NO,               State.AWAITING_REPLY, State.DECLINED),
    (Trigger.SAID_NO,               State.CONFIRMED,      State.DECLINED),
    (Trigger.OPTED_OUT,             State.AGREED,         State.DECLINED),
    (Trigger.OPTED_OUT,             State.AWAITING_REPLY, State.DECLINED),
    (Trigger.OPTED_OUT,             State.CONFIRMED,      State.DECLINED),
    (Trigger.CANCELLED,             State.AGREED,         State.CANCELLED),
    (Trigger.CANCELLED,             State.AWAITING_REPLY, State.CANCELLED),
    (Trigger.CANCELLED,             State.CONFIRMED,      State.CANCELLED),
    (Trigger.WINDOW_CLOSED,         State.AWAITING_REPLY, State.EXPIRED),
    (Trigger.TOO_LATE_TO_ASK,       State.AGREED,         State.EXPIRED),
    (Trigger.SERVICE_ACTIVATED,     State.CONFIRMED,      State.ACTIVATED),
    (Trigger.ACTIVATION_REFUSED,    State.CONFIRMED,      State.ACTIVATION_FAILED),
    (Trigger.NOTIFICATION_ACCEPTED, State.ACTIVATED,      State.NOTIFIED),
    (Trigger.NOTIFICATION_FAILED,   State.ACTIVATED,      State.ACTIVATED),
    (Trigger.GIVEN_UP,              State.ACTIVATED,      State.UNNOTIFIED),
)
# fmt: on

NOTES = frozenset(
    {
        Trigger.REPORTED, Trigger.DELIVERED, Trigger.UNCLEAR, Trigger.REPLIED_EARLY, Trigger.EARLY_REPLY_VOID,
        Trigger.REPLIED_LATE, Trigger.REPLIED_BEFORE, Trigger.REPLIED_BARRED, Trigger.REPLIED_SUSPECT,
        Trigger.SUSPECTED, Trigger.RESUMED,
        Trigger.ASKED_HELP, Trigger.REMINDED, Trigger.HELD, Trigger.ASKED_AGAIN, Trigger.INFORMED, Trigger.NOT_INFORMED,
        Trigger.PARKED, Trigger.RETRIED, Trigger.REVEALED, Trigger.ENDED_LATE,
    }
)  # fmt: skip
"""Triggers that may be noted in any state, and change none but where the table says so."""

if unsaid := set(State) - SAID.keys():
    raise TypeError(f"no words say: {', '.join(sorted(unsaid))}")
if unplaced := set(Trigger) - {row[0] for row in TRANSITIONS} - NOTES:
    raise TypeError(f"neither a move nor a note: {', '.join(sorted(unplaced))}")
if settling := NOTES & {trigger for trigger, _, target in TRANSITIONS if target not in {row[1] for row in TRANSITIONS}}:
    raise TypeError(f"a note that settles: {', '.join(sorted(settling))}")


def sources(trigger: Trigger) -> frozenset[State]:
    """The states in which `trigger` happens to an order."""
    return frozenset(source for each, source, _ in TRANSITIONS if each is trigger)


def _leading_to(states: frozenset[State]) -> frozenset[State]:
    """The states from which one of `states` can be reached, and these."""
    wider = states | {source for _, source, target in TRANSITIONS if target in states}
    return states if wider == states else _leading_to(wider)


def _following(states: frozenset[State]) -> frozenset[State]:
    """The states that can be reached from one of `states`, and these."""
    wider = states | {target for _, source, target in TRANSITIONS if source in states}
    return states if wider == states else _following(wider)


SETTLED = frozenset(State) - {source for _, source, _ in TRANSITIONS}
"""No way leads out of these."""
SETTLING = frozenset(trigger for trigger, _, target in TRANSITIONS if target in SETTLED)
"""What the last move of an order can be."""
ASKING = sources(Trigger.TOO_LATE_TO_ASK)
"""The question is to be handed over."""
WAITING = sources(Trigger.WINDOW_CLOSED)
"""The question was handed over, and its window is open."""
ANSWERABLE = _leading_to(sources(Trigger.SAID_YES))
"""The question is to be asked, or was: a yes can still come."""
ENGAGED = sources(Trigger.SERVICE_ACTIVATED) | _following(
    frozenset(target for trigger, _, target in TRANSITIONS if trigger is Trigger.SERVICE_ACTIVATED)
)
"""The service is on, or is being switched on."""

STAGES: dict[Trigger, str] = {
    Trigger.CONFIRMATION_ACCEPTED: "confirmation_sent",
    Trigger.SAID_YES: "reply_received",
    Trigger.SAID_NO: "reply_received",
    Trigger.OPTED_OUT: "reply_received",
    Trigger.SERVICE_ACTIVATED: "service_activated",
    Trigger.NOTIFICATION_ACCEPTED: "notification_sent",
}
"""The card's words: what a trigger reaches on the road from `call_agreed` to `notification_sent`."""

# `auto_transitions` would add `to_ACTIVATED()`: a way to activate a service without consent.
machine = Machine(
    model=None,
    states=State,
    transitions=[list[str | Enum](row) for row in TRANSITIONS],
    initial=State.AGREED,
    auto_transitions=False,
    queued=False,
)

# Read from the machine once: 0.3 us a step instead of 10. The machine stays the truth; a test compares all pairs.
_NEXT: dict[tuple[State, Trigger], State] = {
    (State[source], Trigger(name)): State[str(moves[0].dest)]
    for name, event in machine.events.items()
    for source, moves in event.transitions.items()
}


def allows(state: State, trigger: Trigger) -> bool:
    """Whether `trigger` may happen to an order in `state`."""
    return trigger in NOTES or (state, trigger) in _NEXT


def advance(state: State, trigger: Trigger) -> State:
    """Return the state that follows, or raise IllegalTransition."""
    after = _NEXT.get((state, trigger), state if trigger in NOTES else None)
    if after is None:
        raise IllegalTransition(f"{trigger} does not fit an order that is {state}")
    return after
