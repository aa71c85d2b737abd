"""Invisible characters: controls, those without width, those that turn the direction of writing.

On a screen or in an SMS they make a text look like another one.
"""

import re
from unicodedata import category

from pydantic_core import PydanticCustomError

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
