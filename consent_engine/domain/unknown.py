"""A field that a form does not know: its name is input, and yet it is what whoever sent it looks for."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from consent_engine.domain.msisdn import contains_number
from consent_engine.errors import FieldError

_NAME = re.compile("[A-Za-z0-9_]{1,40}", re.ASCII)
_FIGURES = re.compile("[0-9](?:_*[0-9]){6}")
"""Seven digits and more are of a number, or of a part of one; of no name that anybody looks for."""
MOST_GUESSED = 20
"""Of so many fields at most it is said which may have been meant: a body may have thousands."""


def nameable(step: str) -> bool:
    """Whether a name that came with a body may be repeated to its sender: it can be a field's, and tells no number.

    >>> [nameable(name) for name in ("recording_sha265", "x_1380013", "t_138_0013_8000", "我的", "0")]
    [True, False, False, False, True]
    """
    return bool(_NAME.fullmatch(step)) and not _FIGURES.search(step) and not contains_number(step)


def field_errors(
    form: type[BaseModel], found: Sequence[ErrorDetails], named: Callable[[ErrorDetails], FieldError], at: str = ""
) -> list[FieldError]:
    """All that is wrong, as `named` names it. Fields that the form does not know are named by their path, and with the
    field that may have been meant; not where a name is none, or has a telephone number in it. at: what stands before
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
    """The fields of the form that an annotation is about, as they are sent, with their own annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {each.alias or name: each.annotation for name, each in annotation.model_fields.items()}
    return next((names for each in get_args(annotation) if (names := _names(each))), {})
