"""Folding of a text before its words are looked up: once for all meanings, then strictly for consent."""

import re
import unicodedata

from msgspec import Struct

from consent_engine.domain.grammar.patterns import either
from consent_engine.domain.grammar.words import GREETINGS, MARKS, PAIRS, SIGNS, THANKS, TRADITIONAL

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_TABLE: dict[int, int | str] = {
    **TRADITIONAL,
    **_FULL_WIDTH,
    **dict.fromkeys(map(ord, "\u3000\t\n\v\f\r\x85"), " "),
    **dict.fromkeys(map(ord, "‘’"), "'"),
}
# Texts of these characters alone need no look-up character by character: nearly every reply.
_USUAL = re.compile("[ -~\u3000\u4e00-\u9fff\uff01-\uff5e\t\n\r。、“”‘’《》「」【】…]*")
_TURNS_ROUND = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_QUESTION = re.compile("[?﹖❓❔]")
_BLANKS = re.compile(" {2,}")
_BLANK_KINDS = frozenset({"Zs", "Zl", "Zp"})

MOST = 10_000
"""The most characters of a text that are looked at; a longer one is no yes, whatever it begins with."""


class Folded(Struct, frozen=True):
    """A text as the grammar sees it. asks: a question mark was taken out · sound: nothing in it forbids a yes."""

    text: str
    asks: bool
    sound: bool


def plain(text: str) -> tuple[str, bool]:
    """Return the text in plain forms with single blanks; and whether it held no mark that may reverse it.

    Accents, overlays, tag characters, control characters and marks that change the direction of writing are dropped,
    and make it unsound.
    """
    folded, sound = text.casefold(), True
    if not _USUAL.fullmatch(folded):
        sound = not _TURNS_ROUND.search(text)
        kept = []
        for character in folded:
            kind = unicodedata.category(character)
            if kind in {"Mn", "Me"}:
                sound = sound and character in "\ufe0e\ufe0f"
            elif kind == "Cc" and ord(character) not in _TABLE:
                sound = False  # no key writes it: a text in another encoding has NUL between its letters
            elif kind != "Cf":
                kept.append(" " if kind in _BLANK_KINDS else character)
        folded = "".join(kept)
    return _BLANKS.sub(" ", folded.translate(_TABLE)).strip(" "), sound


def fold(text: str) -> Folded:
    """Return a text in plain forms, its question marks taken out and remembered."""
    folded, sound = plain(text[:MOST])
    asks = _QUESTION.search(folded) is not None
    if asks:
        folded = _BLANKS.sub(" ", _QUESTION.sub("", folded)).strip(" ")
    return Folded(folded, asks, sound and len(text) <= MOST)


_RUN = re.compile(r"(\w)\1{3,}|(\W)\2+")


def once(text: str) -> str:
    """Return a folded text without its repetitions: runs of a letter or a mark shortened, and one of words that follow
    each other over and over.

    >>> once("stopppppp!!!"), once("td! td!! td! t"), once("td? td!")
    ('stoppp!', 'td! ', 'td? td!')
    """
    text = _RUN.sub(lambda run: run[1] * 3 if run[1] else run[2], text)
    return next((text[:n] for n in range(1, len(text) // 2 + 1) if text.startswith(text[n:])), text)


# -- the ends of a yes ------------------------------------------------------------------------------------------------

_LEFT = re.compile(f"{either((*THANKS, *GREETINGS))}[ ,]")
_RIGHT = re.compile(
    f"(?:(?<![a-z]){either(w for w in THANKS if w.isascii())}|{either(w for w in THANKS if not w.isascii())})$"
)
_SIGN = re.compile(f"[{SIGNS}][\U0001f3fb-\U0001f3ff]?$")
_HESITATES = re.compile(f"…|⋯|[.。][ {re.escape(MARKS)}]*[.。]")
_CLOSING = {pair[1]: pair[0] for pair in PAIRS}


_LEFT_BEGINS = frozenset(" " + "".join(pair[0] for pair in PAIRS) + "".join(word[0] for word in (*THANKS, *GREETINGS)))
_RIGHT_ENDS = re.compile(
    f"[ {re.escape(MARKS + ''.join(pair[1] for pair in PAIRS))}{SIGNS}\U0001f3fb-\U0001f3ff谢你您usx]"
)


def hesitates(text: str) -> bool:
    """Whether the text trails off in dots."""
    return _HESITATES.search(text) is not None


def peeled(text: str) -> str:
    """Strip a folded text of the signs around a yes: paired brackets, one mark at a time, courtesies."""
    while text and (text[0] in _LEFT_BEGINS or _RIGHT_ENDS.match(text[-1])):
        before = text
        text = text.strip(" ")
        if len(text) > 1 and _CLOSING.get(text[-1]) == text[0]:
            text = text[1:-1]
        elif text[-1:] in MARKS:
            text = text[:-1]
        else:
            text = _LEFT.sub("", _RIGHT.sub("", _SIGN.sub("", text)), count=1)
        if text == before:
            break
    return text


_ENDS = re.compile(rf"^[ {re.escape(MARKS)}]+|[ {re.escape(MARKS)}]+$")
_REPEATED = re.compile(rf"([{re.escape(MARKS)}])\1+")


def folded(text: str) -> str:
    """Return a text without its differences of spelling, to group replies: forms, blanks, marks at its ends."""
    return _ENDS.sub("", _REPEATED.sub(r"\1", plain(text[:MOST])[0]))
