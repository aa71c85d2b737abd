"""The door: may this order be taken? Shape first, then who asked before, then the rules, each with its code."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Struct, field
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.domain.admission.fields import RFC3339, msisdn, numberless, numberless_json
from consent_engine.domain.canonical_json import canonical, compact
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line, free_code
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.offer.offer import Offer
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.order.agreement import Call, Doc, Person
from consent_engine.domain.order.order import Order, opened
from consent_engine.domain.texts.render import confirmation
from consent_engine.domain.texts.segments import MOST_SEGMENTS, segments
from consent_engine.domain.texts.templates import LANGUAGES
from consent_engine.errors import (
    ConfirmationTooLong,
    DisclosureMissing,
    DoNotCall,
    DuplicateOrder,
    FieldError,
    Malformed,
    PlanNotPublic,
    PlanUnknown,
    UnofficialNumber,
)

SKEW_MS = 60_000
"""How far a desktop's clock may be ahead of the store's before `agreed_at` counts as in the future."""
_KEY_SHAPE = range(0x21, 0x7F)


def _recording(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("recording_missing", "name the recording of the call")
    return numberless(value)


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    if len(canonical(value)) > 2_000:  # noqa: PLR2004 - documented in the contract's error
        raise PydanticCustomError("too_long", "must be at most 2000 characters of JSON")
    return numberless_json(value)


def _instant(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and RFC3339.fullmatch(value)):
        return value
    raise PydanticCustomError("call_time_invalid", "must be an RFC 3339 instant with offset")


_Text = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class CallDetails(BaseModel):
    """The call in which the subscriber agreed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    caller_number: Annotated[str, Field(min_length=1, max_length=21, pattern=r"^[0-9+]+$")]
    recording_id: Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_recording)]
    started_at: Annotated[AwareDatetime, BeforeValidator(_instant)]
    agreed_at: Annotated[AwareDatetime, BeforeValidator(_instant)]


class PlaceOrder(BaseModel):
    """A request to ask a subscriber for consent to a plan agreed on the phone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    msisdn: Annotated[str, Field(max_length=40), AfterValidator(msisdn)]
    plan: _Text
    agent: Annotated[_Text, AfterValidator(numberless)]
    call: CallDetails
    metadata: Annotated[dict[str, Any], AfterValidator(_metadata)] = {}
    language: Literal["zh", "en"] = "zh"
    """of the SMS; what the plan says is told as it was published"""

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
            raise Malformed([_field_error(each) for each in found]) from None

    def late_errors(self, now: Millis) -> list[FieldError]:
        """What only the clock can tell is wrong with it."""
        started, agreed = millis(self.call.started_at), millis(self.call.agreed_at)
        wrong = []
        if agreed > now + SKEW_MS:
            wrong.append(FieldError("call.agreed_at", "call_time_invalid", "must not be in the future"))
        if started > agreed:
            wrong.append(FieldError("call.started_at", "call_time_invalid", "must not be after agreed_at"))
        return wrong

    def fingerprint(self) -> str:
        """What makes two requests the same: every field, numbers normalised."""
        call = self.call
        times = [millis(call.started_at), millis(call.agreed_at)]
        parts = [self.msisdn, self.plan, self.agent, call.caller_number, call.recording_id, times, self.metadata]
        parts += [] if self.language == "zh" else [self.language]
        told = canonical(parts) if self.metadata else compact(parts)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _field_error(found: ErrorDetails) -> FieldError:
    path = ".".join(str(step) for step in found["loc"] if isinstance(step, int) or step in _NAMES) or "body"
    missing_recording = path == "call.recording_id" and found["type"] in {"missing", "string_type"}
    code = "recording_missing" if missing_recording else _CODES.get(path, found["type"])
    return FieldError(path, found["type"] if found["type"] in _OURS else code, found["msg"])


_OURS = frozenset({"invalid_msisdn", "recording_missing", "too_long", "contains_number"})
_CODES = {"msisdn": "invalid_msisdn", "call.started_at": "call_time_invalid", "call.agreed_at": "call_time_invalid"}
_NAMES = frozenset({*PlaceOrder.model_fields, *CallDetails.model_fields})


class Sale(StrEnum):
    """Whether a plan may be sold."""

    ON_SALE = "on_sale"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"


_WHY_NOT = {
    Kind.REFUSED: "the subscriber refused further calls",
    Kind.SUSPECTED: "the subscriber wrote what may be a refusal: a person reads it within a day",
}


class Listed(Struct, frozen=True):
    """A plan in the catalogue, in its current version."""

    plan: Plan
    sale: Sale = Sale.ON_SALE


class Placing(Struct, frozen=True):
    """One request to place: who asks, under which key, and what."""

    api_key: str
    idempotency_key: str
    request: PlaceOrder

    @property
    def msisdn(self) -> Msisdn:
        """The subscriber's number, normalised."""
        return Msisdn(self.request.msisdn)


