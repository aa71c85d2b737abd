"""The form of a plan in YAML and JSON, and its check, which reports all errors at once."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.forms import field_errors, in_our_words, legible, nameable, unbroken
from consent_engine.domain.msisdn import contains_number
from consent_engine.domain.offer.plan import UNITS, Ends, FirstMonth, Plan, RemindedBy, Replaces, Starts
from consent_engine.errors import DisclosureMissing, FieldError, Malformed

_LINK = re.compile(r"://|www\.|[a-z0-9]\.(?:com|cn|net|org|cc|top|xyz|vip|info)\b", re.IGNORECASE)
_URL = re.compile(r"(?:/(?!/)|[a-z][a-z0-9+.-]*://)\S*", re.IGNORECASE)
_SCRIPTS = ("javascript:", "data:", "vbscript:")
_AMOUNT = re.compile(r"\d{1,7}(?:\.\d{1,2})?", re.ASCII)
_SAYS_NOTHING = frozenset({"无", "没有", "暂无", "无限制", "不限", "none", "no", "n/a", "na", "nil", "null"})
_CENT = Decimal("0.01")


def telling(text: str) -> str:
    """Return a text for subscribers, on one line. Raises PydanticCustomError for a text that they must not be shown."""
    text = unbroken(text)
    # Confirmations never have links, so no phishing SMS can pass for one.
    if _LINK.search(text):
        raise PydanticCustomError("link", "must not contain a link")
    legible(text)
    if contains_number(text):
        raise PydanticCustomError("contains_number", "must not contain a telephone number")
    if not any(map(str.isalnum, text)) or text.strip().lower() in _SAYS_NOTHING:
        raise PydanticCustomError("says_nothing", "says nothing: leave the field out if there is nothing to say")
    return text


def _address(url: str) -> str:
    # Pages show it as a link, so an address that a browser would run instead of open is refused.
    if not _URL.fullmatch(url) or url.lower().startswith(_SCRIPTS):
        raise PydanticCustomError("invalid_url", "must be an address like https://..., app://... or /...")
    return url


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("invalid_instant", "must be an RFC 3339 instant with offset") from None


def _amount(value: object) -> Decimal:
    # YAML and JSON give 199.00 as a float, which is read from its shortest spelling.
    digits = value if isinstance(value, str) else str(value) if type(value) in {int, float, Decimal} else ""
    if not _AMOUNT.fullmatch(digits):
        raise PydanticCustomError("invalid_amount", 'must be an amount such as "199.00", of at most two decimal places')
    return Decimal(digits).quantize(_CENT)


Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Url = Annotated[str, StringConstraints(max_length=500), AfterValidator(_address)]
Api = Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://\S+$")]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Word = Annotated[str, StringConstraints(max_length=20, pattern=r"^\S*$"), AfterValidator(telling)]
Short = Annotated[str, StringConstraints(max_length=80), AfterValidator(telling)]
Long = Annotated[str, StringConstraints(max_length=300), AfterValidator(telling)]
Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": r"^[0-9]{1,7}(\.[0-9]{1,2})?$"}, {"type": "number"}],
            "description": "an amount of two decimal places; answered as text",
        }
    ),
]


_Channel = Literal["phone", "hall", "app", "web", "counter", "other"]
_DAYS_OF_A_MONTH = 28
_CHINESE = re.compile("[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
IN_SENTENCES = "says price and validity in sentences: say them as fields, as docs/plans.md shows"
_Months = Annotated[int, Field(ge=1, le=120)]


class Form(BaseModel):
    """A part of a plan. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class PromotionForm(Form):
    """A lower price for the first months."""

    price: Amount
    months: _Months


class PriceForm(Form):
    """The price of a plan: exactly one of monthly, once and daily; a promotion comes before `monthly`."""

    monthly: Amount | None = None
    once: Amount | None = None
    daily: Amount | None = None
    promotion: PromotionForm | None = None
    currency: Literal["CNY"] = "CNY"


class OverageForm(Form):
    """The price of use beyond what is included."""

    what: Word
    price: Amount
    per: Word


class SpeedCapForm(Form):
    """The limit of the speed above an amount of use."""

    above: Amount
    unit: Word
    limit: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9]{1,2})?[KMG]bps$")]


