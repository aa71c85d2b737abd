"""Outcomes of outside calls and delivery reports, and their consequences: done, again later, in doubt, or parked."""

from msgspec.structs import replace

from consent_engine.domain.decide.decision import (
    A_SECOND,
    PARKED,
    Decision,
    Drop,
    Put,
    activating,
    changed_hands,
    handed_over,
    note,
    now_answered,
    off,
    parking,
    say,
    settle,
    telling,
)
from consent_engine.domain.effects import (
    ACTIVATE,
    WAKE_FAILED,
    Accepted,
    Lane,
    Millis,
    Pending,
    Purpose,
    Rejected,
    Unavailable,
    Uncertain,
    Untaken,
    lane_of,
    sms_parts,
)
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import WAITING, State, Trigger
from consent_engine.domain.offer.offer import Policy, Suspects
from consent_engine.domain.order import details
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.facts import Ended, Reported
from consent_engine.domain.order.history import (
    all_failed,
    asked,
    asks,
    delivered,
    early_yes,
    last_failure,
    late_refusal,
    noted_delivered,
    number_changed,
    proves_reading,
    reached_nobody,
    revoked_late,
    stops,
    unanswered,
    was_reported,
    why_lost,
)
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.sms import Delivery


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


def on_outcome(order: Order, ended: Ended, now: Millis) -> Decision:
    """Decide the effects of an ended call. One that ended after its effect was gone is kept as a note, with its ref."""
    pending = order.effects.get(ended.effect)
    same = pending is not None and pending.attempts == ended.token
    current = same and pending is not None and pending.leased_at > 0
    outcome = ended.outcome
    if same and not current and not isinstance(outcome, Accepted):
        return Decision(order)  # recorded before: only the answer was lost
    if pending is None or (not current and not isinstance(outcome, Accepted)):
        return _ended_late(order, ended, now)
    if isinstance(outcome, Accepted):
        return _accepted(order, ended, outcome, pending, now)
    if isinstance(outcome, Uncertain) and (
        proven := _proven_in_doubt(order, ended, doubted(pending, outcome.reason), now)
    ):
        return proven
    again = attempted(ended, pending, order.doc.policy, now)
    if again is None:
        return _rejected(order, ended, outcome.reason, pending, now)
    if again.due == PARKED:
        return _parked(order, ended, again, now)
    return Decision(order, put=(again,)) if isinstance(outcome, Uncertain) else not_begun(order, again, ended.op, now)


MOST_DOUBTS = 2
"""Attempts in doubt after which an SMS is parked: one resend, however many attempts policy allows."""


def attempted(ended: Ended, pending: Pending, policy: Policy, now: Millis) -> Put | None:
    """Return the effect as it is put again after an attempt: later, held while that is in doubt, or parked with the
    reason; None where the answer counts, and the effect has ended. The one rule for the effects of every record.
    """
    effect = ended.effect
    match ended.outcome:
        case Unavailable(reason, after):
            due = now + policy.backoff(pending.attempts, ended.roll, after)
            return Put(effect, due, replace(pending, leased_at=0, why=reason))
        case Untaken(reason):  # due at once, and leased as not begun: restrictions are checked again
            return Put(effect, now, replace(pending, leased_at=0, first_at=0, why=reason))
        case Uncertain(reason):
            doubtful, is_sms = doubted(pending, reason), lane_of(effect) is Lane.SMS
            if doubtful.doubts >= (MOST_DOUBTS if is_sms else policy.max_attempts):
                return parking(effect, doubtful, Hitch.TIMES.of(doubtful.doubts, reason))
            wait = policy.uncertain_hold if is_sms else policy.backoff(doubtful.doubts, ended.roll)
            return Put(effect, now + wait, doubtful)
        case Rejected(reason) if pending.in_doubt and not pending.believe:
            return parking(effect, pending, Hitch.REFUSED_AFTER_DOUBT.of(reason))
    return None


def doubted(pending: Pending, reason: str) -> Pending:
    """Return an effect after an attempt that may have been taken. A person's word that the next answer is to be
    believed was given before this doubt, and counts no more.
    """
    since = pending.first_at or pending.last_at
    return replace(pending, leased_at=0, doubts=pending.doubts + 1, first_at=since, why=reason, believe="")


