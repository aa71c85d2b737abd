"""Every text a subscriber reads, written in the words of an edition.

Orders under way keep the edition they were placed under, so a change of words is a new edition beside the old ones. No
text has a link in it, and none ever will.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

from jinja2 import Environment, StrictUndefined, Template
from jinja2.meta import find_undeclared_variables
from msgspec import Struct
from msgspec.structs import asdict, replace

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.tariff import Sentences, Tariff
from consent_engine.domain.texts.confirmation_fields import elements
from consent_engine.domain.texts.editions import (
    CURRENT_EDITION,
    DATED,
    EDITIONS,
    ENGLISH,
    LANGUAGES,
    OF_LINES,
    OF_SENTENCES,
)
from consent_engine.domain.texts.free_exit import has_early_fee, told_first
from consent_engine.domain.texts.released_words import HELD_LINE, HELPED, STOPPED, WHICH_ONE
from consent_engine.domain.texts.report_words import NAMES as REPORT_NAMES
from consent_engine.domain.texts.report_words import read_name
from consent_engine.domain.texts.times import beginning, clock_of, lasting, literal
from consent_engine.errors import BrokenRecord

_UNKNOWN_BRAND = "订购确认"


_MINUTE_MS = 60_000
_DAY_MS = 24 * 3600 * 1000
_UCS2_ROOM = 67
"""The most characters of one of several segments."""


class Subject(Struct, frozen=True):
    """The facts that a text may name.

    carrier: as plans name it · plan: the plan's name to people · code: the order's, told only where it is needed ·
    still_active: the service was switched on, or can no longer be stopped: the answer to a STOP or a late reply must
    say so · tariff: the plan as data, None where it is in sentences · call_at: when the call began · reply_at: when the
    yes came, 0 = none · receipt: the number of the subscriber's own record · cool_off: in ms, 0 = for ever · free_exit:
    how long after its activation it can be left without an early fee, in ms, 0 = not at all · doubtful: the reply that
    a person must read can refuse this order alone
    """

    carrier: str
    plan: str
    price: str
    unsubscribe: str
    code: str
    still_active: bool = False
    tariff: Tariff | None = None
    call_at: Millis = 0
    reply_at: Millis = 0
    receipt: str = ""
    cool_off: int = 0
    free_exit: int = 0
    doubtful: bool = False


_CALL_AT = "{call_at}"
"""A placeholder in a question that is the same for many orders, ahead of anything that a plan says."""
_RECEIPT, _CALLED, _REPLIED = "\x00", "\x01", "\x02"
"""Placeholders in a text that is the same for many orders, where each has its own number and instants. No plan can
contain them: see `literal`."""


def edition_of(plan: Plan, language: str) -> int:
    """Return the edition in which a plan is sold in a language; raises ValueError where it has no words in it."""
    tariff = plan.tariff
    if language != "zh" and (tariff is None or tariff.english is None):
        raise ValueError("this plan has no words in that language")
    return OF_SENTENCES if tariff is None else LANGUAGES[language]


def confirmation(plan: Plan, code: str | None, window_ms: int, edition: int, call_at: Millis | None = None) -> str:
    """Return the question; without a code a bare yes is enough. Without call_at its place is kept: see `dated`."""
    says = plan.says
    if isinstance(says, Sentences):
        told = {name: literal(value) for name, value in asdict(says).items()}
    else:
        told = _elements(plan.carrier, says, edition)
    return _render(
        edition,
        Purpose.CONFIRMATION,
        **_carrier(plan.carrier, edition),
        **_answers(code or "", edition),
        **told,
        window=lasting(window_ms, edition),
        call_at=_CALL_AT if call_at is None else clock_of(call_at // _MINUTE_MS, edition),
    )


def dated(text: str, edition: int, call_at: Millis) -> str:
    """Return a question that is the same for many orders, with the instant of this order's call filled in."""
    return _dated(text, edition, call_at // _MINUTE_MS) if edition in DATED else text


@lru_cache(maxsize=1024)
def _dated(text: str, edition: int, minute: int) -> str:
    return text.replace(_CALL_AT, clock_of(minute, edition), 1)


def write(
    purpose: Purpose,
    subject: Subject,
    *,
    needs_code: bool = False,
    active_from: str = "",
    until: Millis = 0,
    edition: int,
) -> str:
    """Write any text but the question. Raises ValueError for the question.

    needs_code: a bare 是 would not be answer enough · active_from: as the BSS gave it · until: the instant that the
    text names, where it names one
    """
    if purpose is Purpose.CONFIRMATION:
        raise ValueError("the question is written by confirmation()")
    alike = replace(subject, receipt="", call_at=0, reply_at=0, code=subject.code if needs_code else "")
    text = _written(purpose, alike, active_from, until // _MINUTE_MS, edition)
    text = text.replace(_CALLED, clock_of(subject.call_at // _MINUTE_MS, edition))
    text = text.replace(_REPLIED, clock_of(subject.reply_at // _MINUTE_MS, edition))
    return text.replace(_RECEIPT, subject.receipt)


@lru_cache(maxsize=1024)  # a text that names no order is the same for all with the same plan
def _written(purpose: Purpose, subject: Subject, active_from: str, until: int, edition: int) -> str:
    """Write a text, with a code only where it is told. until: in minutes."""
    if subject.tariff is None:
        told = {"name": subject.plan, "price": subject.price, "unsubscribe": subject.unsubscribe}
        told = {name: literal(value) for name, value in told.items()}
    else:
        told = _elements(subject.carrier, subject.tariff, edition)
        if subject.free_exit and has_early_fee(subject.tariff):
            told = told | {"early_fee_short": told_first(told["early_fee_short"], subject.free_exit, edition)}
    return _render(
        edition,
        purpose,
        **_carrier(subject.carrier, edition),
        **_answers(subject.code, edition),
        **told,
        active_from=beginning(active_from, edition),
        deadline=clock_of(until, edition),
        still_active=subject.still_active,
        doubtful=subject.doubtful,
        call_at=_CALLED,
        reply_at=_REPLIED,
        receipt=_RECEIPT,
        cool_off=_cool_off(subject.cool_off, edition),
    )


def which_one(carrier: str | None, choices: Sequence[str]) -> str:
    """Return the answer to a reply that fits several orders; each choice is a code, a blank and the plan's name."""
    return _render(
        CURRENT_EDITION,
        WHICH_ONE,
        **_carrier(carrier),
        n=str(len(choices)),
        choices="；".join(map(literal, choices)),
        example=choices[0].partition(" ")[0] if choices else "",
    )


def stopped(carrier: str | None) -> str:
    """Return the answer to STOP from a number without an open order; without a carrier, all are refused."""
    return _render(CURRENT_EDITION, STOPPED, **_carrier(carrier))


def registered(carrier: str | None, language: str) -> str:
    """Return the answer to the word that registers a number as marketing-free."""
    edition = OF_LINES[language]
    return _render(edition, Purpose.MARKETING_FREE, **_carrier(carrier, edition))


def of_report(carrier: str | None, about: Sequence[str]) -> str:
    """Return an SMS to the reporter of a call. about: the text and its language, then the values in it, in the order of
    `report_words.NAMES`.

    Raises BrokenRecord for a text that is not there, or lacks a word.
    """
    kept, *values = about or ("",)
    key, language = read_name(kept)
    names, edition = REPORT_NAMES.get(key, ()), OF_LINES[language]
    if not names or len(names) != len(values):
        raise BrokenRecord("an answer to a report that nobody can write")
    told = {name: literal(value) for name, value in zip(names, values, strict=True)}
    return _render(edition, key, **_carrier(carrier, edition), **told)


def held(carrier: str | None, until: Millis) -> str:
    """Return the answer to words that a person must read, from a number without an open order. until: read by then."""
    deadline = clock_of(until // _MINUTE_MS, CURRENT_EDITION)
    return _render(CURRENT_EDITION, HELD_LINE, **_carrier(carrier), deadline=deadline)


def helped(carrier: str | None) -> str:
    """Return the answer to HELP from a number that no order is remembered for."""
    return _render(CURRENT_EDITION, HELPED, **_carrier(carrier))


def proof(carrier: str | None) -> str:
    """Return four segments, each of which says which one it is: the test of a gateway. No subscriber reads it."""
    brand = CARRIERS[carrier].name if carrier in CARRIERS else _UNKNOWN_BRAND
    heads = [f"【{brand}】通道检验，第1段，共4段：", *(f"第{n}段，共4段：" for n in (2, 3, 4))]
    return "".join(f"{head}{'零一二三四五六七八九' * 7:.{_UCS2_ROOM - len(head)}}" for head in heads)


@cache
def _environment() -> Environment:
    # An SMS is not HTML. Plans are values, never templates, so nothing of theirs is ever executed.
    return Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701


def _render(edition: int, key: str, **told: str | bool) -> str:
    return _template(_words(edition, key, frozenset(told))).render(told)


@cache
def _template(words: str) -> Template:
    return _environment().from_string(words)


@cache
def _words(edition: int, key: str, told: frozenset[str]) -> str:
    if edition not in EDITIONS:
        raise BrokenRecord(f"no edition {edition} of our words is known here")
    words = EDITIONS[edition].get(key)
    if words is not None:
        return words
    # A text that an edition did not have yet: in the newest words of its language that can be filled.
    alike = [n for n in EDITIONS if (n in ENGLISH) == (edition in ENGLISH) and key in EDITIONS[n]]
    known = (EDITIONS[n][key] for n in sorted(alike, reverse=True))
    return next(each for each in known if find_undeclared_variables(_environment().parse(each)) <= told)


@lru_cache(maxsize=1024)
def _elements(carrier: str, tariff: Tariff, edition: int) -> dict[str, str]:
    told = asdict(elements(carrier, tariff, "en" if edition in ENGLISH else "zh"))
    # A value that ends in a blank stands before another sentence.
    return {name: literal(value) + " " * value.endswith(" ") for name, value in told.items()}


def _cool_off(milliseconds: int, edition: int) -> str:
    """Return for how long a plan is not offered again: for ever, or so many days, rounded up."""
    days = -(-milliseconds // _DAY_MS)
    if edition in ENGLISH:
        return f"for {days} day{'s' * (days > 1)}" if days else "at all"
    return f"{days}天内" if days else "今后"


def _carrier(carrier: str | None, edition: int = CURRENT_EDITION) -> dict[str, str]:
    profile = CARRIERS.get(carrier or "")
    if profile is None:
        return {"brand": _UNKNOWN_BRAND, "hotline": "", "official": ""}
    brand = profile.english if edition in ENGLISH else profile.name
    return {"brand": brand, "hotline": profile.hotline, "official": profile.outbound}


def _answers(code: str, edition: int) -> dict[str, str]:
    return {"yes": f"Y{code}", "no": f"N{code}"} if edition in ENGLISH else {"yes": f"是{code}", "no": f"否{code}"}