class EarlyFeeForm(Form):
    """The fee for leaving before the end of the term, with its maximum."""

    per_remaining_month: Amount
    at_most: Amount


class TermForm(Form):
    """The term of a plan: months or days."""

    months: _Months | None = None
    days: Annotated[int, Field(ge=1, le=366)] | None = None
    starts: Annotated[Starts, Field(strict=False)]
    early_fee: EarlyFeeForm | None = None


class RenewalForm(Form):
    """The renewal of a plan: whether it is automatic, and for how long: `months`, or the plan's term again. Where the
    BSS confirmed that it reminds (`reminded_by: bss`), texts say so, `notice_days` before.
    """

    automatic: bool
    notice_days: Annotated[int, Field(ge=1, le=60)] | None = None
    months: _Months | None = None
    reminded_by: Annotated[RemindedBy, Field(strict=False)] | None = None


class IncludedForm(Form):
    """An amount of something that the price includes."""

    what: Word
    amount: Amount
    unit: Word


class UnsubscribeForm(Form):
    """The way to end the service: a word sent to a number, or a call to it."""

    word: Word | None = None
    to: Annotated[str, StringConstraints(pattern=r"^[0-9]{3,12}$"), AfterValidator(telling)]
    takes_effect: Annotated[Ends, Field(strict=False)]
    fee: Amount | None = None


class EnglishForm(Form):
    """The plan's words in English texts; `terms` translates every `what`, and units that only Chinese readers know."""

    name: Short
    seller: Short | None = None
    scenario: Long
    offered_to: Short | None = None
    restrictions: Annotated[tuple[Long, ...], Field(strict=False, max_length=10)] = ()
    terms: Annotated[dict[str, Word], Field(max_length=40)] = {}


class PublicationForm(Form):
    """A channel that shows the plan. `since`: left out, from now on. `api`: where a program reads an app's content."""

    channel: Literal["web_hall", "app"]
    url: Url
    api: Api | None = None
    since: Instant | None = None
    until: Instant | None = None


class PlanForm(Form):
    """A plan: money and time as data, the rest in sentences."""

    code: Code
    carrier: Annotated[Carrier, Field(strict=False)]
    name: Short
    filing: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,32}$")] | None = None
    seller: Short | None = None
    price: PriceForm
    overage: Annotated[tuple[OverageForm, ...], Field(strict=False, max_length=10)] = ()
    speed_cap: SpeedCapForm | None = None
    term: TermForm
    renewal: RenewalForm
    includes: Annotated[tuple[IncludedForm, ...], Field(strict=False, max_length=10)] = ()
    first_month: Annotated[FirstMonth, Field(strict=False)] | None = None
    scenario: Long
    offered_to: Short | None = None
    restrictions: Annotated[tuple[Long, ...], Field(strict=False, max_length=10)] = ()
    replaces: Annotated[Replaces, Field(strict=False)]
    unsubscribe: UnsubscribeForm
    sold_by: Annotated[tuple[_Channel, ...], Field(strict=False, min_length=1)]
    english: EnglishForm | None = None
    published: Annotated[tuple[PublicationForm, ...], Field(strict=False, max_length=20)] = ()


def plan_from(mapping: object) -> Plan:
    """Read the plan that YAML or JSON describes; raise Malformed with all its errors at once, DisclosureMissing for
    price and validity in sentences.

    Fields are named by their path, such as `published.0.url`. No value is repeated.
    """
    if isinstance(mapping, dict) and _is_in_sentences(mapping):
        raise DisclosureMissing(IN_SENTENCES, missing="term, renewal, replaces")
    try:
        form = PlanForm.model_validate(mapping)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = field_errors(PlanForm, found, _field_error)
    else:
        wrong = list(_gaps(form))
    if wrong:
        raise Malformed(wrong)
    return Plan.decode(form.model_dump(mode="json", exclude_none=True))


def _is_in_sentences(mapping: dict[Any, Any]) -> bool:
    """Whether the plan has no `term`, and a price as text, or `validity`: then errors field by field would not help."""
    return "term" not in mapping and (isinstance(mapping.get("price"), str) or "validity" in mapping)


