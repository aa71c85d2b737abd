"""Details of events caused by outside calls, timers and people."""

from enum import StrEnum

from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.details.base import Detail
from consent_engine.domain.sms import Delivery


class ConfirmationAccepted(Detail, frozen=True, kw_only=True):
    """The question was handed over. how: `gateway` (it said so), `report` or `reply` (these prove it) · may_have:
    attempts that may have been taken · started, last: when the first and the last of them began · window: how long a
    yes counts · parts: the gateway's ids of the parts, where each has its own · undelivered: how long a yes counts
    while the question is not on the handset, where the gateway reports; once it is, the window begins.
    """

    trigger = Trigger.CONFIRMATION_ACCEPTED
    how: str
    attempts: int | None = None
    doubts: int | None = None
    may_have: int
    started: Millis
    last: Millis
    window: int | None = None
    parts: tuple[str, ...] = ()
    undelivered: int | None = None


class ConfirmationFailed(Detail, frozen=True, kw_only=True):
    """The question failed. believed: the person whose retry it was · may_be_asked: as in `SaidNo` · answered: 1 where a
    yes came all the same, and gets the answer that it changes nothing.
    """

    trigger = Trigger.CONFIRMATION_FAILED
    reason: str
    believed: str = ""
    may_be_asked: int = 0
    answered: int = 0


OF_CALL, OF_PLAN, OF_LINE = "call", "plan", "line"
"""The doors of a cancellation because of the order's call, because its plan was revoked, and because of the holder of
its number.
"""


class WithCall(StrEnum):
    """The reasons for which an order falls with its call."""

    UNLAWFUL = "call_unlawful"
    """The call was abandoned, or ended without a recording."""
    VIOLATED = "call_violation"
    """The end of the call shows another violation."""
    DECLINED = "declined_in_call"
    NOT_ANSWERED = "call_not_answered"
    REVIEW_FAILED = "review_failed"
    AGREED_LATE = "agreed_after_call"


class Cancelled(Detail, frozen=True, kw_only=True):
    """The order was cancelled. door: the way a refusal came, one of those above, or '' where a person asked ·
    may_be_asked: as in `SaidNo` · limited: 1 where the refusal was about one plan, or for a time.
    """

    trigger = Trigger.CANCELLED
    reason: str
    door: str = ""
    may_be_asked: int = 0
    limited: int = 0


class TooLateToAsk(Detail, frozen=True, kw_only=True):
    """The question came too late. may_be_asked: as in `SaidNo` · answered: as in `ConfirmationFailed`."""

    trigger = Trigger.TOO_LATE_TO_ASK
    may_be_asked: int = 0
    answered: int = 0


class Attempts(Detail, frozen=True, kw_only=True):
    """An accepted call. attempts: how many were made · doubts: how many of the earlier ones may have been taken."""

    attempts: int
    doubts: int


class ServiceActivated(Attempts, frozen=True, kw_only=True):
    """The BSS accepted the activation. note: the BSS's own words · believed: the person whose retry it was."""

    trigger = Trigger.SERVICE_ACTIVATED
    note: str = ""
    believed: str = ""


class SmsAccepted(Attempts, frozen=True, kw_only=True):
    """The hand-over of an SMS other than the first question. note: what the gateway added · believed: the person whose
    retry it was · parts: the gateway's ids of the parts, where each has its own · known: how many events the text was
    written after; None: all that precede this one.
    """

    note: str = ""
    believed: str = ""
    purpose: Purpose
    parts: tuple[str, ...] = ()
    known: int | None = None


class NotificationAccepted(SmsAccepted, frozen=True, kw_only=True):
    """The hand-over of the notification."""

    trigger = Trigger.NOTIFICATION_ACCEPTED


class Informed(SmsAccepted, frozen=True, kw_only=True):
    """The hand-over of any other SMS."""

    trigger = Trigger.INFORMED


class ActivationRefused(Detail, frozen=True, kw_only=True):
    """The BSS refused the activation. believed: the person whose retry it was."""

    trigger = Trigger.ACTIVATION_REFUSED
    reason: str
    believed: str = ""


class NotInformed(Detail, frozen=True, kw_only=True):
    """The gateway refused an SMS. believed: the person whose retry it was."""

    trigger = Trigger.NOT_INFORMED
    reason: str
    believed: str = ""
    purpose: Purpose


class NotificationFailed(Detail, frozen=True, kw_only=True):
    """The notification could not be sent: its SMS is parked."""

    trigger = Trigger.NOTIFICATION_FAILED
    effect: str
    reason: str


class GivenUp(Detail, frozen=True, kw_only=True):
    """The reason why the notification is not sent any more."""

    trigger = Trigger.GIVEN_UP
    reason: str


class Parked(Detail, frozen=True, kw_only=True):
    """An effect put on the stuck list."""

    trigger = Trigger.PARKED
    effect: str
    reason: str


class Reported(Detail, frozen=True, kw_only=True):
    """A delivery report; its message id is the event's ref."""

    trigger = Trigger.REPORTED
    effect: str
    status: Delivery
    segment: int
    segments: int
    error: str


class Delivered(Detail, frozen=True, kw_only=True):
    """The delivery of all of one SMS. stamped: when it arrived, by the gateway's clock."""

    trigger = Trigger.DELIVERED
    effect: str
    purpose: Purpose
    stamped: Millis | None = None


class Resumed(Detail, frozen=True, kw_only=True):
    """A suspected refusal was none. needs_code: 1 where a bare yes is not enough any more · doubtful: 1 where it was
    of this order alone.
    """

    trigger = Trigger.RESUMED
    reason: str
    needs_code: int
    doubtful: int | None = None


class Held(Detail, frozen=True, kw_only=True):
    """An effect held back until the quiet hours are over."""

    trigger = Trigger.HELD
    effect: str
    until: Millis


class AskedAgain(Detail, frozen=True, kw_only=True):
    """The question was sent again. n: the number of the question that is asked now."""

    trigger = Trigger.ASKED_AGAIN
    n: int


class Retried(Detail, frozen=True, kw_only=True):
    """Parked effects that a person retries."""

    trigger = Trigger.RETRIED
    effects: tuple[str, ...]


class PlacedAgain(Detail, frozen=True, kw_only=True):
    """The subscriber is asked again by a new order of the same call. old: the undeliverable order that it repeats, in
    the new one's history · new: the new order, in the old one's.
    """

    trigger = Trigger.PLACED_AGAIN
    old: str = ""
    new: str = ""


class Revealed(Detail, frozen=True, kw_only=True):
    """The number was shown to a person. role: of the key, when it was used."""

    trigger = Trigger.REVEALED
    role: str
    reason: str


class EndedLate(Detail, frozen=True, kw_only=True):
    """An outside call that ended too late. outcome: accepted, rejected, unavailable, uncertain or untaken · reason: of
    all but accepted · parts, known: as in `SmsAccepted`, for an SMS that was accepted.
    """

    trigger = Trigger.ENDED_LATE
    effect: str
    outcome: str
    reason: str | None = None
    parts: tuple[str, ...] = ()
    known: int | None = None
