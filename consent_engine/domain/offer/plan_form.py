"""The form of a plan in YAML and JSON, and its check, which reports all errors at once."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import GenericAlias, NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields
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
    create_model,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.domain.forms import field_errors, in_our_words, legible, nameable, unbroken
from consent_engine.domain.msisdn import contains_number
from consent_engine.domain.offer.plan import UNITS, English, Plan, Publication, Tariff
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


_DAYS_OF_A_MONTH = 28
_CHINESE = re.compile("[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
IN_SENTENCES = "says price and validity in sentences: say them as fields, as docs/plans.md shows"


class Form(BaseModel):
    """A part of a plan. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


_BY_NAME: Mapping[str, Any] = {
    "code": Code, "scenario": Long, "url": Url, "api": Api, "since": Instant, "until": Instant,
    **dict.fromkeys(("name", "seller", "offered_to"), Short), **dict.fromkeys(("what", "per", "unit", "word"), Word),
    "currency": Annotated[Literal["CNY"], Field(default="CNY")], "channel": Literal["web_hall", "app"],
    "filing": Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,32}$")],
    "limit": Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9]{1,2})?[KMG]bps$")],
    "to": Annotated[str, StringConstraints(pattern=r"^[0-9]{3,12}$"), AfterValidator(telling)],
    "months": Annotated[int, Field(ge=1, le=120)], "days": Annotated[int, Field(ge=1, le=366)],
    "notice_days": Annotated[int, Field(ge=1, le=60)], "terms": Annotated[dict[str, Word], Field(max_length=40)],
    "restrictions": Annotated[tuple[Long, ...], Field(strict=False, max_length=10)],
    "sold_by": Annotated[
        tuple[Literal["phone", "hall", "app", "web", "counter", "other"], ...], Field(strict=False, min_length=1)
    ],
}  # fmt: skip
"""The check of a text or a number by the name of its field, which means the same wherever it stands."""


def _check(name: str, kept: Any) -> Any:  # noqa: ANN401 - types
    """Return the type that a form's field must be of, by its name, or else by the type that it is kept as."""
    kind: Any = next((each for each in get_args(kept) if each is not NoneType), kept)
    if name in _BY_NAME:
        return _BY_NAME[name]
    if get_origin(kept) is tuple:
        many = GenericAlias(tuple, (_form_of(kind), ...))
        return Annotated[many, Field(strict=False, max_length=20 if kind is Publication else 10)]
    if issubclass(kind, Struct):
        return _form_of(kind)
    return Amount if kind is Decimal else Annotated[kind, Field(strict=not issubclass(kind, StrEnum))]


def _form_of(*kept: type[Struct]) -> Any:  # noqa: ANN401 - a class that is made here
    """Make the form of a part of a plan: its fields as they are kept, each with its check. Of those with a default, a
    list may be left out, and any other may be null, too.
    """
    made: dict[str, Any] = {}
    for each in (field for part in kept for field in fields(part) if field.name not in {"tariff", "version"}):
        check = _check(each.name, each.type)
        if each.required:
            made[each.name] = check, Field()
        elif each.default == ():
            made[each.name] = check, ()
        else:
            made[each.name] = (check, {}) if each.default_factory is dict else (check | None, None)
    return create_model(f"{kept[0].__name__}Form", __base__=Form, __doc__=kept[-1].__doc__, **made)


PlanForm = _form_of(Plan, Tariff)


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
        raise Malformed(field_errors(PlanForm, found, _field_error)) from None
    plan = Plan.decode(form.model_dump(mode="json", exclude_none=True))
    if wrong := list(_gaps(plan)):
        raise Malformed(wrong)
    return plan


def _is_in_sentences(mapping: dict[Any, Any]) -> bool:
    """Whether the plan has no `term`, and a price as text, or `validity`: then errors field by field would not help."""
    return "term" not in mapping and (isinstance(mapping.get("price"), str) or "validity" in mapping)


def _gaps(plan: Plan) -> Iterator[FieldError]:
    form = plan.tariff
    price, term, renewal = form.price, form.term, form.renewal
    kinds = sum(kind is not None for kind in (price.monthly, price.once, price.daily))
    promised = price.promotion is not None and price.monthly is None
    otherwise = kinds == 1 and price.monthly is None and not promised
    fee = term.early_fee
    early = fee is not None and fee.at_most < fee.per_remaining_month
    cheaper = 0 if price.promotion is None or renewal.automatic else price.promotion.months
    lasts = term.months or term.days / _DAYS_OF_A_MONTH
    rules: tuple[tuple[bool, str, str, str], ...] = (
        (promised, "price.monthly", "missing", "must say the monthly price that follows the promotion"),
        (kinds != 1 and not promised, "price", "one_price", "must say exactly one of monthly, once and daily"),
        (bool(term.months) == bool(term.days), "term", "one_term", "must have either months or days"),
        (0 < lasts < cheaper, "price.promotion.months", "too_long",
         "must not be longer than the term (term.months or term.days) of a plan without automatic renewal"),
        (early, "term.early_fee.at_most", "too_small", "must not be less than the fee of one month"),
        (renewal.automatic != bool(renewal.notice_days), "renewal.notice_days", "notice_days",
         "must be given if renewal.automatic is true, and only then"),
        *((not renewal.automatic and bool(value), f"renewal.{field}", "not_automatic",
           "must be left out if renewal.automatic is false")
          for field, value in (("months", renewal.months), ("reminded_by", renewal.reminded_by))),
        (form.first_month is not None and otherwise, "first_month", "not_monthly",
         "must be left out if the price is not monthly"),
        ("phone" not in form.sold_by, "sold_by", "not_by_phone", "must name phone: plans here are sold by phone"),
        *((bool(p.since and p.until and p.until <= p.since), f"published.{n}", "never_public",
           "must end after it begins") for n, p in enumerate(plan.published)),
    )  # fmt: skip
    yield from (FieldError(field, code, message) for wrong, field, code, message in rules if wrong)
    if form.english is not None:
        yield from _english_gaps(form, form.english)


def _english_gaps(form: Tariff, english: English) -> Iterator[FieldError]:
    """Errors for content of the plan that has no English words."""
    for field in ("seller", "offered_to"):
        if bool(getattr(form, field)) != bool(getattr(english, field)):
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