def _gaps(form: PlanForm) -> Iterator[FieldError]:
    price, term, renewal = form.price, form.term, form.renewal
    kinds = sum(kind is not None for kind in (price.monthly, price.once, price.daily))
    promised = price.promotion is not None and price.monthly is None
    otherwise = kinds == 1 and price.monthly is None and not promised
    fee = term.early_fee
    early = fee is not None and fee.at_most < fee.per_remaining_month
    cheaper = 0 if price.promotion is None or renewal.automatic else price.promotion.months
    lasts = term.months or (term.days or 0) / _DAYS_OF_A_MONTH
    rules: tuple[tuple[bool, str, str, str], ...] = (
        (promised, "price.monthly", "missing", "must say the monthly price that follows the promotion"),
        (kinds != 1 and not promised, "price", "one_price", "must say exactly one of monthly, once and daily"),
        ((term.months is None) == (term.days is None), "term", "one_term", "must have either months or days"),
        (0 < lasts < cheaper, "price.promotion.months", "too_long",
         "must not be longer than the term (term.months or term.days) of a plan without automatic renewal"),
        (early, "term.early_fee.at_most", "too_small", "must not be less than the fee of one month"),
        (renewal.automatic != (renewal.notice_days is not None), "renewal.notice_days", "notice_days",
         "must be given if renewal.automatic is true, and only then"),
        *((not renewal.automatic and value is not None, f"renewal.{field}", "not_automatic",
           "must be left out if renewal.automatic is false")
          for field, value in (("months", renewal.months), ("reminded_by", renewal.reminded_by))),
        (form.first_month is not None and otherwise, "first_month", "not_monthly",
         "must be left out if the price is not monthly"),
        ("phone" not in form.sold_by, "sold_by", "not_by_phone", "must name phone: plans here are sold by phone"),
        *((bool(p.since and p.until and p.until <= p.since), f"published.{n}", "never_public",
           "must end after it begins") for n, p in enumerate(form.published)),
    )  # fmt: skip
    yield from (FieldError(field, code, message) for wrong, field, code, message in rules if wrong)
    if form.english is not None:
        yield from _english_gaps(form, form.english)


def _english_gaps(form: PlanForm, english: EnglishForm) -> Iterator[FieldError]:
    """Errors for content of the plan that has no English words."""
    for field in ("seller", "offered_to"):
        if (getattr(form, field) is None) != (getattr(english, field) is None):
            yield FieldError(f"english.{field}", "missing", "must be given if the plan has it, and only then")
    if len(form.restrictions) != len(english.restrictions):
        yield FieldError("english.restrictions", "missing", "must be as many as the plan's own restrictions")
    texts = [("name", english.name), ("seller", english.seller), ("scenario", english.scenario)]
    texts += [("offered_to", english.offered_to), *(("restrictions", each) for each in english.restrictions)]
    texts += [("terms", each) for each in english.terms.values()]
    for field in dict.fromkeys(field for field, text in texts if text and _CHINESE.search(text)):
        yield FieldError(f"english.{field}", "not_english", "must have no Chinese in it: no text mixes two languages")
    if form.unsubscribe.word and _CHINESE.search(form.unsubscribe.word):
        yield FieldError(
            "unsubscribe.word", "not_english", "must be of Latin letters and digits in a plan with English"
        )
    whats = [*(e.what for e in form.includes), *(e.what for e in form.overage)]
    units = [*(e.unit for e in form.includes), *(e.per for e in form.overage)]
    units += [form.speed_cap.unit] if form.speed_cap else []
    untranslated = [*whats, *(unit for unit in units if not unit.isascii() and unit not in UNITS)]
    if any(each not in english.terms for each in untranslated):
        yield FieldError("english.terms", "missing", "must translate every `what` and every Chinese unit")


def _field_error(found: ErrorDetails) -> FieldError:
    said = map(str, found["loc"])  # names are input too: repeated only where they can be names without phone numbers
    steps = [step if nameable(step) else "?" for step in said]
    return FieldError(".".join(steps) or "plan", found["type"], in_our_words(found["msg"]))
