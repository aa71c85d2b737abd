"""What a reply means: the closed list of words that count as an answer, and the folding before it is looked up.

Fold: NFKC; drop Cf, Mn, Me; casefold; traditional to simplified; blanks, punctuation and symbols at the ends do not
count, nor do courtesies there. The whole rest must then be a word, a code, or both.
"""

import re
import unicodedata
from enum import StrEnum


class Keyword(StrEnum):
    """What a reply stands for. UNKNOWN is no consent."""

    YES = "YES"
    NO = "NO"
    STOP = "STOP"
    HELP = "HELP"
    UNKNOWN = "UNKNOWN"


WORDS: dict[Keyword, tuple[str, ...]] = {
    Keyword.YES: (
        *("是", "是的", "同意", "我同意", "确认", "我确认", "同意办理", "确认办理", "同意开通", "确认开通"),
        *("y", "yes"),
    ),
    Keyword.NO: (
        *("否", "不", "不是", "不同意", "我不同意", "不确认", "不办", "不办理", "不开通", "不要", "不要办理"),
        *("不需要", "取消", "n", "no"),
    ),
    Keyword.STOP: ("td", "t", "退订", "拒收", "stop", "unsubscribe"),
    Keyword.HELP: ("帮助", "help", "h"),
}
"""Every word there is. 1, 好, 可以, 办理 are left out on purpose: they are answered to many questions."""

COURTESIES = ("谢谢你", "谢谢您", "谢谢", "请", "您好", "你好", "please", "thanks", "thank you")

_SIMPLIFIED = str.maketrans("確認辦開訂謝請幫", "确认办开订谢请帮")

# Only the characters NFKC knows as question marks become "?"; the Greek one becomes a semicolon and the invisible tag
# would be dropped, so the text is searched as it came. U+FFFD and U+2BD1 are drawn as one, and the former is what a
# decoder leaves where text was lost: whatever stood there, we did not read it.
_QUESTION = re.compile(
    "[?\u00bf\u037e\u055e\u061f\u1367\u1945\u203d\u2047-\u2049\u225f\u2370\u2753\u2754\u2a7b\u2a7c\u2bd1\u2cfa\u2cfb"
    "\u2e18\u2e2e\u2e54\ua60f\ua6f7\ufe16\ufe56\uff1f\ufffd\U00011143\U0001e95f\U0001f679-\U0001f67b\U0001fbc4\U000e003f]"
)

# Struck out, crossed, forbidden, thumbs down: dropped or stripped by the fold, yet they turn a yes round. A no or a
# STOP with one of them stays what it is: doubt never activates, and never loses a refusal.
_NEGATION = re.compile(
    "[\u0335-\u0338\u20d2\u20d3\u20e0\u20e5\u20e6\u20ea\u20eb\u00ac\u00d7\u2260\u2262\u2573\u2612\u26d4\u2715-\u2718\u274c\u274e"
    "\u2a2f\U0001f196\U0001f44e\U0001f5d9\U0001f645\U0001f6ab\U0001f6c7]"
)

# Line ends and tabs are controls to Unicode, blanks to whoever types them (and to gateways that append them).
_BLANK, _MARK = " ", "."
_FOLDED_KINDS = {
    **dict.fromkeys(("Cf", "Mn", "Me"), ""),
    **dict.fromkeys(("Zs", "Zl", "Zp"), _BLANK),
    **dict.fromkeys(("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So"), _MARK),
}
_BLANK_CONTROLS = re.compile("[\t\n\v\f\r\x85]")

# Nobody answers in a thousand characters; NFKC makes up to 18 of one, and sorts runs of accents in quadratic time.
_MAX_TEXT = 1000
_MAX_FOLDED = 64

_MEANINGS = {word: keyword for keyword, words in WORDS.items() for word in words}


def _grammar() -> re.Pattern[str]:
    gap = f"[{_BLANK}{_MARK}]*"
    word = "|".join(_MEANINGS)
    code = "[2-9][0-9]{2}"
    courtesy = "(?:" + "|".join(COURTESIES).replace(" ", f"{_BLANK}+") + ")"
    answer = f"(?P<word>{word})(?:{gap}(?P<after>{code}))?|(?P<before>{code})(?:{gap}(?P<last>{word}))?"
    return re.compile(f"(?:{courtesy}{gap})*(?:{answer})(?:{gap}{courtesy})*")


_GRAMMAR = _grammar()


def read(text: str) -> tuple[Keyword, str | None]:
    """Return the keyword a reply stands for, and the code in it. Never raises.

    Only the whole reply counts: "yes if it is free" is consent to nothing, and a question is no answer.

    >>> [str(read(text)[0]) for text in ("Ｙ。", "不是", "yes if it is free", "是?")]
    ['YES', 'NO', 'UNKNOWN', 'UNKNOWN']
    >>> read("234，確認！")[1], read("234")[1], read("是234 345")[1]
    ('234', '234', None)
    """
    match = _parse(text)
    if match is None:
        return Keyword.UNKNOWN, None
    word, after, before, last = match.groups()
    keyword = _MEANINGS.get(word or last, Keyword.UNKNOWN)
    if keyword is Keyword.YES and _NEGATION.search(text):
        return Keyword.UNKNOWN, None
    return keyword, after or before


def _parse(text: str) -> re.Match[str] | None:
    if len(text) > _MAX_TEXT or _QUESTION.search(text):
        return None
    composed = unicodedata.normalize("NFKC", text)
    if len(composed) > _MAX_TEXT:
        return None
    folded = _fold(composed)
    return _GRAMMAR.fullmatch(folded) if len(folded) <= _MAX_FOLDED else None


def _fold(composed: str) -> str:
    """The text as the grammar sees it: every blank is one kind of blank, every punctuation or symbol one mark."""
    kind, kinds = unicodedata.category, _FOLDED_KINDS
    spaced = _BLANK_CONTROLS.sub(_BLANK, composed)
    marked = "".join([kinds.get(kind(character), character) for character in spaced])
    return marked.casefold().translate(_SIMPLIFIED).strip(_BLANK + _MARK)
