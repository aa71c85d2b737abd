"""The lifecycle of an order: one table, held by one `transitions` machine without a model.

The only file that imports `transitions`. The README's picture is made from `TRANSITIONS` and tested against it. Every
set of states follows from the table; a trigger that is neither in the table nor in `NOTES` stops the import.
"""

from enum import Enum

from transitions import Machine

from consent_engine.domain.hitch import Worded
from consent_engine.errors import IllegalTransition


class State(Worded):
    """The state of an order."""

    AGREED = "agreed", "通话中同意", "call agreed"
    AWAITING_REPLY = "awaiting_reply", "已发确认短信，等待回复", "awaiting reply"
    CONFIRMED = "confirmed", "已回复同意", "confirmed"
    ACTIVATED = "activated", "已开通", "activated"
    NOTIFIED = "notified", "已通知，完成", "notified, done"
    UNNOTIFIED = "unnotified", "已开通，通知无法送出", "active, notification given up"
    """The service is on, and its notification can never go out."""
    DECLINED = "declined", "已拒绝，未办理", "declined"
    EXPIRED = "expired", "已逾期，未办理", "expired"
    UNDELIVERABLE = "undeliverable", "确认短信无法送达，未办理", "undeliverable"
    CANCELLED = "cancelled", "已取消，未办理", "cancelled"
    ACTIVATION_FAILED = "activation_failed", "开通失败", "activation failed"

    @property
    def settled(self) -> bool:
        """Whether an order in this state never moves again."""
        return self in SETTLED


class Trigger(Worded):
    """The triggers that move an order, then (from `REPORTED` on) those that are only noted beside its state."""

    CONFIRMATION_ACCEPTED = "confirmation_accepted", "确认短信已交给网关", "Confirmation SMS handed over"
    CONFIRMATION_FAILED = "confirmation_failed", "确认短信最终未能送达", "Confirmation SMS failed for good"
    SAID_YES = "said_yes", "用户回复同意", "The subscriber said yes"
    SAID_NO = "said_no", "用户回复不同意", "The subscriber said no"
    OPTED_OUT = "opted_out", "用户退订：今后不再致电", "The subscriber opted out: no more calls"
    CANCELLED = "cancelled", "订单取消", "Cancelled"
    WINDOW_CLOSED = "window_closed", "回复期限已过，不办理", "No answer in time: not activated"
    TOO_LATE_TO_ASK = (
        "too_late_to_ask",
        "未能及时发出确认短信，不办理",
        "The question could not be sent in time: not activated",
    )
    SERVICE_ACTIVATED = "service_activated", "业务已开通", "Service activated"
    ACTIVATION_REFUSED = "activation_refused", "业务系统拒绝开通", "The BSS refused to activate"
    NOTIFICATION_ACCEPTED = "notification_accepted", "开通通知已交给网关", "Notification SMS handed over"
    NOTIFICATION_FAILED = "notification_failed", "开通通知未能发出", "Notification SMS failed"
    GIVEN_UP = "given_up", "开通通知不再发送", "Notification SMS given up"
    """The notification is not sent any more: ops decided so, or the number went to another holder."""

    REPORTED = "reported", "状态报告", "Delivery report"
    """The gateway's report on one of our SMS, as it came: accepted, delivered or failed."""
    DELIVERED = "delivered", "已送达手机", "On the handset"
    """All segments of one of our SMS are on the handset."""
    UNCLEAR = "unclear", "未能识别回复内容：不算同意", "Unclear reply: no consent"
    """A reply that is no answer, or that fits more than one order. It is no consent."""
    REPLIED_EARLY = "replied_early", "回复早于发送记录：暂存", "A yes before the hand-over was recorded: kept"
    """A yes that arrived before the hand-over of the question was recorded."""
    EARLY_REPLY_VOID = "early_reply_void", "过早的回复作废", "The early yes is void"
    """The question was never handed over as it stood, so its early yes counts for nothing."""
    REPLIED_LATE = "replied_late", "超时回复：不影响办理结果", "A late reply: it changes nothing"
    REPLIED_BEFORE = "replied_before", "回复写于提问之前：不算", "A reply written before the question: does not count"
    REPLIED_BARRED = "replied_barred", "受限期间的同意：不算数", "A yes while this was barred: no consent"
    """A yes that arrived while a restriction barred it: no consent, even when the restriction was lifted since."""
    REPLIED_SUSPECT = (
        "replied_suspect",
        "回复过快或过早：请用户凭编号再次确认",
        "A yes that no person can have written: asked for the code",
    )
    """A yes that no person can have written: no consent, and asked once for YES with the order's code."""
    SUSPECTED = "suspected", "疑似拒绝：等待人工核实", "May be a refusal: a person reads it"
    """Words that may be a refusal: a person reads them, and the order waits until then."""
    RESUMED = "resumed", "核实非拒绝：继续办理", "Read, and no refusal: goes on"
    """A person decided that the words were no refusal: the order goes on, and a yes needs its code."""
    ASKED_HELP = "asked_help", "用户询问帮助", "The subscriber asked for help"
    REMINDED = "reminded", "提醒短信", "Reminder"
    HELD = "held", "免打扰时段：暂缓发送", "Quiet hours: held"
    """A message that can wait is held until the quiet hours are over."""
    ASKED_AGAIN = "asked_again", "要求重发确认短信", "Asked to send the question again"
    """An agent or ops asked for the question to be sent once more."""
    PLACED_AGAIN = "placed_again", "同一通话重新询问", "Asked again by a new order of the same call"
    """The question could not be delivered, and a new order of the same call asks again: noted on both."""
    INFORMED = "informed", "短信已交给网关", "SMS handed over"
    """An SMS that is not the question or the notification was handed over."""
    NOT_INFORMED = "not_informed", "短信未能发出", "SMS failed"
    PARKED = "parked", "需人工处理", "Needs a person"
    """Put on the stuck list, with the reason."""
    RETRIED = "retried", "人工重试", "Retried by a person"
    """Taken off the stuck list by a person."""
    REVEALED = "revealed", "完整号码被查看", "The whole number was shown"
    """A person whose role masks the number was shown it and the reply, for a stated reason."""
    ENDED_LATE = "ended_late", "外部调用事后才结束：已记录", "An outside call ended late: noted"
    """An outside call ended after its effect was gone: noted, with its ref."""


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
        Trigger.ASKED_HELP, Trigger.REMINDED, Trigger.HELD, Trigger.ASKED_AGAIN, Trigger.PLACED_AGAIN,
        Trigger.INFORMED, Trigger.NOT_INFORMED,
        Trigger.PARKED, Trigger.RETRIED, Trigger.REVEALED, Trigger.ENDED_LATE,
    }
)  # fmt: skip
"""Triggers that may be noted in any state, and that change the state only where the table says so."""

