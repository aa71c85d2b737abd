"""The details of an event in the history: one Struct for each trigger. Facts for the record, never a number or a text.

Details are kept as JSON objects, with their fields in the order declared here: these bytes are hashed into a chain. So
a field that may be missing has a default that is never written.
Flags are 0 and 1, as they are kept. A trigger without a Struct here has no details.
"""

from enum import StrEnum
from typing import Any, ClassVar

from msgspec import Struct, convert, defstruct, to_builtins

from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.grammar import Keyword, Reason
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.unlikely_yes import Suspicion
from consent_engine.domain.sms import Delivery


class Detail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The details of one event."""

    trigger: ClassVar[Trigger]


class Words(Detail, frozen=True, kw_only=True):
    """A reply: its meaning, the edition of the words that read it, and the orders it might have meant."""

    keyword: Keyword
    rule: Rule
    candidates: tuple[str, ...]
    received_at: Millis
    gateway: str
    edition: int | None = None


class Reply(Words, frozen=True, kw_only=True):
    """A reply whose other details, if it has any, are kept after these.

    reason: why a person must read it · written_by: the latest instant it can have been written
    """

    reason: Reason | None = None
    written_by: Millis | None = None


class SaidYes(Reply, frozen=True, kw_only=True):
    """A yes. early: 1 where it came before the hand-over was recorded · seen: why no person can have written it, where
    policy accepts it all the same.
    """

    trigger = Trigger.SAID_YES
    early: int = 0
    seen: Suspicion | None = None


class RepliedSuspect(Reply, frozen=True, kw_only=True):
    """A yes that no person can have written. asked: 1 where it was answered with the request for YES with the code ·
    early: as in `SaidYes`.
    """

    trigger = Trigger.REPLIED_SUSPECT
    seen: Suspicion
    asked: int = 0
    early: int = 0


class SaidNo(Reply, frozen=True, kw_only=True):
    """A no. may_be_asked: 1 where the question may be with the subscriber though nothing says so."""

    trigger = Trigger.SAID_NO
    may_be_asked: int = 0


class OptedOut(Reply, frozen=True, kw_only=True):
    """A STOP. may_be_asked: as in `SaidNo`."""

    trigger = Trigger.OPTED_OUT
    may_be_asked: int = 0


class RepliedBefore(Words, frozen=True, kw_only=True):
    """A reply written before the question. clarified: 1 where it was answered with a clarification."""

    trigger = Trigger.REPLIED_BEFORE
    clarified: int | None = None
    reason: Reason | None = None
    written_by: Millis | None = None


class RepliedBarred(Reply, frozen=True, kw_only=True):
    """A yes that came under a restriction."""

    trigger = Trigger.REPLIED_BARRED


class Suspected(Reply, frozen=True, kw_only=True):
    """A reply that may be a refusal. seen: for a yes that is held, why no person can have written it."""

    trigger = Trigger.SUSPECTED
    seen: Suspicion | None = None


class AskedHelp(Reply, frozen=True, kw_only=True):
    """A request for help."""

    trigger = Trigger.ASKED_HELP


class Unclear(Words, frozen=True, kw_only=True):
    """A reply that was not understood. clarified: 1 where it was answered with a clarification · which: the keyword it
    gave, where the answer to "which one?" can make it count; None where it fits this order alone.
    """

    trigger = Trigger.UNCLEAR
    clarified: int
    which: str | None = None
    reason: Reason | None = None
    written_by: Millis | None = None


class RepliedEarly(Words, frozen=True, kw_only=True):
    """An early yes. last: when the attempt it can have answered began, or 0 · seen: why no person can have said it."""

    trigger = Trigger.REPLIED_EARLY
    last: Millis
    reason: Reason | None = None
    written_by: Millis | None = None
    seen: Suspicion | None = None

    def counts(self, *, trusted: bool) -> SaidYes | RepliedSuspect:
        """Return the yes it is once that attempt was handed over. trusted: also where no person can have written it."""
        fields = {name: getattr(self, name) for name in Reply.__struct_fields__}
        if self.seen is None or trusted:
            return SaidYes(**fields, early=1, seen=self.seen)
        return RepliedSuspect(**fields, early=1, seen=self.seen, asked=1)


class RepliedLate(Detail, frozen=True, kw_only=True):
    """A reply, or a request to cancel (with reason and door), that came too late.

    answered: 1 where the subscriber got an answer; None where no answer was in question
    """

    trigger = Trigger.REPLIED_LATE
    keyword: Keyword | None = None
    rule: Rule | None = None
    candidates: tuple[str, ...] | None = None
    received_at: Millis | None = None
    gateway: str | None = None
    edition: int | None = None
    answered: int | None = None
    reason: str | None = None
    written_by: Millis | None = None
    door: str = ""
    limited: int = 0

    def counts(self) -> SaidNo | OptedOut:
        """Return the no or the STOP as it counts once nothing stands against it."""
        fields = to_builtins(self)
        return convert(fields, OptedOut) if self.keyword is Keyword.STOP else convert(fields, SaidNo)


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
    """The reasons for which an order is cancelled because of its call."""

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
    written after; None: all that precede this one · text: its hash as it was sent; "" where only a report says so.
    """

    note: str = ""
    believed: str = ""
    purpose: Purpose
    parts: tuple[str, ...] = ()
    known: int | None = None
    text: str = ""


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
    all but accepted · parts, known, text: as in `SmsAccepted`, for an SMS that was accepted.
    """

    trigger = Trigger.ENDED_LATE
    effect: str
    outcome: str
    reason: str | None = None
    parts: tuple[str, ...] = ()
    known: int | None = None
    text: str = ""


MayBeAsked = SaidNo | OptedOut | Cancelled | TooLateToAsk | ConfirmationFailed
"""Details of settling events that can record that the question, though unproven, may be with the subscriber."""


def _kinds(of: type[Detail]) -> list[type[Detail]]:
    return [of, *(kind for each in of.__subclasses__() for kind in _kinds(each))]


_WITH_FIELDS = {kind.trigger: kind for kind in _kinds(Detail) if hasattr(kind, "trigger")}
_BARE: dict[Trigger, Any] = {
    each: defstruct(each.title().replace("_", ""), (), bases=(Detail,), namespace={"trigger": each}, frozen=True)
    for each in Trigger
    if each not in _WITH_FIELDS
}
KINDS: dict[Trigger, type[Detail]] = _WITH_FIELDS | _BARE
"""The Struct of each trigger."""


def bare(trigger: Trigger) -> Detail:
    """Return the detail of an event whose trigger says all. Raises KeyError where there is more to say."""
    made: Detail = _BARE[trigger]()
    return made
