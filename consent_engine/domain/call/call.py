"""Call: the record of one telephone call, with or without an order: the facts of its beginning, and everything since.

As with an order, all that changes is read from the events, and the public part is a chain of hashes: the doc first,
then each event. The numbers are the person part.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property, reduce
from operator import or_
from types import NoneType
from typing import Any, ClassVar, cast

from msgspec import Struct

from consent_engine.domain.call.hash_chain import AuthoredEvent, ChainedRecord, Form, PersonPart, RecordEvent
from consent_engine.domain.call.review import CommandHeard, NotAwaited, Reviewed, SecondLook, Verdict, verdict_of
from consent_engine.domain.call.transcript import SAID, Transcribed
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.canonical_json import Reader, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import keyed
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.order.order import Evidence
from consent_engine.errors import Refused


class CallNotPermitted(Refused, code="call_not_permitted"):
    """Something was wrong with the call: no order may be placed for it."""


class CallTooOld(Refused, code="call_too_old"):
    """The subscriber agreed too long ago."""


class CallMismatch(Refused, code="call_mismatch"):
    """The order does not fit the call that it names: another number or carrier, or an instant outside the call."""


class RecordingReused(Refused, code="recording_reused"):
    """The recording, by its reference or its audio, is another call's, or another number's."""


class AlreadyEnded(Refused, code="already_ended"):
    """The call ended before, in another way than the request says."""


class CallAbandoned(Refused, code="call_abandoned"):
    """The end of the call was not reported in time."""


class CallNotFound(Refused, code="call_not_found"):
    """No such call, or none that this key may see."""


class ReportNotFound(Refused, code="report_not_found"):
    """No such report."""


class ReportDecided(Refused, code="already_decided"):
    """The report was decided before, in another way; `found`: its class."""


class ReportMismatch(Refused, code="report_mismatch"):
    """The report cannot have that class: our own number was shown."""


class RewardNotDue(Refused, code="reward_not_due"):
    """The reward of a report cannot change in this way; `reason`: why."""


class CallOutcome(StrEnum):
    """The outcome of a call, as the agent reports it."""

    AGREED = "agreed"
    DECLINED = "declined"
    """The subscriber does not want this plan: it is not offered again."""
    REFUSED = "refused"
    """The subscriber wants no more calls."""
    NO_ANSWER = "no_answer"
    OTHER = "other"


class Recording(Struct, frozen=True, array_like=True):
    """A recording of a whole call. sha256: 64 hex digits, '' where not given · seconds: its length; 0: not known"""

    ref: str
    sha256: str = ""
    seconds: int = 0


class Disclosed(Struct, frozen=True, array_like=True):
    """A disclosure spoken to the subscriber in the call, and when."""

    id: str
    at: Millis


class Ended(AuthoredEvent, frozen=True, tag="ended"):
    """The call ended. op: the same for equal ends · violations: those its end shows"""

    ended_at: Millis
    outcome: CallOutcome
    plan: str
    recording: Recording | None
    disclosures: tuple[Disclosed, ...] = ()
    violations: tuple[Violation, ...] = ()


class Abandoned(RecordEvent, frozen=True, tag="abandoned"):
    """The end of the call was not reported."""


class JudgedAgain(RecordEvent, frozen=True, tag="judged_again"):
    """A later report about its number shows violations, or takes some back: an earlier call, a change of holder."""

    shown: tuple[Violation, ...]
    taken_back: tuple[Violation, ...] = ()


class OrderRefused(AuthoredEvent, frozen=True, tag="order_refused"):
    """An order was refused because of this call, or its number. op: the id that the order would have had · code: of
    the refusal
    """

    code: str


ABANDONED_AFTER_MS = 4 * 3_600_000
"""How long after it was made known a call without a reported end is abandoned."""
RECORDING = "rec"
"""The field of a call's record that holds the keys its recording is reserved under."""
_AS_THE_ID_SAYS = "="
"""A key in that field that is part of the call's id, as of every call that came in an order's body."""
MOST_REFUSALS = 20
"""The most refused orders that one call keeps."""


class CallState(StrEnum):
    UP = "up"
    ENDED = "ended"
    ABANDONED = "abandoned"
    """The end of the call was not reported."""


CallEvent = (
    Ended | Abandoned | OrderRefused | Reviewed | SecondLook | CommandHeard | Transcribed | NotAwaited | JudgedAgain
)
_KINDS: tuple[type[CallEvent], ...] = (
    Ended, Abandoned, OrderRefused, Reviewed, SecondLook, CommandHeard, Transcribed, NotAwaited, JudgedAgain,
)  # fmt: skip
_EVENT: Reader[CallEvent] = Reader(cast("type[CallEvent]", reduce(or_, cast("tuple[Any, ...]", _KINDS))))


class Began(Struct, frozen=True, array_like=True):
    """The doc of a call: the facts when it was made known; written once, public: it names no person.

    registered_at: by the store's clock · placed_by: name of the API key · request: the fingerprint of the request ·
    person: the hash of the person part · official: 1 where it came from the carrier's own number · permit: the token,
    where this installation made it · violations: those its beginning shows · ordered: 1 where the body of an order
    described it, which names no end
    """

    id: str
    registered_at: Millis
    placed_by: str
    agent: str
    request: str
    person: str
    carrier: str
    official: int
    script: str
    permit: str
    started_at: Millis
    violations: tuple[Violation, ...]
    ordered: int = 0


