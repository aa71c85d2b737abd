"""Forms of the bodies sent to us, other than the order itself; and reading them with all their errors at once."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Literal, TypeVar
from unicodedata import normalize

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.api.schemas.examples import Eg
from consent_engine.domain.admission.call_request import RecordingTaken
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.days import millis
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.forms import RFC3339, SKEW_MS, StrictForm, field_errors, in_our_words, msisdn, numberless
from consent_engine.domain.hashing import RECEIPT
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import of_sender
from consent_engine.engine.held_replies import ID as HELD_ID
from consent_engine.engine.inspector import MOST_EXPORTED
from consent_engine.engine.permits import MOST_NUMBERS
from consent_engine.engine.stuck import MOST_RETRIED
from consent_engine.engine.undeliverable import MOST_ASKED
from consent_engine.errors import FieldError, Malformed

Form = TypeVar("Form", bound=BaseModel)
Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_DIALLED = 1_000
MOST_DECIDED = 500
MOST_LISTED = 500
MOST_REASON = 1_000


def _instant(value: object) -> object:
    if isinstance(value, str) and RFC3339.fullmatch(value):
        return value
    raise PydanticCustomError("invalid_instant", "must be an RFC 3339 instant with offset")


Instant = Annotated[AwareDatetime, BeforeValidator(_instant), Eg("2025-08-15T16:20:00+08:00")]
Number = Annotated[str, Field(max_length=40, examples=["+8613800138000"]), AfterValidator(msisdn)]
RefusedNumber = Annotated[
    str, Field(max_length=40, examples=["+8613800138000"]), AfterValidator(partial(msisdn, reads=of_sender))
]
"""A number that is not to be called: also as exchanges and handsets write it, such as 013800138000."""
_OfCause = Annotated[str | None, Eg("gateway:503")]
_OfPlan = Annotated[str | None, Eg("5g-smart-199")]
_OfCarrier = Annotated[Carrier | None, Eg("mobile")]
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
# Words sent beside a number go into the public parts of records, from which no person can be erased later.
Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_PRINTABLE), AfterValidator(numberless)]
Reasoned = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_PRINTABLE),
    AfterValidator(numberless),
]
_HeldId = Annotated[str, StringConstraints(pattern=f"^{HELD_ID}$")]
_Ref = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_PRINTABLE), AfterValidator(numberless)]


class CancelOrder(StrictForm):
    """The reason for cancelling an order."""

    reason: Reasoned = Field(examples=["changed his mind during the call"])


class GiveUp(StrictForm):
    """The reason for giving up the notification of an activated order, or its ending."""

    reason: Reasoned = Field(examples=["the number is out of service"])


class Attest(StrictForm):
    """An admin's attestation that the plan was seen in a channel that no program can look at."""

    channel: Annotated[Literal["web_hall", "app"], Eg("app")]
    reason: Annotated[Reasoned, Eg("app 11.2.0, screen Tariffs, looked at hash and every field")] = Field(
        description="which screen or page was looked at, and how"
    )


class ApprovePlan(StrictForm):
    """The proposal that was read, for the case that another one replaced it meanwhile."""

    hash: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


Channel = Annotated[
    Literal["voice", "sms", "web", "app", "hotline", "counter", "report", "import", "other"], Eg("hotline")
]
"""The channels by which subscribers tell us something, for all forms."""

PlanCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Refuse(StrictForm):
    """A subscriber's refusal of further calls. Without a carrier: of all; with a plan: about that plan only."""

    msisdn: RefusedNumber
    carrier: _OfCarrier = None
    plan: PlanCode | None = None
    until: Instant | None = Field(None, description="when the refusal ends; left out: never")
    channel: Channel
    agent: Annotated[Word | None, Eg("A1024")] = None
    call: Annotated[_Ref | None, Eg("rec-1")] = None

    def ends_at(self, now: Millis) -> Millis:
        """Return until when the number is not called, 0 for ever. Raises Malformed for an instant that is over."""
        at = millis(self.until) if self.until else 0
        if self.until and at <= now:
            raise Malformed([FieldError("until", "in_the_past", "must be in the future")])
        return at


class ImportedNumber(StrictForm):
    """A row of a file of refusals or registrations. Without a carrier: for all carriers."""

    msisdn: RefusedNumber
    carrier: Annotated[Carrier | None, BeforeValidator(lambda value: value or None)]
    channel: Channel
    ref: Annotated[
        str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(numberless)
    ] = ""


class Dial(StrictForm):
    """A number to be called. Without a carrier: callable only if no carrier was refused."""

    msisdn: Number
    carrier: _OfCarrier = None
    plan: PlanCode | None = Field(None, description="the plan to be offered; not callable if it was declined")


class RetryStuck(StrictForm):
    """Which effects of the stuck list are to be done again; a filter that is left out matches all."""

    lane: Annotated[Lane | None, Eg("sms")] = None
    reason: _OfCause = Field(None, max_length=MOST_REASON, description="the reason, as in the list of causes")
    plan: _OfPlan = Field(None, max_length=64)
    limit: int = Field(MOST_RETRIED, ge=1, le=MOST_RETRIED, strict=True, description="at most this many effects")


