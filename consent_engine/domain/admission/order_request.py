"""A request to place an order: its shape, and when two requests are the same."""

from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from msgspec import Struct
from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.domain.call.call import ABANDONED_AFTER_MS, Recording
from consent_engine.domain.canonical_json import canonical, compact
from consent_engine.domain.days import millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.forms import (
    SKEW_MS,
    StrictForm,
    field_errors,
    in_our_words,
    msisdn,
    numberless,
    numberless_json,
    rfc3339,
)
from consent_engine.domain.line.holder import Subscriber
from consent_engine.domain.line.line import keyed
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import FieldError, Malformed


def _recording(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("recording_missing", "name the recording of the call")
    return numberless(value)


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    if len(canonical(value)) > 2_000:  # noqa: PLR2004 - documented in the contract's error
        raise PydanticCustomError("too_long", "must be at most 2000 characters of JSON")
    return numberless_json(value)


_Instant = Annotated[AwareDatetime, rfc3339("call_time_invalid")]
_Text = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class CallDetails(StrictForm):
    """The call in which the subscriber agreed."""

    caller_number: Annotated[str, Field(min_length=1, max_length=21, pattern=r"^[0-9+]+$")]
    recording_id: Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_recording)]
    started_at: _Instant
    agreed_at: _Instant
    permit: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    """from POST /v1/permits; a call without one is a violation where CONSENT_PERMITS says `required`"""
    recording_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """SHA-256 of the recording's bytes"""

    @cached_property
    def started(self) -> Millis:
        """When the call began."""
        return millis(self.started_at)

    @cached_property
    def recording(self) -> Recording:
        return Recording(self.recording_id, (self.recording_sha256 or "").lower())

    @property
    def optional_fields(self) -> list[str | None]:
        """The fields that only some bodies have; empty where a body has none of them."""
        return [self.permit, self.recording_sha256] if self.permit or self.recording_sha256 else []


def _never_so(started: Millis, agreed: Millis) -> str:
    """The error in a call's beginning, '' for none: the question names its day, and a wrong day misleads the reader."""
    if started > agreed:
        return "must not be after agreed_at"
    return "must be at most 4 hours before agreed_at" if started < agreed - ABANDONED_AFTER_MS else ""


class PlaceOrder(StrictForm):
    """A request to ask a subscriber for consent to a plan agreed on the phone."""

    msisdn: Annotated[str, Field(max_length=40), AfterValidator(msisdn)]
    plan: _Text
    agent: Annotated[_Text, AfterValidator(numberless)]
    call_id: Annotated[str, Field(pattern="^[0-9a-f]{28}$")] | None = None
    """the id of a call that is up, or has ended; given with `agreed_at`"""
    agreed_at: _Instant | None = Field(None, validate_default=True)
    call: CallDetails | None = Field(None, validate_default=True)
    """a call reported with its order, ended when the subscriber agreed"""
    metadata: Annotated[dict[str, Any], AfterValidator(_metadata)] = Field({})
    language: Literal["zh", "en"] = "zh"
    """the language of the SMS; the plan must have texts in it"""

    @field_validator("agreed_at")
    @classmethod
    def _goes_with_the_call(cls, agreed_at: datetime | None, info: ValidationInfo) -> datetime | None:
        if (agreed_at is None) == (info.data.get("call_id") is not None):
            raise PydanticCustomError("call_time_invalid", "must be given with call_id, and only then")
        return agreed_at

    @field_validator("call")
    @classmethod
    def _is_one(cls, call: CallDetails | None, info: ValidationInfo) -> CallDetails | None:
        named = info.data.get("call_id", "")
        if call is None and named is None:
            raise PydanticCustomError("missing", "Field required")
        if call is not None and named:
            raise PydanticCustomError("duplicate_call", "must not be given with call_id")
        return call

    @cached_property
    def agreed(self) -> Millis:
        """When the subscriber agreed."""
        at = self.call.agreed_at if self.call else self.agreed_at
        return millis(at) if at else 0

    @classmethod
    def read(cls, body: object) -> "PlaceOrder":
        """The request in a JSON body; raises Malformed with everything that is wrong with it, echoing no value."""
        try:
            canonical(body).encode()
        except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
            raise Malformed([FieldError("body", "malformed", "must be JSON of whole characters")]) from None
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise Malformed(field_errors(cls, found, _field_error)) from None

    def late_errors(self, now: Millis) -> list[FieldError]:
        """Errors in the instants, by the store's clock."""
        agreed, wrong = self.agreed, []
        if agreed > now + SKEW_MS:
            field = "call.agreed_at" if self.call else "agreed_at"
            wrong.append(FieldError(field, "call_time_invalid", "must not be in the future"))
        if self.call and not wrong and (error := _never_so(self.call.started, agreed)):
            wrong.append(FieldError("call.started_at", "call_time_invalid", error))
        return wrong

    def fingerprint(self, secret: str) -> str:
        """A keyed hash that equal requests share: of every field, the subscriber's number normalised. It stands in the
        order's public part, beside most of these fields: without a key a number that was erased could be tried.
        """
        call, named = self.call, self.call_id or ""
        parts = [self.msisdn, self.plan, self.agent, named, "", [self.agreed], self.metadata]
        if call is not None:
            times = [call.started, self.agreed]
            parts = [self.msisdn, self.plan, self.agent, call.caller_number, call.recording_id, times, self.metadata]
            parts += [call.optional_fields] if call.optional_fields else []
        parts += [] if self.language == "zh" else [self.language]
        encoded = canonical(parts) if self.metadata else compact(parts)
        return keyed(secret, "request", encoded)


def _field_error(found: ErrorDetails) -> FieldError:
    path = ".".join(str(step) for step in found["loc"] if isinstance(step, int) or step in _NAMES) or "body"
    missing_recording = path == "call.recording_id" and found["type"] in {"missing", "string_type"}
    code = "recording_missing" if missing_recording else _CODES.get(path, found["type"])
    return FieldError(path, found["type"] if found["type"] in _OURS else code, in_our_words(found["msg"]))


_OURS = frozenset({"invalid_msisdn", "recording_missing", "too_long", "contains_number"})
_CODES = {"msisdn": "invalid_msisdn", "call.started_at": "call_time_invalid", "call.agreed_at": "call_time_invalid"}
_NAMES = frozenset({*PlaceOrder.model_fields, *CallDetails.model_fields})


class Placing(Struct, frozen=True, dict=True):  # a dict: for cached properties
    """One request to place an order: the caller's API key, the idempotency key, the form."""

    api_key: str
    idempotency_key: str
    request: PlaceOrder
    subscriber: Subscriber = Subscriber()
    """the BSS's answer about the number, where it was asked: no part of the fingerprint"""
    fingerprint: str = ""
    """that of the form: the engine makes it, which has the secret"""

    @cached_property
    def msisdn(self) -> Msisdn:
        """The subscriber's number, normalised."""
        return Msisdn(self.request.msisdn)


def idempotency_key_is_sound(key: str) -> bool:
    """Whether a key has 1 to 128 printable ASCII characters, without blanks."""
    return 0 < len(key) <= 128 and key.isascii() and key.isprintable() and " " not in key  # noqa: PLR2004
