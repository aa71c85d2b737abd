"""Types of a plan's fields: texts that subscribers read, addresses, instants, amounts."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from consent_engine.domain.invisible_characters import legible, unbroken
from consent_engine.domain.msisdn import contains_number

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