class AskPermits(StrictForm):
    """The numbers that a carrier wants to call; with a plan: about that plan. A number may stand there twice."""

    carrier: Annotated[Carrier, Eg("mobile")]
    plan: Annotated[PlanCode | None, Eg("5g-smart-199")] = Field(
        None, description="the plan to be offered; numbers that declined it are denied"
    )
    msisdns: Annotated[list[Number], Eg(["+8613800138000", "+8613900139000"])] = Field(
        min_length=1, max_length=MOST_NUMBERS
    )


class SearchOrders(StrictForm):
    """The number whose orders are listed, and which page: a number stands in a body, never in an address."""

    msisdn: Number
    cursor: str = Field("", max_length=200, description="the cursor of the page before, unchanged; empty: the newest")
    limit: int = Field(50, ge=1, le=MOST_LISTED, strict=True, description="at most this many orders")


class SearchRefusals(StrictForm):
    """The number whose refusals are listed."""

    msisdn: Number


class OwnAct(StrictForm):
    """The subscriber's own act: its channel, the ref it is kept under, and when it was done."""

    channel: Channel
    ref: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=_PRINTABLE),
        AfterValidator(numberless),
        Eg("form-2025-0815"),
    ]
    at: Instant

    def acted_at(self, now: Millis) -> Millis:
        """Return when the subscriber acted. Raises Malformed for a future instant; a clock may be ahead by a little."""
        if (at := millis(self.at)) > now + SKEW_MS:
            raise Malformed([FieldError("evidence.at", "in_the_future", "must not be in the future")])
        return at


class Lift(StrictForm):
    """A refusal to lift. Without a carrier: the one of all carriers; with a plan: the one about that plan."""

    msisdn: Number
    carrier: _OfCarrier = None
    plan: PlanCode | None = None
    evidence: OwnAct