_STATES = {NoneType: CallState.UP, Ended: CallState.ENDED, Abandoned: CallState.ABANDONED}


class CallPerson(PersonPart, frozen=True):
    """The person part: the number called, and the number it was called from, which may be a person's own."""

    msisdn: str
    caller: str


class Call(ChainedRecord[Began, CallPerson, CallEvent], frozen=True, dict=True):
    """A call as it stands at one version."""

    recording_keys: tuple[str, ...] = ()
    """the keys its recording is reserved under: of its reference and, where that is known, of its audio"""
    said: str = ""
    """its transcript as kept, a part of its person part"""

    form: ClassVar[Form] = Form(
        "a call", Rows(Began, least=12), Reader(CallPerson), CallPerson("", ""), _EVENT, CallState
    )

    @property
    def began(self) -> Began:
        """The doc: the facts when the call was made known."""
        return self.doc

    def is_of(self, key: str, since: Millis) -> bool:
        """Whether it was made known with the key of this name made at `since`: another may have had the name, where a
        restored store forgot it."""
        return self.began.placed_by == key and self.began.registered_at >= since

    @property
    def carrier(self) -> str:
        return self.began.carrier

    @property
    def end(self) -> Ended | None:
        """The event of its end; None while it is up, or if it was abandoned."""
        over = self._over
        return over if isinstance(over, Ended) else None

    @property
    def state(self) -> CallState:
        return _STATES[type(self._over)]

    @property
    def over_at(self) -> Millis:
        """When its end reached the store (ms); 0 while it is up."""
        return self._over.at if self._over else 0

    @cached_property
    def _over(self) -> Ended | Abandoned | None:
        for each in self.events:
            if isinstance(each, (Ended, Abandoned)):
                return each
        return None

    @property
    def recording(self) -> Recording | None:
        """Its recording, once it has ended with one."""
        end = self.end
        return end.recording if end else None

    @cached_property
    def violations(self) -> tuple[Violation, ...]:
        """All its violations as they are known now, in the order of `Violation`."""
        if not self.ever_violated:  # as for nearly all calls
            return ()
        known = set(self.began.violations)
        for each in self.events:
            if isinstance(each, JudgedAgain):
                known = (known - set(each.taken_back)) | set(each.shown)
            elif isinstance(each, Ended):
                known.update(each.violations)
        return tuple(each for each in Violation if each in known)

    @cached_property
    def ever_violated(self) -> frozenset[Violation]:
        """All its violations, those that were taken back included: each is counted once."""
        later = [
            each.violations if isinstance(each, Ended) else each.shown
            for each in self.events
            if isinstance(each, Ended | JudgedAgain)
        ]
        return frozenset(self.began.violations).union(*later)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The verdict of its review; None where it has no recording."""
        return verdict_of(self.events) if self.recording else None

    @property
    def failed_at(self) -> Millis:
        """When its review failed for good (ms); 0 where it has not."""
        return next((each.at for each in self.events if isinstance(each, SecondLook) and each.upheld), 0)

    @property
    def evidence(self) -> Evidence:
        """The kind of evidence: of an agreement, or only that a number was called."""
        return Evidence.SERVICE if self.end and self.end.outcome is CallOutcome.AGREED else Evidence.NO_SERVICE

    def holds(self, at: Millis) -> bool:
        """Whether an instant lies within the call, as far as its end is known. None lasts longer than it may be up."""
        began, end = self.began, self.end
        last = began.started_at + ABANDONED_AFTER_MS
        if end is not None and not began.ordered:
            last = min(last, end.ended_at)
        return began.started_at <= at <= last

    @classmethod
    def beside(cls, doc: Began, fields: Mapping[str, str]) -> dict[str, Any]:
        return {"recording_keys": keys_held(doc.id, fields), "said": fields.get(SAID, "")}


begun = Call.begun


def call_id(secret: str, msisdn: Msisdn, api_key: str, idempotency_key: str) -> str:
    """The id of a call reported by itself: one request is one call."""
    return f"{slot(msisdn):04x}{keyed(secret, 'call', api_key, idempotency_key)}"


def held(call: str, keys: Sequence[str]) -> dict[str, str]:
    """The field of a call's record for the keys its recording is reserved under; no field where there are none."""
    return {RECORDING: " ".join(_AS_THE_ID_SAYS if key == call[4:] else key for key in keys)} if keys else {}


def keys_held(call: str, fields: Mapping[str, str]) -> tuple[str, ...]:
    """The keys a call's recording is reserved under, from the fields of its record."""
    return tuple(call[4:] if key == _AS_THE_ID_SAYS else key for key in fields.get(RECORDING, "").split())


def recording_keys(secret: str, recording: Recording) -> tuple[str, ...]:
    """The keys a recording is reserved under: of its reference, and of its audio where the SHA-256 of that is given.
    One audio under two references would be two calls.
    """
    key = recording_key(secret, recording.ref)
    return (key, keyed(secret, "audio", recording.sha256)) if recording.sha256 else (key,)


def recording_key(secret: str, ref: str) -> str:
    """The key of a recording's reference."""
    return keyed(secret, "recording", ref)


def recorded_call_id(msisdn: Msisdn, key: str) -> str:
    """The id of a call described in an order's body, from the key of its recording's reference: one recording of one
    number is one call.
    """
    return f"{slot(msisdn):04x}{key}"
