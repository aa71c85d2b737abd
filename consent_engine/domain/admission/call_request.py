"""Requests about calls that began or ended: their shapes, whose they are, and when two of them are the same."""

from typing import Annotated

from msgspec import Struct
from pydantic import AfterValidator, AwareDatetime, Field

from consent_engine.domain.call.call import Call, CallOutcome, Disclosed, Recording
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.days import millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.forms import SKEW_MS, StrictForm, msisdn, numberless, rfc3339, untimely
from consent_engine.domain.hashing import fingerprint
from consent_engine.domain.line.line import keyed
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import FieldError, Malformed, Refused


class AgentMismatch(Refused, code="agent_mismatch"):
    """The key is bound to another agent's number than the request names."""


def check_agent(bound: str, named: str) -> None:
    """Raise AgentMismatch if a request names another agent's number than its key is bound to ('': to none)."""
    if bound and bound != named:
        raise AgentMismatch("this key is bound to another agent: name that agent, or use the key of the agent named")


MOST_DISCLOSURES = 100
LONGEST_S = 86_400


_Instant = Annotated[AwareDatetime, rfc3339("call_time_invalid")]
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
_Text = Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE), AfterValidator(numberless)]
_Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"), AfterValidator(numberless)]


class StartCall(StrictForm):
    """A call that began. It is recorded with any violations; the answer lists them."""

    permit: Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)] | None = Field(
        None, description="from POST /v1/permits"
    )
    from_: Annotated[str, Field(alias="from", min_length=1, max_length=21, pattern=r"^[0-9+]+$", examples=["10085"])]
    to: Annotated[str, Field(max_length=40, examples=["+8613800138000"]), AfterValidator(msisdn)]
    carrier: Carrier
    agent: _Text = Field(examples=["A1024"])
    started_at: _Instant = Field(examples=["2025-08-01T10:00:00+08:00"])
    script: _Text | None = Field(None, examples=["5g-2025-07"])

    def late_errors(self, now: Millis) -> list[FieldError]:
        """Errors that only the store's clock shows: a call in the future, or older than any that is kept."""
        return untimely("started_at", "call_time_invalid", millis(self.started_at), now)

    def fingerprint(self, secret: str) -> str:
        """A keyed hash that equal requests share, as of an order: of every field, the number normalised."""
        started = millis(self.started_at)
        parts = [self.permit, self.from_, self.to, self.carrier.value, self.agent, started, self.script]
        return keyed(secret, "request", compact(parts))


class RecordingTaken(StrictForm):
    """The recording of the whole call: its reference, the hash of its bytes (where it is known), its length."""

    ref: Annotated[str, Field(min_length=1, max_length=128, pattern=_PRINTABLE), AfterValidator(numberless)] = Field(
        examples=["rec-20250801-000123"]
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = Field(None, examples=["9f" * 32])
    seconds: int = Field(ge=0, le=LONGEST_S, strict=True, examples=[271])


class DisclosureMade(StrictForm):
    """A disclosure spoken to the subscriber, and when."""

    id: _Text = Field(examples=["price"])
    at: _Instant


class EndCall(StrictForm):
    """The end of a call. A declined call names the plan that was declined."""

    ended_at: _Instant = Field(examples=["2025-08-01T10:05:02+08:00"])
    outcome: CallOutcome
    plan: _Code | None = Field(None, examples=["5g-smart-199"])
    recording: RecordingTaken | None = None
    disclosures: list[DisclosureMade] = Field([], max_length=MOST_DISCLOSURES)

    def form_errors(self) -> list[FieldError]:
        """Errors in the combination of fields."""
        if self.outcome is CallOutcome.DECLINED and self.plan is None:
            return [FieldError("plan", "missing", "must be given: the plan that was declined")]
        return []

    def late_errors(self, call: Call, now: Millis) -> list[FieldError]:
        """Errors that need the call and the store's clock: an end in the future or before the beginning; a disclosure
        outside the call.
        """
        began, ended, wrong = call.began.started_at, millis(self.ended_at), list[FieldError]()
        if ended > now + SKEW_MS:
            wrong.append(FieldError("ended_at", "call_time_invalid", "must not be in the future"))
        if ended < began:
            wrong.append(FieldError("ended_at", "call_time_invalid", "must not be before the call began"))
        for n, each in enumerate(self.disclosures):
            if not wrong and not began <= millis(each.at) <= ended:
                wrong.append(FieldError(f"disclosures.{n}.at", "call_time_invalid", "must lie within the call"))
        return wrong

    def fingerprint(self) -> str:
        """A hash that equal ends share: of every field."""
        disclosures = [[each.id, millis(each.at)] for each in self.disclosures]
        recording = self.recorded()
        return fingerprint([millis(self.ended_at), self.outcome.value, self.plan, recording, disclosures])

    def recorded(self) -> Recording | None:
        recording = self.recording
        return (
            None if recording is None else Recording(recording.ref, (recording.sha256 or "").lower(), recording.seconds)
        )

    def disclosed(self) -> tuple[Disclosed, ...]:
        return tuple(Disclosed(each.id, millis(each.at)) for each in self.disclosures)


class CallStart(Struct, frozen=True):
    """One request about a call that began: the caller's API key, the idempotency key, the form. reported: by a desk;
    else a CDR file alone shows the call
    """

    api_key: str
    idempotency_key: str
    request: StartCall
    reported: bool = True

    @property
    def msisdn(self) -> Msisdn:
        """The number that was called, normalised."""
        return Msisdn(self.request.to)


class CallEnd(Struct, frozen=True):
    """One request about a call that ended: the caller's API key, the call, the form, or its errors.

    since: when that API key was created · anyone: whether it may end calls that other keys began · says_refused:
    whether the subscriber refused by the words of a body that cannot be read as a form
    """

    api_key: str
    call: str
    form: EndCall | Malformed
    since: Millis = 0
    anyone: bool = False
    says_refused: bool = False

    @property
    def refused(self) -> bool:
        """Whether the subscriber refused, even in a faulty request."""
        return self.says_refused or (isinstance(self.form, EndCall) and self.form.outcome is CallOutcome.REFUSED)

    def repeats(self, call: Call) -> bool:
        """Whether the call was ended by this very request."""
        return call.end is not None and isinstance(self.form, EndCall) and call.end.op == self.form.fingerprint()

    def may_end(self, call: Call) -> bool:
        """Whether the call was begun by this very key, or the key may end any."""
        return self.anyone or call.is_of(self.api_key, self.since)

    @property
    def request(self) -> EndCall:
        """The form. Raises Malformed with its errors."""
        if isinstance(self.form, Malformed):
            raise self.form
        if wrong := self.form.form_errors():
            raise Malformed(wrong)
        return self.form
