"""Forms: the strict form, and checks of fields that forms share, each of which raises PydanticCustomError with its
code; errors in the words of our own errors instead of those of pydantic; and the field that an unknown one may mean.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.domain.invisible_characters import LINES, legible
from consent_engine.domain.msisdn import contains_number, parse
from consent_engine.errors import FieldError, Malformed


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


_PREFIX = re.compile(r"(^|: )(?:Value error|Assertion failed), ")
_SHOULD = re.compile(r"(^|: )[A-Z][A-Za-z ]* should ")
_OBJECT = re.compile(r"valid dictionary(?: or (?:instance of \w+|object to extract fields from))?")
_SPAN = re.compile(r"datetime\.timedelta\((?:(?:day|second)s=)?([0-9]+)\)")
_WHOLE = {"Field required": "must be given", "Extra inputs are not permitted": "is no field here"}


def in_our_words(said: str) -> str:
    """Return a message of pydantic's in the words of our own errors: they go on from the name of a field or option.

    >>> in_our_words("Value error, must be digits"), in_our_words("Field required")
    ('must be digits', 'must be given')
    >>> in_our_words("Invalid value for '--port': Input should be greater than or equal to 1")
    "Invalid value for '--port': must be greater than or equal to 1"
    >>> in_our_words("Input should be less than or equal to datetime.timedelta(days=1)")
    'must be less than or equal to 1d'
    >>> in_our_words("Input should be a valid dictionary or instance of Evidence")
    'must be an object'
    >>> in_our_words("String should have at most 3 characters")
    'must have at most 3 characters'
    """
    message = _SHOULD.sub(r"\1must ", _PREFIX.sub(r"\1", said))
    return _WHOLE.get(said) or _SPAN.sub(_span, _OBJECT.sub("object", message).replace("a object", "an object"))


def _span(found: re.Match[str]) -> str:
    """Return a duration as settings are written."""
    return found[1] + ("d" if "days" in found[0] else "s")


_NAME = re.compile("[A-Za-z0-9_]{1,40}", re.ASCII)
_FIGURES = re.compile("[0-9](?:_*[0-9]){6}")
"""Seven digits or more belong to a telephone number or a part of one, and to no field's name."""
MOST_GUESSED = 20
"""The most errors for which the field that may have been meant is looked up: a body may have thousands."""


def nameable(step: str) -> bool:
    """Whether a name in a body may be repeated to its sender: it can be a field's, and holds no telephone number.

    >>> [nameable(name) for name in ("recording_sha265", "x_1380013", "t_138_0013_8000", "我的", "0")]
    [True, False, False, False, True]
    """
    return bool(_NAME.fullmatch(step)) and not _FIGURES.search(step) and not contains_number(step)


def field_errors(
    form: type[BaseModel], found: Sequence[ErrorDetails], named: Callable[[ErrorDetails], FieldError], at: str = ""
) -> list[FieldError]:
    """All errors, as `named` makes them. Fields that the form does not know are named by their path, with the field
    that may have been meant; not where a name cannot be a field's, or has a telephone number in it. at: path prefix
    """
    guessing = len(found) <= MOST_GUESSED
    return [_unknown(form, each, at, guessing=guessing) or named(each) for each in found]


def _unknown(form: type[BaseModel], found: ErrorDetails, at: str, *, guessing: bool) -> FieldError | None:
    *above, name = found["loc"] or ("",)
    if found["type"] != "extra_forbidden" or str(name)[:1].isdigit() or not all(map(nameable, map(str, found["loc"]))):
        return None
    known = _names(form)
    for step in above:
        known = _names(known[step]) if step in known else known
    near = get_close_matches(str(name), [each for each in known if isinstance(each, str)], 1) if guessing else []
    meant = "".join(f": did you mean {each}?" for each in near)
    return FieldError(at + ".".join(map(str, found["loc"])), found["type"], f"is no field here{meant}")


def _names(annotation: object) -> dict[str | int, object]:
    """The fields of the form in an annotation, by the names they are sent under, with their annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {each.alias or name: each.annotation for name, each in annotation.model_fields.items()}
    return next((names for each in get_args(annotation) if (names := _names(each))), {})
