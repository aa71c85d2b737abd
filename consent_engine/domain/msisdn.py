"""Msisdn: the number of a Chinese mobile subscription; how it is read, found in a text, shown and given a slot."""

import re
import unicodedata
from binascii import crc_hqx
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, pairwise

from consent_engine.errors import FieldError, Malformed

SLOTS = 16384
"""The number of slots: as in Redis Cluster, and computed the same way."""

DIGITS = 4
"""How many last digits of a number tell its holder's receipt from others: those that a masked number shows."""
_MAX_TEXT = 40
_SEPARATORS = re.compile(r"(?<=[0-9])[ \t\-\u2010-\u2015\u2212]+(?=[0-9])")
_WRITTEN = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})")
_TEL = re.compile(r"tel:|;phone-context=\+86\Z", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"[(\[] ?(\+?86|0086|0|0?1[3-9][0-9]|\+?[0-9]{11,15}) ?[)\]]")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[ \t\-.\u2010-\u2015\u2212]+(?=[0-9])")
_SENT_FROM = re.compile(r"(?:\+86|0086|86)?0?(1[3-9][0-9]{9})")
_LANDLINE = re.compile(r"(?:\+86|0086|86)?0?(?:10|2[0-9]|[3-9][0-9]{2})[2-8][0-9]{6,7}")
_OF_A_THING = re.compile(r"(?:\+86|0086|86)?1(?:064|4[0-9]{2})[0-9]{9}")
"""Thirteen digits: the number of a thing on the Internet of things, such as a meter or a car."""
_E164 = re.compile(r"\+861[3-9][0-9]{9}")


class Msisdn(str):
    """A number as E.164 with plus. Made by `parse`, or from a record that `parse` once filled."""

    __slots__ = ()


def parse(text: str) -> Msisdn:
    """Read a Chinese mobile number, with or without 86, +86 or 0086; raise Malformed, which never repeats the text.

    >>> parse("138 0013-8000"), parse("008613800138000")
    ('+8613800138000', '+8613800138000')
    """
    # The length is checked first: NFKC makes up to 18 characters of one.
    folded = unicodedata.normalize("NFKC", text).strip() if len(text) <= _MAX_TEXT else ""
    match = _WRITTEN.fullmatch(_SEPARATORS.sub("", folded))
    if match is None:
        raise Malformed([FieldError("msisdn", "invalid_msisdn", _no_mobile(_SEPARATORS.sub("", folded)))])
    return Msisdn("+86" + match[1])


def of_sender(text: str) -> Msisdn:
    """Read the sender of an SMS in the spellings of exchanges and handsets, too: behind `tel:`, with the 0 of a call to
    another city, with brackets around the prefix, that 0 or the network's three digits, and with dots. Raises
    Malformed, also where it may be another number: +1 380 ... and 1 (380) ... are in North America.

    >>> of_sender("tel:+86-138-0013-8000"), of_sender("013800138000"), of_sender("(+86) 138.0013.8000")
    ('+8613800138000', '+8613800138000', '+8613800138000')
    """
    if (match := _SENT_FROM.fullmatch(text)) is not None:  # as nearly every one is written
        return Msisdn("+86" + match[1])
    folded = unicodedata.normalize("NFKC", text).strip() if len(text) <= _MAX_TEXT else ""
    plain = _TEL.sub("", "".join(each for each in folded if unicodedata.category(each) != "Cf"))
    match = _SENT_FROM.fullmatch(_BETWEEN_DIGITS.sub("", _IN_BRACKETS.sub(r"\1", plain)))
    return parse(match[1] if match else text)


def _no_mobile(text: str) -> str:
    """The reason why a text is no number of a person's mobile, and the remedy; the text is not repeated."""
    if _OF_A_THING.fullmatch(text):
        return "must be a Chinese mobile number: one of 13 digits is of a thing, whose SMS nobody reads"
    if _LANDLINE.fullmatch(text):
        return "must be a Chinese mobile number: a landline gets no SMS, ask the subscriber for a mobile number"
    return "must be a Chinese mobile number"


def mask(msisdn: str) -> str:
    """The number as staff may see it; a text that is no number is masked entirely.

    >>> mask("+8613800138000"), mask("13800138000")
    ('+86138****8000', '****')
    """
    return f"{msisdn[:6]}****{msisdn[-4:]}" if _E164.fullmatch(msisdn) else "****"


