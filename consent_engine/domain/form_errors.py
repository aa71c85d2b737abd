"""Errors of forms, in the words of our own errors instead of those of pydantic, which checks the forms."""

import re

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
