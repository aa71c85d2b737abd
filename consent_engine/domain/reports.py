"""Delivery reports: monotone, all segments counted, delivered beats failed.

A report proves a hand-over that was doubtful. Failed settles an order only when as many different message ids failed
as attempts may have been taken; without ids the window settles it.
"""

from msgspec.structs import replace

from consent_engine.domain.decision import (
    A_SECOND,
    Decision,
    Drop,
    Put,
    all_failed,
    asks,
    delivered,
    note,
    settle,
    taken,
)
from consent_engine.domain.effects import WAKE_FAILED, Accepted, Millis, Purpose, sms_parts
from consent_engine.domain.event import Event
from consent_engine.domain.facts import Ended, Reported
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.order import QUESTION, Order
from consent_engine.domain.outcomes import on_outcome, or_failed, question_answered
from consent_engine.domain.sms import Delivery


def on_report(order: Order, report: Reported, now: Millis) -> Decision:
    """Write a report down, and draw what follows from all reports on that SMS."""
    event = Event(
        Trigger.REPORTED,
        now,
        report.op,
        report.message_id,
        report.gateway,
        {
            "effect": report.effect,
            "status": report.status.value,
            "segment": report.segment,
            "segments": report.segments,
            "error": report.error,
        },
    )
    known = order.moved(event)
    decision = _on_question(known, report, now) if asks(report.effect) else _on_other(known, report, now)
    return replace(decision, events=(event, *decision.events))


def _on_question(order: Order, report: Reported, now: Millis) -> Decision:
    pending = order.question
    if report.status is Delivery.FAILED:
        return failed(order, f"{report.op}:failed", now, waits=report.waits)
    waits = report.effect == QUESTION and order.state is State.AGREED and pending is not None and pending.last_at
    if waits and _proves(order, report):
        # Whatever the gateway's answer was or will be: it has the SMS.
        decision = question_answered(order, now, f"{report.op}:asked", "report", report.message_id)
        decision = or_failed(decision, report.op, now, waits=report.waits)
        return replace(decision, drop=(*decision.drop, (QUESTION, Drop.ANYWAY)))
    return _on_other(order, report, now)


def failed(order: Order, op: str, now: Millis, *, waits: bool = False) -> Decision:
    """Settle an order whose question surely reached nobody. waits: messages are unread, which may say otherwise; then
    it is looked at again once they are read.
    """
    if not _reached_nobody(order):
        return Decision(order)
    if waits:
        return Decision(order, put=(Put(WAKE_FAILED, now + A_SECOND),))
    last = next(e for e in reversed(order.events) if e.detail.get("status") == Delivery.FAILED)
    reason = {"reason": str(last.detail["error"]) or "not delivered"}
    event = Event(Trigger.CONFIRMATION_FAILED, now, op, last.ref, last.by, reason)
    return settle(order, event, guard=now, unasked=True)


def _reached_nobody(order: Order) -> bool:
    """Whether as many different message ids failed as attempts may have been taken, and nothing asks again."""
    asked, pending = order.last(Trigger.CONFIRMATION_ACCEPTED), order.question
    if order.state is State.AWAITING_REPLY and asked:
        if any(asks(effect) for effect in order.effects):  # the question again is under way
            return False
        again = (e for e in order.all(Trigger.INFORMED) if e.detail["purpose"] == Purpose.CONFIRMATION)
        may_have = int(str(asked.detail["may_have"])) + sum(int(str(e.detail["doubts"])) + 1 for e in again)
        return all_failed(order, may_have)
    if order.state is State.AGREED and pending and pending.doubts and not pending.leased_at:
        return all_failed(order, pending.doubts)
    return False


def _on_other(order: Order, report: Reported, now: Millis) -> Decision:
    """A report proves that a doubtful SMS was handed over; note once that it is wholly on the handset."""
    pending = order.effects.get(report.effect)
    if pending is not None and pending.last_at and report.status is not Delivery.FAILED and _proves(order, report):
        accepted = Accepted(report.message_id)
        ended = Ended(report.effect, pending.attempts, accepted, known_by=f"{report.op}:accepted")
        decision = on_outcome(order, ended, now)
        later = _wholly(decision.order, report, now)
        return replace(decision, order=later.order, events=(*decision.events, *later.events))
    return _wholly(order, report, now)


def _proves(order: Order, report: Reported) -> bool:
    """Whether a report that is none of failure proves that the whole SMS was handed over."""
    return not report.alone or taken(order, report.effect)


def _wholly(order: Order, report: Reported, now: Millis) -> Decision:
    told = any(e.detail["effect"] == report.effect for e in order.all(Trigger.DELIVERED))
    if told or not delivered(order, report.effect):
        return Decision(order)
    purpose, _ = sms_parts(report.effect)
    detail: dict[str, str | int | list[str]] = {"effect": report.effect, "purpose": purpose.value}
    event = Event(Trigger.DELIVERED, now, f"{report.op}:all", report.message_id, report.gateway, detail)
    return note(order, event)