def contains_number(text: str) -> bool:
    """Whether a text has a mobile number in it, in any usual spelling.

    Found with or without 0, 86, 0086 or +86 before it, in any digits (full-width, Chinese): in one piece; as
    138 0013 8000; as 138-00138000, in pieces of one or two digits, or in three or more of three or more, unless other
    digits go on with the same separator; as 138,0013,8000, unless that may be a list of figures; in any pieces that
    `parse` reads, where it stands alone. Instants, UUIDs, hashes and names like rec-20250801-000123 are not numbers.

    >>> contains_number("rec-138-0013-8000.wav"), contains_number("rec-20250801-000123")
    (True, False)
    """
    return next(iter(_found(text)), None) is not None


def hidden(text: str, sign: str = "****") -> str:
    """The text with `sign` in place of each number that `contains_number` finds in it.

    >>> hidden("call １３８-0013-8000 back")
    'call **** back'
    """
    while spans := sorted(_found(text)):
        kept, end = [], 0
        for first, last in spans:
            if first >= end:
                kept += [text[end:first], sign]
            end = max(end, last)
        text = "".join([*kept, text[end:]])  # the remaining pieces may form a number now: search again
    return text


_LEAST = 11
"""Digits of a mobile number."""
_BEFORE = r"(?:0|(?:00)?86)?"
_WHOLE = re.compile(rf"({_BEFORE})(1[3-9][0-9]{{9}})")
_FIRST_OF_THREE = re.compile(rf"{_BEFORE}1[3-9][0-9]")
_PLUS = frozenset("+\uff0b")
_PIECE = re.compile("[0-9]+")
_BETWEEN = rf"[\s\-._/\\()\[\]~·•+*#]{{0,{_MAX_TEXT - _LEAST}}}"
"""The separators allowed between pieces. Colons and a T end a row: instants are no rows."""
_ROW = re.compile(rf"[0-9](?:{_BETWEEN}[0-9])*")
_COMMA = " ?, ?"
_BY_COMMAS = re.compile(
    rf"(?<![0-9])(?<![0-9][,.])(?<![0-9], ){_BEFORE}1[3-9][0-9]({_COMMA})([0-9]{{4}})\1([0-9]{{4}})(?![,.]? ?[0-9])"
)
_FIGURE = re.compile("[1-9](?:[0-9]{2}0|[0-9](?:88|98|99))")
"""A figure of a list (130,1500,2000 or 139,1599,1999): round, or a price. Two such in a row are no phone number."""
_MAY_HAVE = re.compile(rf"1{_BETWEEN}[3-9](?:{_BETWEEN}[0-9]){{9}}|1[3-9][0-9]{_COMMA}[0-9]{{4}}{_COMMA}[0-9]{{4}}")
"""A pattern that is in every number: it rules most texts out at once."""
_HEX = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}", re.IGNORECASE)
_BY_TURNS = re.compile(r"[0-9][a-f]+-?[0-9]|[a-f]-?[0-9]+-?[a-f]", re.IGNORECASE)
"""The mark of a UUID, a hash or a hex id: digits and letters by turns. A mere word beside a number does not hide it."""
_CHINESE = dict(zip("〇零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參陸", "001234567891123456789236", strict=True))
_NO_NUMERAL = "幺"
"""One, as said in telephone numbers: the only one of these characters that is no numeral to Unicode."""
_MOST_DIGITS = 3
"""The most digits that one character can stand for."""


def _found(text: str) -> Iterable[tuple[int, int]]:
    """The spans of the numbers in a text, in no order; they may overlap."""
    if text.isascii():
        plain: str = text
        places: Sequence[int] = range(len(text))
    elif _MOST_DIGITS * (sum(map(str.isnumeric, text)) + text.count(_NO_NUMERAL)) < _LEAST:
        return ()
    else:
        plain, places = _folded(text)
    return _in_plain(text, plain, places) if _MAY_HAVE.search(plain) else ()


