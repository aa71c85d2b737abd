"""Fields: what the forms have in common. Each check raises PydanticCustomError with the code of its error."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from consent_engine.domain.msisdn import contains_number, parse
from consent_engine.domain.unseen import LINES, legible
from consent_engine.errors import Malformed

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def msisdn(value: str) -> str:
    """The number as E.164 with plus; raises `invalid_msisdn`."""
    try:
        return str(parse(value))  # a plain text: what is of another kind is slowly written as JSON
    except Malformed as error:
        raise PydanticCustomError("invalid_msisdn", "{why}", {"why": error.errors[0].message}) from None


def numberless(value: str) -> str:
    """The value; raises `unseen_character`: it is shown as it is; and `contains_number`: it outlives the erasure of a
    person.
    """
    return _without_number(legible(value))


def _without_number(value: str) -> str:
    if contains_number(value):
        raise PydanticCustomError("contains_number", "must not contain a telephone number")
    return value


def numberless_json(value: dict[str, Any]) -> dict[str, Any]:
    """The value; raises what `numberless` does for any name or value in it, which may have several lines."""
    for text in _texts(value):
        _without_number(legible(text, LINES))
    return value


def _texts(told: object) -> Iterator[str]:
    if isinstance(told, dict):
        for name, value in told.items():
            yield name
            yield from _texts(value)
    elif isinstance(told, list):
        for each in told:
            yield from _texts(each)
    elif isinstance(told, float):
        yield f"{told:f}".rstrip("0").rstrip(".")  # 13800138000.0 is a number, and 1.3800138e10 the same one
    else:
        yield str(told)
