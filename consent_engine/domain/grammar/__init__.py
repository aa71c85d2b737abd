"""The meaning of a reply. Consent only in a closed list of whole texts, a refusal in any words a person would use; the
words are data with an edition.

A text is folded before its words are looked up, once for all meanings, then strictly for consent. `words` and
`patterns` hold the data, `doubt` finds refusals.
"""

import re
import unicodedata
from collections.abc import Iterable

from msgspec import Struct

from consent_engine.domain.grammar import words as w
from consent_engine.domain.grammar.doubt import doubts, kind_of, kinds_of, wavers
from consent_engine.domain.grammar.meaning import Keyword, Read, Reason, counted, doubt_of, of_a_fragment
from consent_engine.domain.grammar.patterns import (
    HELD,
    HOW_TO_END,
    MAY_BE_HELD,
    MAY_REFUSE,
    OF_A_PHONE,
    OF_SOMEONE_BUSY,
    REFUSES_ALL_THE_SAME,
    WRITTEN_BY_NOBODY,
    either,
)
from consent_engine.domain.grammar.words import EDITION, GREETINGS, MARKS, PAIRS, SIGNS, THANKS, TRADITIONAL

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


_REPETITION = re.compile(r"(\w)\1{3,}|(\W)\2+")


def once(text: str) -> str:
    """Return a folded text without its repetitions: runs of a letter or a mark shortened, and one of words that follow
    each other over and over.

    >>> once("stopppppp!!!"), once("td! td!! td! t"), once("td? td!")
    ('stoppp!', 'td! ', 'td? td!')
    """
    text = _REPETITION.sub(lambda run: run[1] * 3 if run[1] else run[2], text)
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


SHORT = 64
"""The most characters of a text that can be a word, a code or a sentence; a longer one can only be held."""
_RUN, _SPOKEN = 8, 3
"""The characters copied from a text that we sent that make a quotation; ASCII takes three for one: "to unsubscribe" and
"no more sales calls" are words that people have themselves."""

_CODE = re.compile("[2-9][0-9]{2}")
_GAP = "(?: ?[-#+:,、] ?| )?"
_AFTER = re.compile(f"(?P<word>.*?[^0-9 ]){_GAP}(?P<code>[2-9][0-9]{{2}})")
_BEFORE = re.compile(f"(?P<code>[2-9][0-9]{{2}}){_GAP}(?P<word>[^0-9 ].*)")
_SPELT_AFTER = re.compile(f"(?P<word>.*[a-z].*?[013457]){_GAP}(?P<code>[2-9][0-9]{{2}})")
"""The same for a refusal whose word ends in a digit that stands for a letter: n0 234."""

_YES = frozenset(w.YES) | {f"{yes}{gap}please" for yes in ("y", "yes") for gap in (" ", ",", ", ")}
_HELP = frozenset(w.HELP)
_WITHDRAW = frozenset(w.WITHDRAW)


_SPELT = re.compile(r"(?<![a-z])(?!([a-z])(?:[.\-_]\1)+(?![a-z.\-_]))([a-z])[.\-_](?=[a-z](?![a-z]))")
"""A word letter by letter: T.D, s-t-o-p. The same letter twice is a face, not a word: T_T, n_n."""
_BETWEEN = ",.。!、;:~…/\u2190-\u2bff\U0001f000-\U0001faff"
"""Marks and pictures, which may part two words: 你好😡不要."""
_PIECES = re.compile(f"[{_BETWEEN}]+")
_PIECES_AND_BLANKS = re.compile(f"[{_BETWEEN} ]+")


def read(text: str, *, sent: tuple[str, ...] = (), words: tuple[str, ...] = (), yes: tuple[str, ...] = ()) -> Read:
    """Return what a reply means. Never raises, for any text.

    sent: texts we sent that number; quotations from them are never held · words: the plans' own words to end a service,
    of that line · yes: words that are YES to its carrier alone

    >>> [str(read(text).keyword) for text in ("Ｙ。", "不同意。", "yes if it is free", "是?", "别再打了", "我要投诉")]
    ['YES', 'NO', 'UNKNOWN', 'UNKNOWN', 'STOP', 'HOLD']
    >>> read("是234").code, read("234").code, read("是234 345").code
    ('234', '234', '')
    """
    if not words and (known := _ready(text)) is not None:
        return known
    whole = fold(text)
    short = whole if len(whole.text) <= SHORT else Folded(once(whole.text), whole.asks, sound=False)
    found = _short(short, words, yes) if len(short.text) <= SHORT else None
    return found or _held(whole, sent) or _found(Keyword.UNKNOWN)