def _in_plain(text: str, plain: str, places: Sequence[int]) -> Iterator[tuple[int, int]]:
    # Eleven digits in a row are no number within an id.
    ids = [each.span() for each in _HEX.finditer(plain) if _BY_TURNS.search(each[0])]
    for listed in _BY_COMMAS.finditer(plain):
        if not (_FIGURE.fullmatch(listed[2]) and _FIGURE.fullmatch(listed[3])):
            begin = places[listed.start()]
            yield begin - (text[begin - 1 : begin] in _PLUS), places[listed.end() - 1] + 1
    for row in _ROW.finditer(plain):
        pieces = [(row.start() + each.start(), row.start() + each.end()) for each in _PIECE.finditer(row[0])]
        for first, last in _in_row(plain, pieces):
            if any(a < last and first < b for a, b in ids):
                continue
            begin = places[first]
            # A plus before the number belongs to it, but is not in the row.
            yield begin - (text[begin - 1 : begin] in _PLUS), places[last - 1] + 1


def _in_row(plain: str, pieces: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    said = [plain[first:last] for first, last in pieces]
    for n, piece in enumerate(said):
        begin = pieces[n - 1 if n and said[n - 1] in {"86", "0086"} else n][0]
        if _WHOLE.fullmatch(piece):
            yield begin, pieces[n][1]
        elif _FIRST_OF_THREE.fullmatch(piece) and [*map(len, said[n + 1 : n + 3])] == [4, 4]:
            yield begin, pieces[n + 2][1]
    for part in _parts(plain, pieces):
        whole = _WHOLE.fullmatch("".join(plain[first:last] for first, last in part))
        if whole and _is_usual(plain, part, len(whole[1])):
            yield part[0][0], part[-1][1]


def _parts(plain: str, pieces: Sequence[tuple[int, int]]) -> Iterator[Sequence[tuple[int, int]]]:
    """All pieces of a row; and each run with the same separator, as in 20250801_138-00138000_1024."""
    between = [plain[a:b] for (_, a), (b, _) in pairwise(pieces)]
    if between:
        yield pieces
    if len(set(between)) > 1:
        for _, alike in groupby(range(len(between)), between.__getitem__):
            places = [*alike]
            yield pieces[places[0] : places[-1] + 2]


def _is_usual(plain: str, pieces: Sequence[tuple[int, int]], before: int) -> bool:
    """Whether a number is usually written in such pieces. pieces: the whole number · before: digits of its prefix"""
    first, last = pieces[0][0], pieces[-1][1]
    between = {plain[a:b] for (_, a), (b, _) in pairwise(pieces)}
    sizes = []
    for begin, end in pieces:
        left = max(0, end - begin - before)
        before -= end - begin - left
        sizes += [left] if left else []
    if max(sizes) <= 2 or (len(sizes) > 2 and min(sizes) > 2):  # noqa: PLR2004 - by ones and twos, or threes and more
        return True
    if not all(each.strip("- \t\n\r\f\v") == "" for each in between):
        return False
    alone = _is_edge(plain[first - 1 : first] if first else "") and _is_edge(plain[last : last + 1])
    return alone or sizes in ([3, 8], [7, 4])


def _is_edge(character: str) -> bool:
    """Whether a character ends a word. A letter, a digit or a joining sign continues a name like rec-150001-10024."""
    return not (character.isascii() and (character.isalnum() or character in {*"-._/:@#"})) or not character


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """The text in plain digits, blanks and dashes, and the original place of each character."""
    plain: list[str] = []
    places: list[int] = []
    for n, character in enumerate(text):
        folded = _fold(character)
        plain.append(folded)
        places += [n] * len(folded)
    return "".join(plain), places


@lru_cache(4096)
def _fold(character: str) -> str:
    return "".join(map(_plain, unicodedata.normalize("NFKC", character)))


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if kind in {"Cf", "Mn", "Me"}:  # invisible, or combined with another character
        return ""
    if kind == "Pd" or character == "\u2212":
        return "-"
    return " " if character.isspace() else _CHINESE.get(character, character)


@lru_cache(4096)  # called four times for an order
def slot(msisdn: str) -> int:
    """The number's slot. Part of every order id, so it never changes.

    >>> slot("+8613800138000")
    3303
    """
    return crc_hqx(msisdn.removeprefix("+").encode(), 0) % SLOTS
