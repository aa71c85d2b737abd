"""The words in which forms report errors: those of the library that checks them are replaced by ours."""

import re

_PREFIX = re.compile(r"(^|: )(?:Value error|Assertion failed), ")
_SHOULD = re.compile(r"(^|: )[A-Z][A-Za-z ]* should ")
_WHOLE = {"Field required": "must be given", "Extra inputs are not permitted": "is no field here"}


def in_our_words(said: str) -> str:
    """Return a message of pydantic's in the words of our own errors: they go on from the name of a field or option.

    >>> in_our_words("Value error, must be digits"), in_our_words("Field required")
    ('must be digits', 'must be given')
    >>> in_our_words("Invalid value for '--port': Input should be greater than or equal to 1")
    "Invalid value for '--port': must be greater than or equal to 1"
    >>> in_our_words("String should have at most 3 characters")
    'must have at most 3 characters'
    """
    return _WHOLE.get(said) or _SHOULD.sub(r"\1must ", _PREFIX.sub(r"\1", said))