def takes_back(text: str, *, sent: tuple[str, ...] = ()) -> bool:
    """Whether words that are unclear to an open question may take back the yes that it has had: they hesitate, or are a
    yes, a no or a doubt that is asked, or trails off. Courtesies and all other words are none. sent: as in `read`

    >>> [takes_back(text) for text in ("等一下", "不要？", "no?", "是…", "是吗", "谢谢", "嗯。", "好的", "多少钱？")]
    [True, True, True, True, True, False, False, False, False]
    """
    whole = fold(text)
    said = whole.text
    if _nobody_wrote(said):
        return False
    for own_text in sent:
        said = _unquoted(said, fold(own_text).text)
    if wavers(said):
        return True
    stem = _ASKING.sub("", _within(said))
    # With 吧 for what asks, 不收费 is still a guess at the price, and 不要 a no.
    asked = stem if stem.isascii() else f"{stem}吧"
    shakes = not set(said).isdisjoint(w.NEGATIVE_SIGNS)
    weak = whole.asks or not whole.sound or hesitates(said) or shakes or stem != _within(said)
    return (weak and _coded(_within(stem))[0] in _YES) or read(asked).keyword in _TAKING_BACK


_ASKING = re.compile("[吗么嘛呢吧](?:[ 吗么嘛呢吧])*$")
_TAKING_BACK = frozenset({Keyword.NO, Keyword.STOP, Keyword.HOLD})


def _found(keyword: Keyword, code: str = "", reason: Reason | None = None, *, marketing_free: bool = False) -> Read:
    return Read(keyword, code, reason, marketing_free, w.EDITION)


def _short(whole: Folded, words: tuple[str, ...], yes: tuple[str, ...] = ()) -> Read | None:
    """Return the meaning of a short text as a whole; None where it is none of the words and sentences."""
    ends = peeled(whole.text)
    word, code = _coded(ends)
    strict = whole.sound and not whole.asks and not hesitates(whole.text)
    if strict and ((code and word in _WITHDRAW) or (words and not {word, ends}.isdisjoint(_own(words)))):
        return _found(Keyword.WITHDRAW, code)
    refusal = _refused(whole, ends)
    if refusal is not None and refusal.keyword is Keyword.STOP:
        return refusal
    if strict and (word in _YES or word in yes):
        return _found(Keyword.YES, code)
    if refusal is not None:
        return refusal
    if word in _HELP or _asks_how(whole.text):
        return _found(Keyword.HELP, code)
    # A bare code may answer our question "which one?" with a yes, so it is read as strictly.
    return _found(Keyword.UNKNOWN, code) if strict and code and not word else None


def _coded(ends: str) -> tuple[str, str]:
    """Split a text into its word and its code; ('', code) for a bare code."""
    if not ends[-1:].isdigit() and not ends[:1].isdigit():
        return ends, ""
    if _CODE.fullmatch(ends):
        return ("", ends) if ends not in w.NEVER_CODES else (ends, "")
    return _parted(ends, _AFTER.fullmatch(ends) or _BEFORE.fullmatch(ends))


def _parted(ends: str, found: re.Match[str] | None) -> tuple[str, str]:
    if found is None or found["code"] in w.NEVER_CODES:
        return ends, ""
    return found["word"], found["code"]


def _own(words: tuple[str, ...]) -> frozenset[str]:
    """Return the plans' own words that mean nothing else: a bare TD never costs a fee, whatever a plan says."""
    own = frozenset(peeled(plain(word)[0]) for word in words)
    return frozenset(word for word in own if word and _short(Folded(word, asks=False, sound=True), ()) is None)


def _refused(whole: Folded, ends: str) -> Read | None:
    """Find a STOP or a NO in any form; asked as a question, a STOP is held and a NO means nothing."""
    inner = _within(ends)
    word, code = _coded(inner)
    found = None if code else _refusing(whole, *_parted(inner, _SPELT_AFTER.fullmatch(inner)))
    return found or _refusing(whole, word, code)


def _refusing(whole: Folded, word: str, code: str) -> Read | None:
    spaced = _SPELT.sub(r"\2", _bare(word))
    bare = spaced.replace(" ", "")
    if not bare:
        signs = set(whole.text)
        shakes = not whole.asks and not signs.isdisjoint(w.NEGATIVE_SIGNS) and signs.isdisjoint(w.SIGNS)
        return _found(Keyword.NO) if shakes else None
    if not MAY_REFUSE.search(bare):
        return None
    kinds = kinds_of(_PIECES.split(bare))
    if None in kinds and spaced != bare:
        kinds = kinds_of(_PIECES_AND_BLANKS.split(spaced))
    if not kinds or None in kinds:
        return None
    stops = Keyword.STOP in kinds
    if whole.asks if stops else Keyword.HOLD in kinds:
        return _found(Keyword.HOLD, "", Reason.REFUSING)
    if whole.asks:
        return None
    free = stops and any(each in bare for each in w.MARKETING_FREE)
    return _found(Keyword.STOP if stops else Keyword.NO, code, marketing_free=free)