class DecideHeld(BaseModel):
    """A person's decision on held replies that say the same. If they were no refusal, a reason is needed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid",
        json_schema_extra={"if": {"properties": {"refusal": {"const": False}}}, "then": {"required": ["reason"]}},
    )  # fmt: skip

    ids: Annotated[list[_HeldId], Eg(["0ce7000000000000000000000000.mobile.1754013880512"])] = Field(
        min_length=1, max_length=MOST_DECIDED, description="ids from the list of held replies, unchanged"
    )
    refusal: Annotated[bool, Eg(False)] = Field(
        strict=True, description="whether the replies are a refusal: of calls, or, where doubtful, of their order alone"
    )
    never_again: bool = Field(
        default=False, strict=True, description="a doubtful reply refuses calls, too; with refusal: true"
    )
    reason: Reasoned | None = Field(None, validate_default=True, examples=["asks what it costs"])

    @field_validator("reason")
    @classmethod
    def _is_given(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if reason is None and info.data.get("refusal") is False:
            raise PydanticCustomError("missing", "must be given: why it was no refusal")
        return reason


_NESTED: dict[object, type[BaseModel]] = {"evidence": OwnAct, "recording": RecordingTaken}
"""Fields that have fields of their own, which errors name."""


def read(form: type[Form], body: object, *, whole: str = "body") -> Form:
    """Read the form in a JSON body. Raises Malformed with everything that is wrong with it, echoing no value.

    whole: the field's name in errors outside any known field
    """
    try:
        return form.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Malformed(field_errors(form, found, lambda each: _field_error(form, each, whole))) from None


def read_refusal(form: type[Form], body: object) -> tuple[Form, Malformed | None]:
    """Read a refusal or a registration, and what is wrong with it. Raises Malformed where it cannot be read what is
    refused, and by whom: where its number, carrier, kind, plan or end is wrong.
    """
    try:
        return read(form, body), None
    except Malformed as wrong:
        named = _REFUSED & form.model_fields.keys()
        said = {name: body[name] for name in named & body.keys()} if isinstance(body, dict) else {}
        try:
            return read(form, {**said, "channel": "other"}), wrong
        except Malformed:
            raise wrong from None


_REFUSED = {"msisdn", "carrier", "kind", "plan", "until"}


def read_dials(body: list[object]) -> list[Dial]:
    """Read a list of numbers. Raises Malformed with all that is wrong with any of them at once."""
    if len(body) > MOST_DIALLED:
        raise Malformed([FieldError("body", "too_long", f"must have at most {MOST_DIALLED} items")])
    return each_of(body, lambda each: read(Dial, each, whole=""))


def each_of(items: Iterable[Item], act: Callable[[Item], Result]) -> list[Result]:
    """Act on each, and return the results. Raises Malformed with all that is wrong with any, each by its place."""
    done: list[Result] = []
    wrong: list[FieldError] = []
    for n, each in enumerate(items):
        try:
            done.append(act(each))
        except Malformed as error:
            wrong += [FieldError(f"{n}.{e.field}".rstrip("."), e.code, e.message) for e in error.errors]
    if wrong:
        raise Malformed(wrong)
    return done


def _field_error(form: type[BaseModel], found: ErrorDetails, whole: str) -> FieldError:
    # An unknown field's name is input too: it is not repeated.
    known = {each.alias or name for name, each in form.model_fields.items()}
    steps = found["loc"][:1] if found["loc"] and found["loc"][0] in known else ()
    if steps and steps[0] in _NESTED:
        steps += tuple(step for step in found["loc"][1:2] if step in _NESTED[steps[0]].model_fields)
    steps += tuple(step for step in found["loc"][1:2] if steps and isinstance(step, int))
    field = ".".join(map(str, steps))
    code = "invalid_msisdn" if field == "msisdn" else found["type"]
    return FieldError(field or whole, code, in_our_words(found["msg"]))


class CancelStuck(RetryStuck):
    """Which effects of the stuck list have their orders cancelled, and why."""

    why: Reasoned = Field(examples=["the plan cannot be switched on any more"])


class AskAgain(StrictForm):
    """Which subscribers of undeliverable orders are asked again; a filter that is left out matches all."""

    reason: _OfCause = Field(None, max_length=MOST_REASON, description="the reason, as in the list of causes")
    plan: _OfPlan = Field(None, max_length=64)
    cursor: str = Field("", max_length=200, description="the cursor of the answer before, unchanged; empty: the newest")
    limit: int = Field(MOST_ASKED, ge=1, le=MOST_ASKED, strict=True, description="at most this many orders")


class RevealOrder(StrictForm):
    """The reason why the number of an order must be seen."""

    reason: Reasoned = Field(examples=["the regulator asks for this order"])


def _receipt_number(text: str) -> str:
    """Return the number of a receipt in any usual spelling: small letters, and those that are taken for digits."""
    said = normalize("NFKC", text).upper().translate(_TAKEN_FOR)
    if RECEIPT.fullmatch(said) is None:
        raise PydanticCustomError("invalid_receipt", "must be the 8 characters of a receipt's number")
    return said


_TAKEN_FOR = str.maketrans("OIL", "011", " -")


class FindReceipt(StrictForm):
    """The number of a receipt, as an SMS said it, and the last four digits of the number that the SMS came to."""

    number: Annotated[str, Field(max_length=40, examples=["7QK2M9RT"]), AfterValidator(_receipt_number)]
    last_four: Annotated[str, Field(pattern=r"^[0-9]{4}$", examples=["8000"])]


class ProveReceipt(FindReceipt):
    """The same, with the code that was sent to that number, and the ticket of the person who asked for it."""

    code: str = Field(max_length=20, examples=["123456"])
    ticket: str = Field("", max_length=64)


class EraseNumber(StrictForm):
    """A person whose data are to be erased, and the ground: their own request, an order of a court."""

    msisdn: Number
    ground: Reasoned = Field(examples=["the subscriber asked for it at the hotline on 2026-12-01"])


class ExportOrders(StrictForm):
    """The orders that are listed with their numbers, and why; a filter that is left out matches all."""

    reason: Reasoned = Field(examples=["sales calls these subscribers again"])
    state: Annotated[State | None, Eg("undeliverable")] = None
    cause: Annotated[str | None, Eg("gateway:422")] = Field(
        None, max_length=MOST_REASON, description="only undeliverable orders of this cause, as in the list of causes"
    )
    agent: str | None = Field(None, max_length=64)
    plan: str | None = Field(None, max_length=64)
    since: Instant | None = Field(None, description="only orders placed at this instant or later")
    cursor: str = Field("", max_length=200, description="the cursor of the answer before, unchanged; empty: the newest")
    limit: int = Field(MOST_EXPORTED, ge=1, le=MOST_EXPORTED, strict=True, description="at most this many orders")


class StopOrGo(StrictForm):
    """A lane or a gateway, and the reason why it is stopped or resumed."""

    to: Annotated[Literal["lane", "gateway", "spool"], Eg("gateway")]
    name: Annotated[Word, Eg("kannel")]
    reason: Annotated[Reasoned, Eg("its operator works on it until 18:00")]


Reported = Literal["assigned", "released", "ported_out", "ported_in", "suspended", "resumed"]
"""The events that a network reports; others come from the BSS's answers alone."""


class Register(StrictForm):
    """A number that is marketing-free, by its subscriber's word or a national list. Without a carrier: for all."""

    msisdn: RefusedNumber
    carrier: _OfCarrier = None
    kind: Annotated[Literal["marketing_free"], Eg("marketing_free")] = "marketing_free"
    channel: Channel


class Unregister(StrictForm):
    """A registration to lift, on the subscriber's own act. Without a carrier: the one for all carriers."""

    msisdn: Number
    carrier: _OfCarrier = None
    kind: Annotated[Literal["marketing_free"], Eg("marketing_free")] = "marketing_free"
    evidence: OwnAct


class TellLine(StrictForm):
    """An event of a number, as its network reports it: another holder (`assigned`), none (`released`), and the like."""

    msisdn: Number
    event: Annotated[Reported, Eg("assigned")]
    at: Instant = Field(description="when it happened; not in the future")
    carrier: Carrier | None = Field(None, description="the carrier left or joined by porting; left out: all carriers")
