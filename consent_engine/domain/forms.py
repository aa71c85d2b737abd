"""Forms: the strict form, and checks of fields that forms share, each of which raises PydanticCustomError with its
code; errors in the words of our own errors instead of those of pydantic; and the field that an unknown one may mean.

Invisible characters - controls, those without width, those that turn the direction of writing - make a text look like
another one, on a screen or in an SMS.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, get_args
from unicodedata import category

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import ErrorDetails, PydanticCustomError

from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import contains_number, parse
from consent_engine.errors import FieldError, Malformed

_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BLANK_LETTERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufffe\uffff]")
"""Letters, marks and noncharacters to Unicode; nothing on a screen, and an error in a YAML file."""
_BREAK = re.compile(r"[ \t]*[\r\n]\s*")
LINES = "\t\r\n"
"""Control characters that a text of several lines may hold."""
_PICTURE = "[\u2600-\u27bf\U0001f300-\U0001faff]"
_JOINED = re.compile(f"(?:(?<={_PICTURE})|(?<={_PICTURE}\ufe0f))\u200d(?={_PICTURE})")
"""The joiner that makes one picture of two, such as a family: it is visible. In free text only: a name needs none."""


def is_legible(text: str, also: str = "") -> bool:
    """Whether every character of a text is visible as it stands. also: invisible characters that it may hold

    >>> is_legible("5G智享　套餐 🙂"), is_legible("199\u202e元"), is_legible("王\u200b五"), is_legible("甲\\n乙", LINES)
    (True, False, False, True)
    >>> is_legible("王👨\u200d👩五", LINES), is_legible("王👨\u200d👩五"), is_legible("王\u200d👩五", LINES)
    (True, False, False)
    """
    text = _JOINED.sub("", text) if also else text
    if _BLANK_LETTERS.search(text):
        return False
    return text.isprintable() or all(each in also or category(each) not in _CATEGORIES for each in text)


def legible(text: str, also: str = "") -> str:
    """Return the text if it is legible; raises PydanticCustomError (`unseen_character`)."""
    if not is_legible(text, also):
        lines = "" if also else "line breaks, or "
        raise PydanticCustomError(
            "unseen_character",
            f"must not contain {lines}characters that nobody sees or that turn the direction of writing",
        )
    return text


def unbroken(text: str) -> str:
    """The text on one line, as a block of YAML is meant: a separate line would read as another term.

    >>> unbroken("10GB a month\\n  in China\\n")
    '10GB a month in China'
    """
    return _BREAK.sub(" ", text.strip("\r\n"))


def visible(text: str) -> str:
    """The text without invisible characters, for input that must be taken as it comes.

    >>> visible("王\u200b五\u202e")
    '王五'
    """
    if is_legible(text, LINES):
        return text
    return "".join(each for each in _BLANK_LETTERS.sub("", text) if each in LINES or category(each) not in _CATEGORIES)


class StrictForm(BaseModel):
    """The body or the query of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")


RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


OLDEST_MS = 3 * 366 * 86_400_000
"""The greatest age of a call that is made known or reported: records of an older one would not be kept any more."""
SKEW_MS = 60_000
"""How far a desktop's clock may be ahead of the store's before an instant counts as in the future."""


def rfc3339(code: str) -> BeforeValidator:
    """Return the check of an instant with offset, which raises PydanticCustomError with this code."""

    def checked(value: object) -> object:
        if isinstance(value, datetime) or (isinstance(value, str) and RFC3339.fullmatch(value)):
            return value
        raise PydanticCustomError(code, "must be an RFC 3339 instant with offset")

    return BeforeValidator(checked)


def untimely(field: str, code: str, at: Millis, now: Millis) -> list[FieldError]:
    """Return the error of an instant in the future, or of a call too long ago. now: by the store's clock"""
    if at > now + SKEW_MS:
        return [FieldError(field, code, "must not be in the future")]
    return [FieldError(field, code, "must not be older than three years")] if at < now - OLDEST_MS else []


def msisdn(value: str, reads: Callable[[str], str] = parse) -> str:
    """The number as E.164 with plus; raises `invalid_msisdn`. reads: the spellings that are taken"""
    try:
        return str(reads(value))  # a plain str: a subclass of it is slow to write as JSON
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
    form: type[BaseModel], found: Sequence[ErrorDetails], named: Callable[[ErrorDetails], FieldError]
) -> list[FieldError]:
    """All errors, as `named` makes them. Fields that the form does not know are named by their path, with the field
    that may have been meant; not where a name cannot be a field's, or has a telephone number in it.
    """
    guessing = len(found) <= MOST_GUESSED
    return [_unknown(form, each, guessing=guessing) or named(each) for each in found]


def _unknown(form: type[BaseModel], found: ErrorDetails, *, guessing: bool) -> FieldError | None:
    *above, name = found["loc"] or ("",)
    if found["type"] != "extra_forbidden" or str(name)[:1].isdigit() or not all(map(nameable, map(str, found["loc"]))):
        return None
    known = _names(form)
    for step in above:
        known = _names(known[step]) if step in known else known
    near = get_close_matches(str(name), [each for each in known if isinstance(each, str)], 1) if guessing else []
    meant = "".join(f": did you mean {each}?" for each in near)
    return FieldError(".".join(map(str, found["loc"])), found["type"], f"is no field here{meant}")


def _names(annotation: object) -> dict[str | int, object]:
    """The fields of the form in an annotation, by the names they are sent under, with their annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {each.alias or name: each.annotation for name, each in annotation.model_fields.items()}
    return next((names for each in get_args(annotation) if (names := _names(each))), {})
