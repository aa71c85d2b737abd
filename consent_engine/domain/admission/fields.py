"""The strict form, and checks of fields that forms share. Each raises PydanticCustomError with its code."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from consent_engine.domain.invisible_characters import LINES, legible
from consent_engine.domain.msisdn import contains_number, parse
from consent_engine.errors import Malformed


class StrictForm(BaseModel):
    """The body or the query of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")


RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def msisdn(value: str) -> str:
    """The number as E.164 with plus; raises `invalid_msisdn`."""
    try:
        return str(parse(value))  # a plain str: a subclass of it is slow to write as JSON
    except Malformed as error:
        raise PydanticCustomError("invalid_msisdn", "{why}", {"why": error.errors[0].message}) from None


def numberless(value: str) -> str:
    """Return the value; raises `unseen_character`, as it is shown unchanged, and `contains_number`, as it outlives the
    erasure of a person.
    """
    return _without_number(legible(value))


def _without_number(value: str) -> str:
    if contains_number(value):
        raise PydanticCustomError("contains_number", "must not contain a telephone number")
    return value


def numberless_json(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value; raises as `numberless` does for any name or value in it, but these may have several lines."""
    for text in _texts(value):
        _without_number(legible(text, LINES))
    return value


def _texts(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield name
            yield from _texts(value)
    elif isinstance(tree, list):
        for each in tree:
            yield from _texts(each)
    elif isinstance(tree, float):
        yield f"{tree:f}".rstrip("0").rstrip(".")  # 13800138000.0 is a number, and 1.3800138e10 the same one
    else:
        yield str(tree)
