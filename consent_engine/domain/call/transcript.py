"""Transcript: the words of a call as a machine wrote them down. A person part; it gives hints, and decides nothing."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from msgspec import Struct

from consent_engine.domain.call.hash_chain import AuthoredEvent
from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.order.event import salted

SAID = "said"
"""The field of a call's record that holds its transcript."""
EDITION = 1
"""The edition of the forbidden phrases. A changed edition gets a higher number."""
FORBIDDEN = (
    "免费送", "白送", "不花钱", "不收任何费用", "不要钱", "内部名额", "最后一个名额", "今天必须",
    "马上就没了", "系统自动升级", "已经给您开通", "已经帮您办好", "验证码告诉我", "把验证码", "报一下验证码",
    "回复是就行", "您就回个是", "不用管短信", "随便回", "不办会停机", "会影响您的信用", "官方强制",
    "工信部要求您", "随时可以取消不收费",
)  # fmt: skip
"""Phrases an agent may not say, folded: false free offers, hurry, threats, requests for codes, dictated replies."""
_KEPT = re.compile(r"[^\w%]+")
_NUMERALS = re.compile("[零〇一二两三四五六七八九十百千万]{2,}|[零〇一二两三四五六七八九十](?=[元块个分年月天次%G])")
_DIGITS = {each: n for n, each in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1_000}
_FIGURE = re.compile(r"\d{2,}|\d\D?")
"""A figure; a single digit only with the character after it: the 5 of five days is not the 5 of 5G."""
ENOUGH = 0.6
"""The share of a disclosure's pairs of characters that must have been spoken, where it has no figures."""


class Spoken(Struct, frozen=True):
    """One line of a transcript: when it was said (ms), its speaker (`agent` or `subscriber`), and its words."""

    at: Millis
    by: str
    text: str


class _Kept(Struct, frozen=True):
    lines: tuple[tuple[int, str, str], ...]


_READ = Reader(_Kept)


class Transcribed(AuthoredEvent, frozen=True, tag="transcribed"):
    """The transcript was stored. op: the same for equal ones · lines: how many · person: the hash of the transcript"""

    lines: int
    person: str


class Hints(Struct, frozen=True):
    """The hints in a transcript. spoken: disclosure -> when it seems to have been made · phrases: the forbidden ones
    spoken, each with its instant · edition: of the forbidden phrases
    """

    edition: int
    spoken: Mapping[str, Millis]
    phrases: tuple[tuple[Millis, str], ...]


def encode_lines(lines: Sequence[Spoken], salt: str) -> str:
    """The transcript as stored, with its salt."""
    return salted({"lines": [[each.at, each.by, each.text] for each in lines]}, salt)


def decode_lines(said: str, event: Transcribed) -> tuple[Spoken, ...]:
    """Read a call's transcript; no lines where it was erased. Raises ValueError where it is not that of the event."""
    if not said:
        return ()
    if digest(said) != event.person:
        raise ValueError("the words are not those that were sealed")
    return tuple(Spoken(*line) for line in _READ(said).lines)


def hints(lines: Sequence[Spoken], disclosures: Mapping[str, str]) -> Hints:
    """Find the hints in the agent's words. disclosures: those that had to be made, in Chinese

    >>> lines = [Spoken(1, "agent", "每个月一百九十九块，合约二十四个月"), Spoken(2, "agent", "您就回个是。")]
    >>> found = hints(lines, {"price": "199元/月", "term": "在网24个月", "early_fee": "最高960元"})
    >>> hints([Spoken(1, "agent", "5G套餐")], {"renewal": "提前5天提醒"}).spoken
    {}
    >>> dict(found.spoken), found.phrases
    ({'price': 1, 'term': 1}, ((2, '您就回个是'),))
    """
    agents = [(each.at, folded(each.text)) for each in lines if each.by == "agent"]
    spoken = {name: at for name, text in disclosures.items() if (at := _when(folded(text), agents))}
    phrases = tuple((at, phrase) for at, text in agents for phrase in FORBIDDEN if phrase in text)
    return Hints(EDITION, spoken, phrases)


def _when(words: str, agents: Sequence[tuple[Millis, str]]) -> Millis:
    """When the last needed part of a disclosure was spoken; 0: it seems that not enough was spoken."""
    wanted = set(_FIGURE.findall(words)) or {words[n : n + 2] for n in range(len(words) - 1)} or {words}
    most = len(wanted)
    has_figures = bool(_FIGURE.search(words))
    for at, text in agents:
        known = set(_FIGURE.findall(text)) if has_figures else {text[n : n + 2] for n in range(len(text) - 1)}
        wanted -= known
        if (not wanted) if has_figures else (most - len(wanted) >= ENOUGH * most):
            return at
    return 0


def folded(text: str) -> str:
    """A text folded for comparison: without blanks and marks, in one width, numbers in figures."""
    return _NUMERALS.sub(_number, _KEPT.sub("", unicodedata.normalize("NFKC", text)))


def _number(found: re.Match[str]) -> str:
    """A Chinese numeral in figures; a row of digits is converted digit by digit."""
    text = found[0]
    if not set(text) & {*_UNITS, "万"}:
        return "".join(str(_DIGITS[each]) for each in text)
    whole = part = digit = 0
    for each in text:
        if each in _DIGITS:
            digit = _DIGITS[each]
        elif each == "万":
            whole, part, digit = (whole + part + digit) * 10_000, 0, 0
        else:
            part, digit = part + (digit or 1) * _UNITS[each], 0
    return str(whole + part + digit)