def not_begun(order: Order, again: Put, op: str, now: Millis) -> Decision:
    """Put the same effect again, since nothing was begun; a no, STOP or other end that came against an activation
    meanwhile, and was only noted since it was under way, counts now. again: with its due time · op: of this attempt
    """
    undone = again.effect == ACTIVATE and order.state is State.CONFIRMED and not again.pending.in_doubt
    if undone and number_changed(order):
        over = {effect: each for effect, each in order.effects.items() if effect != ACTIVATE}
        return changed_hands(replace(order, effects=over), now, op, "engine")
    if undone and (word := late_refusal(order)):
        return _ended_by_late_refusal(order, *word, op, now)
    if undone and (why := revoked_late(order)):
        return _revoked(order, why, op, now)
    return Decision(order, put=(again,))


def _ended_by_late_refusal(order: Order, word: Event, late: details.RepliedLate, op: str, now: Millis) -> Decision:
    """Settle by the no or STOP that came meanwhile: the call surely did nothing. It is answered as if it came now."""
    stop = late.keyword is Keyword.STOP
    event = Event.of(late.counts(), now, op, word.ref, "subscriber", dict(word.person or {}))
    answer = say(Purpose.OPTED_OUT, now, stops(order) + 1) if stop else say(Purpose.DECLINED, now)
    answered = now_answered(order, settle(order, event), now)
    if any(put.effect.startswith("sms.") for put in answered.put) or not (stop or order.doc.policy.tell_declined):
        return answered
    return replace(answered, put=(*answered.put, answer))


def _revoked(order: Order, why: str, op: str, now: Millis) -> Decision:
    """Cancel with a notice, as if the plan were revoked now: it was meanwhile, and the call surely did nothing."""
    event = Event.of(details.Cancelled(reason=why, door=details.OF_PLAN), now, op, by="engine")
    return telling(settle(order, event), op, now)


def _ref(outcome: object) -> str:
    return outcome.ref if isinstance(outcome, Accepted) else ""


def _ended_late(order: Order, ended: Ended, now: Millis) -> Decision:
    """Note an outcome known too late to change anything; but reports may have waited for the ids of the parts."""
    noted = note(order, Event.of(_late(order, ended), now, ended.op, _ref(ended.outcome), "engine"))
    if not asks(ended.effect):
        return noted
    end = failed(noted.order, f"{ended.op}:failed", now, waits=ended.waits)
    arrived = note_delivered(noted.order, ended.effect, now, ended.op, _ref(ended.outcome), "gateway")
    return combined(noted, arrived if end.is_void else end)


def _late(order: Order, ended: Ended) -> details.EndedLate:
    outcome, kind = ended.outcome, type(ended.outcome).__name__.lower()
    if isinstance(outcome, Accepted):
        return details.EndedLate(
            effect=ended.effect, outcome=kind, parts=outcome.parts, known=_known(order, ended), text=outcome.text
        )  # fmt: skip
    return details.EndedLate(effect=ended.effect, outcome=kind, reason=outcome.reason)


def _known(order: Order, ended: Ended) -> int | None:
    """Return how many events the text was written after, where others came since: it is rebuilt from those."""
    return ended.known if ended.known != len(order.events) else None


def _parked(
    order: Order, ended: Ended, stuck: Put, now: Millis,
    kind: type[details.Parked | details.NotificationFailed] = details.Parked,
) -> Decision:  # fmt: skip
    """Record that the effect is on the stuck list, with the reason."""
    event = Event.of(kind(effect=ended.effect, reason=stuck.pending.why), now, ended.op, "", "engine")
    return note(order, event, stuck)