def _within(text: str) -> str:
    """Strip a text of every sign and courtesy at its ends, in any order."""
    while (inner := peeled(_bare(text))) != text:  # each turn shortens it
        text = inner
    return text


def _bare(text: str) -> str:
    """Strip a text of every sign at its ends."""
    start, end = 0, len(text)
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return text[start:end]


def _asks_how(text: str) -> bool:
    """Whether a text asks how to end something, and refuses nothing."""
    return HOW_TO_END.search(text) is not None and _reason(text.replace("退订", "").replace("退定", "")) is None


def _reason(text: str) -> Reason | None:
    if not MAY_BE_HELD.search(text):
        return None
    return next((reason for reason, pattern in HELD if pattern.search(text)), None)


def _held(whole: Folded, sent: tuple[str, ...]) -> Read | None:
    """Find a refusal that a person must read; not in a machine's words, nor in a quotation of our texts."""
    text = whole.text
    if _held_for(text, asks=whole.asks) is None or _nobody_wrote(text):
        return None
    for own_text in sent:
        text = _unquoted(text, fold(own_text).text)
    reason = _held_for(text, asks=whole.asks)
    return None if reason is None else _found(Keyword.HOLD, "", reason)


def _held_for(text: str, *, asks: bool) -> Reason | None:
    return _reason(text) or (Reason.DOUBTFUL if doubts(text, asks=asks) else None)


def _nobody_wrote(text: str) -> bool:
    begins = WRITTEN_BY_NOBODY.match(text)
    if begins is not None:
        inside = begins["sender"]
        return inside is None or (_reason(inside) is None and kind_of(inside) is None)
    if OF_A_PHONE.search(text) or OF_SOMEONE_BUSY.search(text):
        return REFUSES_ALL_THE_SAME.search(text) is None
    return False


def _unquoted(text: str, own_text: str) -> str:
    """Remove from a text the runs that also stand in a text that we sent."""
    kept, start = [], 0
    while start < len(text):
        end = start + _RUN
        if end > len(text) or text[start:end] not in own_text:
            kept.append(text[start])
            start += 1
            continue
        while end < len(text) and text[start : end + 1] in own_text:
            end += 1
        quoted = sum(1 if character.isascii() else _SPOKEN for character in text[start:end]) >= _RUN * _SPOKEN
        kept.append("\n" if quoted else text[start])
        start = end if quoted else start + 1
    return "".join(kept)


def _bare_words() -> dict[str, Read]:
    """Return the meaning of each word of the table, also in capitals; nearly every answer is one of them."""
    table = (*w.YES, *w.NO, *w.STOP, *w.HELP)
    return {each: read(each) for word in table for each in (word, word.upper(), word.capitalize())}


_READY: dict[str, Read] = {}


def _ready(text: str) -> Read | None:
    """Return the meaning of a word of the table, alone or directly before a code: no folding changes it."""
    known = _READY.get(text)
    if known is not None:
        return known
    code = text[-3:]
    if code in w.NEVER_CODES or not code.isascii() or not _CODE.fullmatch(code):
        return None
    known = _READY.get(text[:-3])
    if known is None or text[:-3].casefold() in _WITHDRAW:
        return None
    return _found(known.keyword, code, marketing_free=known.marketing_free)


_READY.update(_bare_words())


def asks_to_end(text: str) -> bool:
    """Whether a text is a word that may mean the service, though alone it only refuses: a bare 退订, or unsubscribe.

    >>> [asks_to_end(text) for text in ("退订", "退訂。", "Quit", "Unsubscribe", "退订 372", "TD", "退订流程")]
    [True, True, True, True, True, False, False]
    """
    whole = fold(text)
    if whole.asks or len(whole.text) > SHORT:
        return False
    word, _ = _coded(_bare(peeled(whole.text)))
    return _bare(word).rstrip(w.PARTICLES) in w.TO_END


def usable_code(code: str, open_texts: Iterable[str]) -> bool:
    """Whether a code can be given to an order: three digits, first 2-9, no hotline's, in no text open for its line."""
    return _CODE.fullmatch(code) is not None and code not in w.NEVER_CODES and code not in "\n".join(open_texts)