class Terms(Struct, frozen=True):
    """What the engine is set to at this moment; frozen into every order it admits."""

    policy: Policy
    senders: Mapping[str, str]
    sub_numbers: frozenset[str]
    """carriers whose gateway lets us append digits to our number"""
    segments: Mapping[str, int] = field(default_factory=dict)
    """carrier -> so many segments its gateway carries"""

    def carried(self, carrier: str) -> int:
        """How many segments of one text reach the subscribers of a carrier."""
        return self.segments.get(carrier, MOST_SEGMENTS)


def idempotency_key_is_sound(key: str) -> bool:
    """1 to 128 printable ASCII characters without blanks."""
    return 0 < len(key) <= 128 and all(ord(c) in _KEY_SHAPE for c in key)  # noqa: PLR2004


def admit(
    placing: Placing,
    order_id: str,
    line: Line,
    listed: Listed | None,
    terms: Terms,
    now: Millis,
    salt: str,
    *,
    open_texts: Sequence[str] = (),
) -> tuple[Order, dict[str, str]]:
    """The order as it begins, and the fields written once; raises the first rule that says no.

    open_texts: the questions of the line's open orders, whose figures the code of this one must not be
    """
    request = placing.request
    plan = _plan(request, listed, now)
    if restriction := line.restriction(plan.carrier):
        raise DoNotCall(_WHY_NOT[restriction.kind], since=restriction.since, reason=restriction.kind.value)
    open_orders = (e for e in line.entries if e.is_open and e.plan == plan.code)
    if duplicate := next(open_orders, None):
        raise DuplicateOrder("an order for this number and plan is open", order=duplicate.order)
    others = [entry for entry in line.entries if entry.remembered(now)]
    offer = _offer(plan, terms, LANGUAGES[request.language])
    code = free_code(others, now, salt[:8], (offer.text, *open_texts))
    # With another order about, "the only order asked" would not do.
    text, doc = _doc(placing, order_id, plan, terms, offer, code, now, asks_code=bool(others))
    if doc.segments > (carried := terms.carried(plan.carrier)):
        told = f"the question takes {doc.segments} segments, and its gateway carries {carried}"
        raise ConfirmationTooLong(told, segments=doc.segments, carried=carried)
    return opened(doc, Person(request.msisdn, text, request.metadata), line.id, salt)


def _plan(request: PlaceOrder, listed: Listed | None, now: Millis) -> Plan:
    if listed is None:
        raise PlanUnknown("no such plan in the catalogue")
    plan = listed.plan
    if request.call.caller_number != CARRIERS[plan.carrier].outbound:
        official = CARRIERS[plan.carrier].outbound
        raise UnofficialNumber(f"{plan.carrier} calls from {official} and from no other number", official=official)
    if missing := plan.missing():
        raise DisclosureMissing("the plan does not say: " + ", ".join(missing), missing=", ".join(missing))
    public = plan.public_at(millis(request.call.agreed_at)) and plan.public_at(now)
    if listed.sale is not Sale.ON_SALE or not public:
        raise PlanNotPublic("the plan must be public in web hall and app, at the call and now, and on sale")
    return plan


def _doc(
    placing: Placing,
    order_id: str,
    plan: Plan,
    terms: Terms,
    offer: Offer,
    code: str,
    now: Millis,
    *,
    asks_code: bool,
) -> tuple[str, Doc]:
    """The doc, and the text of the question where it is not the offer's own."""
    request = placing.request
    text = confirmation(plan, code, offer.policy.reply_window, offer.words) if asks_code else ""
    call = Call(
        request.call.caller_number,
        request.call.recording_id,
        millis(request.call.started_at),
        millis(request.call.agreed_at),
    )
    doc = Doc(
        id=order_id,
        placed_at=now,
        placed_by=placing.api_key,
        agent=request.agent,
        call=call,
        offer=offer,
        sub=code if plan.carrier in terms.sub_numbers else "",
        code=code,
        asks_code=int(asks_code),
        segments=segments(text) if text else offer.segments,
        request=request.fingerprint(),
        person="",
    )
    return text, doc


def _offer(plan: Plan, terms: Terms, edition: int) -> Offer:
    """The same for everybody who is asked about this version of the plan."""
    name = (plan.hash, plan.version, terms.policy, terms.senders[plan.carrier], edition)
    known = _OFFERS.get(name)
    if known is None:
        text = confirmation(plan, None, terms.policy.reply_window, edition)
        offer = Offer(
            plan.carrier.value, plan.code, plan.version, plan.hash, plan.name, plan.price, plan.unsubscribe,
            terms.senders[plan.carrier], edition, text, segments(text), terms.policy,
        )  # fmt: skip
        known = Offer.read(offer.kept())
        if len(_OFFERS) < _MOST_OFFERS:
            _OFFERS[name] = known
    return known


_OFFERS: dict[tuple[str, int, Policy, str, int], Offer] = {}
_MOST_OFFERS = 4096


def millis(instant: datetime) -> Millis:
    """An aware instant in milliseconds since 1970."""
    return (instant - _EPOCH) // _MILLISECOND


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MILLISECOND = timedelta(milliseconds=1)