if unsaid := {each for each in (*State, *Trigger) if not all(each.said)}:
    raise TypeError(f"no words say: {', '.join(sorted(unsaid))}")
if unplaced := set(Trigger) - {row[0] for row in TRANSITIONS} - NOTES:
    raise TypeError(f"neither a move nor a note: {', '.join(sorted(unplaced))}")
if settling := NOTES & {trigger for trigger, _, target in TRANSITIONS if target not in {row[1] for row in TRANSITIONS}}:
    raise TypeError(f"a note that settles: {', '.join(sorted(settling))}")


def sources(trigger: Trigger) -> frozenset[State]:
    """The states in which `trigger` happens to an order."""
    return frozenset(source for each, source, _ in TRANSITIONS if each is trigger)


def _leading_to(states: frozenset[State]) -> frozenset[State]:
    """The states from which one of `states` can be reached, and `states` themselves."""
    wider = states | {source for _, source, target in TRANSITIONS if target in states}
    return states if wider == states else _leading_to(wider)


def _following(states: frozenset[State]) -> frozenset[State]:
    """The states that can be reached from one of `states`, and `states` themselves."""
    wider = states | {target for _, source, target in TRANSITIONS if source in states}
    return states if wider == states else _following(wider)


SETTLED = frozenset(State) - {source for _, source, _ in TRANSITIONS}
"""States without a transition out of them."""
SETTLING = frozenset(trigger for trigger, _, target in TRANSITIONS if target in SETTLED)
"""Triggers that can be the last move of an order."""
ASKING = sources(Trigger.TOO_LATE_TO_ASK)
"""States in which the question is still to be handed over."""
WAITING = sources(Trigger.WINDOW_CLOSED)
"""States in which the question was handed over, and its window is open."""
ASKED = sources(Trigger.SAID_YES)
"""States in which a yes counts, while the window is open."""
ANSWERABLE = _leading_to(ASKED)
"""States in which the question is to be asked, or was: a yes can still come."""
ENGAGED = sources(Trigger.SERVICE_ACTIVATED) | _following(
    frozenset(target for trigger, _, target in TRANSITIONS if trigger is Trigger.SERVICE_ACTIVATED)
)
"""States in which the service is on, or is being switched on."""

STAGES: dict[Trigger, str] = {
    Trigger.CONFIRMATION_ACCEPTED: "confirmation_sent",
    Trigger.SAID_YES: "reply_received",
    Trigger.SAID_NO: "reply_received",
    Trigger.OPTED_OUT: "reply_received",
    Trigger.SERVICE_ACTIVATED: "service_activated",
    Trigger.NOTIFICATION_ACCEPTED: "notification_sent",
}
"""The stage that a trigger reaches on the way from `call_agreed` to `notification_sent`, as named in answers."""

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
