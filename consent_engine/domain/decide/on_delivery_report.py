"""Decisions on delivery reports: monotone, all segments counted, delivered beats failed.

A report proves a hand-over that was doubtful. Failed settles an order only when as many different message ids failed as
attempts may have been taken; without ids the window settles it.
"""

from msgspec.structs import replace

from consent_engine.domain.decide.after_delivery_reports import combined, failed, note_delivered, settle_if_failed
from consent_engine.domain.decide.decision import Decision
from consent_engine.domain.decide.on_outcome import on_outcome, question_answered
from consent_engine.domain.effects import Accepted, Millis, sms_parts
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order import details
from consent_engine.domain.order.deliveries import noted_delivered
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.facts import Ended, Reported
from consent_engine.domain.order.history import asks
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.sms import Delivery


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