def _accepted(order: Order, ended: Ended, outcome: Accepted, pending: Pending, now: Millis) -> Decision:
    attempts, doubts, note_, believed = pending.attempts, pending.doubts, outcome.note, pending.believe
    if ended.effect == ACTIVATE:
        on = details.ServiceActivated(attempts=attempts, doubts=doubts, note=note_, believed=believed)
        event = Event.of(on, now, ended.op, outcome.ref, "bss")
        decision = Decision(order.moved(event), (event,), (say(Purpose.NOTIFICATION, now),))
        decision = now_answered(order, decision, now)
        if number_changed(order):  # the present holder of the number is not notified
            decision = combined(
                replace(decision, put=()), changed_hands(decision.order, now, f"{ended.op}:over", "engine")
            )
    elif ended.effect == QUESTION and order.state is State.AGREED:
        decision = question_answered(order, now, ended.op, "gateway", outcome.ref, outcome.parts)
        decision = settle_if_failed(decision, ended.op, now, waits=ended.waits)
    else:
        purpose, _ = sms_parts(ended.effect)
        notified = purpose is Purpose.NOTIFICATION and order.state is State.ACTIVATED
        kind = details.NotificationAccepted if notified else details.Informed
        sent = kind(
            attempts=attempts, doubts=doubts, note=note_, believed=believed, purpose=purpose, parts=outcome.parts,
            known=_known(order, ended), text=outcome.text,
        )  # fmt: skip
        event = Event.of(sent, now, ended.op, outcome.ref, "gateway")
        decision = settle(order, event) if notified else note(order, event)
    if ended.effect not in [effect for effect, _ in decision.drop]:
        decision = replace(decision, drop=(*decision.drop, off(order, ended.effect)))
    return decision if ended.known_by or ended.effect == ACTIVATE else _arrived(decision, ended, outcome, now)


def _arrived(decision: Decision, ended: Ended, outcome: Accepted, now: Millis) -> Decision:
    """Read reports that overtook the answer by its ids: all of the SMS may be on the handset."""
    if not was_reported(decision.order):
        return decision
    order = replace(decision.order, effects={})  # the call is over
    arrived = note_delivered(order, ended.effect, now, ended.op, outcome.ref, "gateway")
    return combined(decision, replace(arrived, order=decision.order.moved(*arrived.events)))


def question_answered(
    order: Order, now: Millis, op: str, how: str, ref: str = "", parts: tuple[str, ...] = ()
) -> Decision:
    """Record that the question was handed over; an early yes to that very attempt now counts, others are void."""
    moved, event, timers = handed_over(order, now, op, how, ref, parts)
    timed = tuple((effect, Drop.ANYWAY) for effect in order.effects if effect.startswith("wake."))
    gone = (off(order, QUESTION), *timed)
    early = order.last(Trigger.REPLIED_EARLY)
    if early is None:
        return Decision(moved, (event,), timers, gone)
    counts = early_yes(order)
    if counts is None:
        void = Event.of(details.bare(Trigger.EARLY_REPLY_VOID), now, f"{op}:void", early.ref, "engine")
        return Decision(moved.moved(void), (event, void), timers, gone)
    detail = counts.counts(trusted=order.doc.policy.suspects == Suspects.OFF)
    yes = Event.of(detail, now, f"{op}:yes", early.ref, "subscriber", dict(early.person or {}))
    if isinstance(detail, details.RepliedSuspect):
        return Decision(moved.moved(yes), (event, yes), (*timers, say(Purpose.PROVE, now)), gone)
    return Decision(moved.moved(yes), (event, yes), (activating(order, now),), gone)


def _rejected(order: Order, ended: Ended, reason: str, pending: Pending, now: Millis) -> Decision:
    if ended.effect == ACTIVATE:
        refused = details.ActivationRefused(reason=reason, believed=pending.believe)
        event = Event.of(refused, now, ended.op, "", "bss")
        told = settle(order, event, *(() if number_changed(order) else (say(Purpose.FAILURE, now),)))
        return now_answered(order, told, now)
    purpose, _ = sms_parts(ended.effect)
    if ended.effect == QUESTION and order.state is State.AGREED:
        if ended.waits:  # a message is unread: read that first, the refusal is known
            known = replace(pending, leased_at=0, why=Hitch.REFUSED.of(reason), refused=reason)
            return Decision(order, put=(Put(QUESTION, now + A_SECOND, known),))
        failed = details.ConfirmationFailed(reason=reason, believed=pending.believe)
        event = Event.of(failed, now, ended.op, "", "gateway")
        return settle(order, event, guard=now, unasked=not pending.doubts)
    if purpose is Purpose.NOTIFICATION and order.state is State.ACTIVATED:
        return _parked(order, ended, parking(ended.effect, pending, reason), now, details.NotificationFailed)
    detail = details.NotInformed(reason=reason, believed=pending.believe, purpose=purpose)
    event = Event.of(detail, now, ended.op, "", "gateway")
    return replace(note(order, event), drop=((ended.effect, Drop.ANYWAY),))


