"""Pending effects as they are put again from SQL, where Redis lost them: due again, and doubtful where they call."""

from msgspec.structs import replace

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending, EndingState
from consent_engine.domain.call.report import Report
from consent_engine.domain.call.review import SECOND_LOOK_MS, Reviewed
from consent_engine.domain.decide.decision import PARKED, Put, abandoning, archiving, archiving_call, closing, giving_up
from consent_engine.domain.decide.endings import TAKEN_UP_WITHIN_MS, expiring
from consent_engine.domain.effects import (
    ACTIVATE,
    WAKE_ABANDONED,
    WAKE_ARCHIVE,
    WAKE_REMINDER,
    WAKE_SECOND_LOOK,
    WAKE_TOO_LATE,
    WAKE_WINDOW,
    WITHOUT_CALLS,
    Millis,
    Pending,
    lane_of,
)
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order

Recorded = Order | Line | Call | Ending | Report


def put_again(record: Recorded, now: Millis, known_until: Millis, line: Line | None = None) -> tuple[Put, ...]:
    """Return the pending effects of a record as they are put into an empty store.

    An effect that calls outside may have been begun after SQL last saw it: it is put as leased, by a lease that is
    over, so that the next look decides it as lost, and nothing is called blindly. A timer is due when its record says;
    one that looks at its record before it does anything is due at once. What is parked stays parked.

    known_until: the instant up to which SQL knows all: what was begun later is not known · line: of an order that may
    have an activation. One that was not begun, and is barred there, was not begun later either: put as in doubt, it
    would be no longer barred
    """
    return tuple(_again(effect, pending, record, now, known_until, line) for effect, pending in record.effects.items())


def _again(
    effect: str, pending: Pending, record: Recorded, now: Millis, known_until: Millis, line: Line | None
) -> Put:  # fmt: skip
    if pending.parked:
        return Put(effect, PARKED, pending)
    if effect == ACTIVATE and not (pending.leased_at or pending.in_doubt) and _is_barred(record, line):
        return Put(effect, now, pending)
    if lane_of(effect) in WITHOUT_CALLS:
        return Put(effect, max(now, _due(effect, record)), replace(pending, leased_at=0))
    if pending.leased_at:
        return Put(effect, _by_day(record, now), pending)
    first = pending.first_at if pending.doubts else known_until
    lost = replace(
        pending, attempts=pending.attempts + 1, leased_at=known_until, first_at=first or known_until,
        last_at=known_until,
    )  # fmt: skip
    return Put(effect, _by_day(record, now), lost)


def _is_barred(record: Recorded, line: Line | None) -> bool:
    if line is None or not isinstance(record, Order):
        return False
    return bool(line.barring(record.doc.carrier, record.doc.plan, record.id))


def _by_day(record: Recorded, now: Millis) -> Millis:
    """Return when an SMS of a record may be sent again, if it must be."""
    return (record.doc.policy.quiet_until(now) or now) if isinstance(record, Order) else now


def _due(effect: str, record: Recorded) -> Millis:
    """Return the due instant of a timer that would act too early; 0 for any other."""
    match record:
        case Order():
            return _due_of(effect, record)
        case Call():
            looked = [each.at for each in record.events if isinstance(each, Reviewed)]
            dues = {
                WAKE_ABANDONED: abandoning(record.began.registered_at).due,
                WAKE_ARCHIVE: archiving_call(record.over_at).due,
                WAKE_SECOND_LOOK: max(looked, default=0) + SECOND_LOOK_MS,
            }
            return dues.get(effect, 0)
        case Ending() if effect == WAKE_ARCHIVE:
            given_up = record.state is EndingState.GIVEN_UP
            return record.over_at + TAKEN_UP_WITHIN_MS if given_up else expiring(record.over_at).due
        case _:
            return 0


def _due_of(effect: str, order: Order) -> Millis:
    if effect == WAKE_TOO_LATE:
        return giving_up(order).due
    if effect == WAKE_REMINDER:
        policy = order.doc.policy
        return max(order.delivered_at if policy.reports else 0, order.asked_at) + policy.reminder_after
    if effect == WAKE_WINDOW:
        return closing(order.reply_by).due
    return archiving(order).due if effect == WAKE_ARCHIVE else 0
