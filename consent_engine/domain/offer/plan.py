"""Plan: a published tariff, versioned by what it says, with what a subscriber must be told and where it is public."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Millis
from consent_engine.errors import FieldError, Malformed

CHANNELS = ("web_hall", "app")
"""A plan is public while all of these say so."""

_FIRST = frozenset({
    "code", "carrier", "name", "price", "scenario", "validity", "restrictions", "unsubscribe", "published", "version"
})  # fmt: skip
"""What every plan says of itself, be it nothing: its fields before any came later."""

DISCLOSURES = ("name", "price", "scenario", "validity", "restrictions", "unsubscribe")
"""What the subscriber must be told before a yes counts."""

MAX_TOLD = 460
"""Code units of all disclosures together: with our own words that is a confirmation of about ten segments."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINK = re.compile(r"://|www\.", re.IGNORECASE)
_URL = re.compile(r"(?:/(?!/)|[a-z][a-z0-9+.-]*://)\S*", re.IGNORECASE)
_SCRIPTS = ("javascript:", "data:", "vbscript:")
_FIELD_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")


def _linkless(text: str) -> str:
    # A confirmation without links is one that no phishing SMS can pass for.
    if _LINK.search(text):
        raise PydanticCustomError("link", "must not contain a link")
    return text


def _address(url: str) -> str:
    # Pages show it as a link, so what a browser would run instead of open is refused.
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


_Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
_Url = Annotated[str, StringConstraints(max_length=500), AfterValidator(_address)]
_Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_Short = Annotated[str, StringConstraints(max_length=80), AfterValidator(_linkless)]
_Long = Annotated[str, StringConstraints(max_length=300), AfterValidator(_linkless)]


class Publication(BaseModel):
    """Where a plan can be read, from `since` on and before `until`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    channel: Literal["web_hall", "app"]
    url: _Url
    since: _Instant
    until: _Instant | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until is not None and self.until <= self.since:
            raise PydanticCustomError("never_public", "must end after it begins")
        return self

    def covers(self, at_ms: Millis) -> bool:
        """Whether this channel shows the plan at an instant."""
        return _millis(self.since) <= at_ms and (self.until is None or at_ms < _millis(self.until))


class Plan(BaseModel):
    """A tariff as the public was told it. An empty disclosure can be kept, but such a plan cannot be sold."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    code: _Code
    carrier: Annotated[Carrier, Field(strict=False)]
    name: _Short
    price: _Short = ""
    scenario: _Long = ""
    validity: _Long = ""
    restrictions: _Long = ""
    unsubscribe: _Long = ""
    published: Annotated[tuple[Publication, ...], Field(strict=False, max_length=20)] = ()
    version: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _fits_an_sms(self) -> Self:
        if sum(len(getattr(self, field).encode("utf-16-le")) // 2 for field in DISCLOSURES) > MAX_TOLD:
            raise PydanticCustomError("too_long", "must tell all there is to tell in 460 characters")
        return self

    @model_serializer(mode="wrap")
    def _told(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What it says; a field that came later, and says nothing, is not there: older plans keep bytes and hash."""
        known: dict[str, Any] = written(self)
        later = {name: each.default for name, each in type(self).model_fields.items() if name not in _FIRST}
        return {name: told for name, told in known.items() if name not in later or told != later[name]}

    @cached_property
    def hash(self) -> str:
        """SHA-256, in hex, of everything the plan says except its version; the same for the same instants."""
        content = self.model_dump(mode="json", exclude={"version", "published"})
        # Instants as numbers: the offset they were written with says nothing about the tariff.
        content["published"] = [
            [p.channel, p.url, _millis(p.since), None if p.until is None else _millis(p.until)] for p in self.published
        ]
        canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def public_at(self, at_ms: Millis) -> bool:
        """Whether web hall and app both show this plan at an instant."""
        shown = {publication.channel for publication in self.published if publication.covers(at_ms)}
        return shown.issuperset(CHANNELS)

    def missing(self) -> tuple[str, ...]:
        """The disclosures that tell nothing: no letter and no digit in them."""
        return self._missing

    @cached_property
    def _missing(self) -> tuple[str, ...]:
        return tuple(field for field in DISCLOSURES if not any(map(str.isalnum, getattr(self, field))))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, unchecked; it makes its own hash."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("hash", "_missing"):
            copied.__dict__.pop(name, None)
        return copied


def plan_from(mapping: object) -> Plan:
    """The plan that YAML, JSON or a stored record describes; raise Malformed with everything wrong with it at once.

    Fields are named by their path, such as `published.0.url`. No value is repeated.
    """
    try:
        return Plan.model_validate(mapping)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Malformed([_field_error(each) for each in found]) from None


def _field_error(found: ErrorDetails) -> FieldError:
    # An unknown field's name is input too: only what can be a name is repeated.
    steps = [step if _FIELD_NAME.fullmatch(step) else "?" for step in map(str, found["loc"])]
    return FieldError(".".join(steps) or "plan", found["type"], found["msg"])


@lru_cache(4_096)
def _millis(instant: datetime) -> Millis:
    return (instant - _EPOCH) // timedelta(milliseconds=1)