def _proven_in_doubt(order: Order, ended: Ended, doubtful: Pending, now: Millis) -> Decision | None:
    """Decide on a question whose attempt ended in doubt, where more is known of it: its code was answered, or reports
    of failure overtook the doubt. These are looked at once the unread messages are read.
    """
    if ended.effect != QUESTION or order.state is not State.AGREED:
        return None
    if _answered_by_code(order):
        return question_answered(order, now, ended.op, "reply")
    if not all_failed(order, doubtful.doubts):
        return None
    hold = max(order.doc.policy.uncertain_hold, 2 * A_SECOND)
    return Decision(order, put=(Put(QUESTION, now + hold, doubtful), Put(WAKE_FAILED, now + A_SECOND)))


def _answered_by_code(order: Order) -> bool:
    """Whether an early yes named this question by its code or sub-number: then it was handed over."""
    early = early_yes(order)
    return early is not None and proves_reading(order, early.rule)


def on_line_outcome(ended: Ended, pending: Pending, policy: Policy, now: Millis) -> Put | None:
    """Return the effect to put for an SMS of no order: None when it has ended, else the same, later or parked.

    One that is refused is parked: the subscriber was promised it, or wrote and hears nothing, or an operator waits for
    the result of a test. After an operator's retry the gateway's refusal is believed.
    """
    again, purpose = attempted(ended, pending, policy, now), sms_parts(ended.effect)[0]
    match ended.outcome:
        case Rejected() if purpose in _VOID_SOON:
            return None
        case Rejected(reason) if again is None and (purpose is Purpose.PROVE or not pending.believe):
            return parking(ended.effect, pending, reason)
    return again


_VOID_SOON = frozenset({Purpose.CODE})
"""Purposes of a line's SMS that are worth nothing by the time a person sees them: a code, which is asked for anew."""


def on_report(order: Order, report: Reported, now: Millis) -> Decision:
    """Record a report, and decide the consequences of all reports on that SMS."""
    event = Event.of(_detail(order, report), now, report.op, report.message_id, report.gateway)
    known = order.moved(event)
    decision = _on_question(known, report, now) if asks(report.effect) else _on_other(known, report, now)
    return replace(decision, events=(event, *decision.events))


def _detail(order: Order, report: Reported) -> details.Reported | details.Delivered:
    """Return the detail of a report; of one saying that all of an SMS is on the handset, only that is kept."""
    if report.whole and report.status is Delivery.DELIVERED and not noted_delivered(order, report.effect):
        return details.Delivered(effect=report.effect, purpose=sms_parts(report.effect)[0], stamped=report.stamp)
    return details.Reported(
        effect=report.effect, status=report.status, segment=report.segment, segments=report.segments, error=report.error
    )


def _on_question(order: Order, report: Reported, now: Millis) -> Decision:
    pending = order.question
    if report.status is Delivery.FAILED:
        return failed(order, f"{report.op}:failed", now, waits=report.waits)
    waits = report.effect == QUESTION and order.state is State.AGREED and pending is not None and pending.last_at
    if waits:
        # Whatever the gateway's answer was or will be, it has the SMS.
        decision = question_answered(order, now, f"{report.op}:asked", "report", report.message_id)
        return settle_if_failed(decision, report.op, now, waits=report.waits)
    return _on_other(order, report, now)


def _on_other(order: Order, report: Reported, now: Millis) -> Decision:
    """Note a doubtful hand-over that the report proves; note once that all of the SMS is on the handset."""
    pending = order.effects.get(report.effect)
    if pending is not None and pending.last_at and report.status is not Delivery.FAILED:
        accepted = Accepted(report.message_id)
        known = sum(event.at <= pending.last_at for event in order.events)
        ended = Ended(report.effect, pending.attempts, accepted, known_by=f"{report.op}:accepted", known=known)
        decision = on_outcome(order, ended, now)
        return combined(decision, _note_delivered(decision.order, report, now))
    return _note_delivered(order, report, now)


def _note_delivered(order: Order, report: Reported, now: Millis) -> Decision:
    return note_delivered(order, report.effect, now, report.op, report.message_id, report.gateway, report.stamp)
