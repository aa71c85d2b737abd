"""Every text a subscriber reads, written in the words of `words`. No text has a link in it, and none ever will."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache

from jinja2 import Environment, StrictUndefined, Template
from msgspec import Struct
from msgspec.structs import asdict, replace

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis, Purpose, Restored, Settlement
from consent_engine.domain.lifecycle import ENGAGED, State
from consent_engine.domain.offer.plan import Plan, Tariff
from consent_engine.domain.texts.confirmation_fields import elements, fee_after_free_period, has_early_fee, plain
from consent_engine.domain.texts.words import (
    ALLOWED,
    ASKED_AGAIN,
    BECAUSE,
    CHINESE,
    CODE,
    ENGLISH,
    FORBIDDEN,
    HELD_LINE,
    HELPED,
    NOT_OURS,
    OVER,
    PAID,
    RECEIVED,
    SPOOFED,
    STOPPED,
    WHICH_ONE,
    WITHDRAW_ASK,
    WORDS,
    Because,
    beginning,
    by_end_of,
    clock_of,
    instant_from,
    lasting,
    literal,
)
from consent_engine.errors import BrokenRecord

REPORT_NAMES = {
    RECEIVED: ("report", "report_at", "due"),
    FORBIDDEN: ("report", "call_at", "caller", "reward"),
    ALLOWED: ("report", "call_at", "caller", "ground"),
    NOT_OURS: ("report", "caller", "forwarded"),
    SPOOFED: ("report", "call_at", "caller", "forwarded"),
    PAID: ("report", "reward_amount"),
    CODE: ("otp", "minutes"),
}
"""The values in each text, in the order in which a line's effect keeps them."""
IN_ENGLISH = ":en"
"""The ending of an English text's name, as a line's effect keeps it; without it the text is in Chinese."""


def named(text: str, language: str) -> str:
    """Return a text's name as a line's effect keeps it, with the language that its reader asked for."""
    return f"{text}{IN_ENGLISH}" if language == "en" else text


def read_name(kept: str) -> tuple[str, str]:
    """Return the name of a text and its language, from the result of `named`."""
    return (kept.removesuffix(IN_ENGLISH), "en") if kept.endswith(IN_ENGLISH) else (kept, "zh")


GROUND = {"zh": "拨打时您的号码未登记拒绝营销", "en": "your number had no refusal when it was called"}
"""Why one of our calls was allowed, as its reporter reads it."""
NO_REWARD = {"zh": "本次举报不设奖励", "en": "There is no reward for this report"}
REWARD_OPEN = {"zh": "本次举报的奖励正在核定", "en": "Its reward is being decided"}
REWARD_GRANTED = {
    "zh": "本次举报奖励{}元，到账后另行短信告知",
    "en": "Your reward is CNY {}; an SMS follows when it is in your account",
}
AMOUNT = {"zh": "{}元", "en": "CNY {}"}


_UNKNOWN_BRAND = {CHINESE: "订购确认", ENGLISH: "Order confirmation"}


_MINUTE_MS = 60_000
_DAY_MS = 24 * 3600 * 1000
_UCS2_ROOM = 67
"""The most characters of one of several segments."""


class Subject(Struct, frozen=True):
    """The facts that a text may name.

    carrier: as plans name it · tariff: of the plan · code: of the order, shown only where it is needed · state: the
    order's · because: why it was cancelled, where it was · call_at: when the call began · reply_at: when the yes came,
    0 = none · receipt: the number of the subscriber's own record · cool_off: in ms, 0 = for ever · free_exit: how long
    after its activation it can be left without an early fee, in ms, 0 = not at all · doubtful: the reply
    that a person must read can refuse this order alone
    """

    carrier: str
    tariff: Tariff
    code: str
    state: State = State.AWAITING_REPLY
    because: Because = Because.STAFF
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


def tariff_in(plan: Plan, language: str) -> Tariff:
    """Return a plan's tariff for its texts in a language; raises ValueError where it has no words in it."""
    tariff = plan.tariff
    if language != CHINESE and tariff.english is None:
        raise ValueError("this plan has no words in that language")
    return tariff


def confirmation(plan: Plan, code: str | None, window_ms: int, language: str, call_at: Millis | None = None) -> str:
    """Return the question; without a code a bare yes is enough. Without call_at its place is kept: see `dated`.

    Raises ValueError for a plan that has no words in the language.
    """
    return _render(
        language,
        Purpose.CONFIRMATION,
        **_carrier(plan.carrier, language),
        **answers(code or "", language),
        **_elements(plan.carrier, tariff_in(plan, language), language),
        window=lasting(window_ms, language),
        call_at=_CALL_AT if call_at is None else clock_of(call_at // _MINUTE_MS, language),
    )


def dated(text: str, language: str, call_at: Millis) -> str:
    """Return a question that is the same for many orders, with the instant of this order's call filled in."""
    return _dated(text, language, call_at // _MINUTE_MS)


@lru_cache(maxsize=1024)
def _dated(text: str, language: str, minute: int) -> str:
    return text.replace(_CALL_AT, clock_of(minute, language), 1)


def write(
    purpose: Purpose,
    subject: Subject,
    *,
    needs_code: bool = False,
    active_from: str = "",
    until: Millis = 0,
    at: Millis = 0,
    language: str,
) -> str:
    """Write any text but the question. Raises ValueError for the question.

    needs_code: a bare 是 would not be answer enough · active_from: as the BSS gave it · until: the instant that the
    text names, where it names one · at: the instant that it is written for, from which a beginning is past or to come
    """
    if purpose is Purpose.CONFIRMATION:
        raise ValueError("the question is written by confirmation()")
    alike = replace(subject, receipt="", call_at=0, reply_at=0, code=subject.code if needs_code else "")
    since = instant_from(active_from)
    begun = "" if since is None else "yes" if since <= at else "no"
    text = _written(purpose, alike, active_from, begun, until // _MINUTE_MS, language)
    text = text.replace(_CALLED, clock_of(subject.call_at // _MINUTE_MS, language))
    text = text.replace(_REPLIED, clock_of(subject.reply_at // _MINUTE_MS, language))
    return text.replace(_RECEIPT, subject.receipt)


@lru_cache(maxsize=1024)  # a text that names no order is the same for all with the same plan
def _written(purpose: Purpose, subject: Subject, active_from: str, begun: str, until: int, language: str) -> str:
    """Write a text, with a code only where it has one. begun: yes, no, '' where it is not known · until: in minutes."""
    values = _elements(subject.carrier, subject.tariff, language)
    if subject.free_exit and has_early_fee(subject.tariff):
        values = values | {
            "early_fee_short": fee_after_free_period(values["early_fee_short"], subject.free_exit, language)
        }
    because = BECAUSE[language][subject.because]
    # A question whose time is over may wait for its timer: nothing else makes a reply to an open order late.
    state = State.EXPIRED if purpose is Purpose.LATE and subject.state not in OVER[language] else subject.state
    return _render(
        language,
        purpose,
        **_carrier(subject.carrier, language),
        **answers(subject.code, language),
        **values,
        active_from=beginning(active_from, language),
        begun=begun,
        deadline=clock_of(until, language),
        still_active=subject.state in ENGAGED,
        doubtful=subject.doubtful,
        activating=subject.state is State.CONFIRMED,
        over=OVER[language].get(state, "").format(name=values["name"], because=because),
        because=because,
        call_at=_CALLED,
        reply_at=_REPLIED,
        receipt=_RECEIPT,
        cool_off=_cool_off(subject.cool_off, language),
    )


def which_one(carrier: str | None, language: str, choices: Sequence[str]) -> str:
    """Return the answer to a reply that fits several orders; each choice is a code, a blank and the plan's name."""
    colon, between = (": ", "; ") if language == ENGLISH else ("：", "；")
    return _render(
        language,
        WHICH_ONE,
        **_carrier(carrier, language),
        n=str(len(choices)),
        choices=between.join(literal(choice).replace(" ", colon, 1) for choice in choices),
        example=choices[0].partition(" ")[0],
    )


def stopped(carrier: str | None, language: str, receipt: str) -> str:
    """Return the answer to STOP from a number without an open order; without a carrier, all are refused."""
    return _render(language, STOPPED, **_carrier(carrier, language), receipt=receipt)


def registered(carrier: str | None, language: str, receipt: str) -> str:
    """Return the answer to the word that registers a number as marketing-free."""
    return _render(language, Purpose.MARKETING_FREE, **_carrier(carrier, language), receipt=receipt)


def held(carrier: str | None, language: str, until: Millis) -> str:
    """Return the answer to words that a person must read, from a number without an open order. until: read by then."""
    deadline = clock_of(until // _MINUTE_MS, language)
    return _render(language, HELD_LINE, **_carrier(carrier, language), deadline=deadline)


def helped(carrier: str | None, language: str) -> str:
    """Return the answer to HELP from a number that no order is remembered for."""
    return _render(language, HELPED, **_carrier(carrier, language))


def of_report(carrier: str | None, about: Sequence[str]) -> str:
    """Return an SMS to the reporter of a call. about: the text and its language, then the values in it, in the order of
    `REPORT_NAMES`.

    Raises BrokenRecord for a text that is not there, or lacks a word.
    """
    kept, *values = about or ("",)
    key, language = read_name(kept)
    names = REPORT_NAMES.get(key, ())
    if not names or len(names) != len(values):
        raise BrokenRecord("an answer to a report that nobody can write")
    return of_line(carrier, language, key, **dict(zip(names, values, strict=True)))


def of_line(carrier: str | None, language: str, key: str, **values: str | bool) -> str:
    """Return a text of a line, by its name, with the values that it names."""
    plain = {name: literal(value) if isinstance(value, str) else value for name, value in values.items()}
    return _render(language, key, **_carrier(carrier, language), **plain)


def proof(carrier: str | None) -> str:
    """Return four segments, each of which says which one it is: the test of a gateway. No subscriber reads it."""
    brand = _carrier(carrier, CHINESE)["brand"]
    heads = [f"【{brand}】通道检验，第1段，共4段：", *(f"第{n}段，共4段：" for n in (2, 3, 4))]
    return "".join(f"{head}{'零一二三四五六七八九' * 7:.{_UCS2_ROOM - len(head)}}" for head in heads)


@cache
def _environment() -> Environment:
    # An SMS is not HTML. Plans are values, never templates, so nothing in a plan is ever executed.
    return Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701


def _render(language: str, key: str, **values: str | bool) -> str:
    return _template(language, key).render(values)


@cache
def _template(language: str, key: str) -> Template:
    return _environment().from_string(WORDS[language][key])


@lru_cache(maxsize=1024)
def _elements(carrier: str, tariff: Tariff, language: str) -> dict[str, str]:
    values = asdict(elements(carrier, tariff, language))
    # A value that ends in a blank stands before another sentence.
    return {name: literal(value) + " " * value.endswith(" ") for name, value in values.items()}


def _cool_off(milliseconds: int, language: str) -> str:
    """Return for how long a plan is not offered again: for ever, or so many days, rounded up."""
    days = -(-milliseconds // _DAY_MS)
    if language == ENGLISH:
        return f"again for {days} day{'s' * (days > 1)}" if days else "again"
    return f"{days}天内" if days else "今后"


def _carrier(carrier: str | None, language: str) -> dict[str, str]:
    profile = CARRIERS.get(carrier or "")
    if profile is None:
        return {"brand": _UNKNOWN_BRAND[language], "hotline": "", "official": ""}
    brand = profile.english if language == ENGLISH else profile.name
    return {"brand": brand, "hotline": profile.hotline, "official": profile.outbound}


def answers(code: str, language: str) -> dict[str, str]:
    """Return the answers that a question in this language names. code: '' where none is needed"""
    return {"yes": f"Y{code}", "no": f"N{code}"} if language == ENGLISH else {"yes": f"是{code}", "no": f"否{code}"}


def ended(about: Sequence[str]) -> str:
    """Return the notice of an ending: the BSS's answer, and nothing else.

    about: carrier, language, cause, name, when it stops, receipt, then the fields of the BSS's settlement
    """
    carrier, language, cause, name, stops, receipt, *settled = about
    hotline = CARRIERS[carrier].hotline
    money = _money(Settlement.read(settled), language, hotline)
    return of_line(
        carrier, language, cause, name=name, receipt=receipt, money=money, stops=_stops(stops, language, hotline)
    )


def asked_again(about: Sequence[str]) -> tuple[str, ...]:
    """Return the contents of the answer to a repeated withdrawal that an operator must see to. about: the contents of
    the ending's notice
    """
    carrier, language, _, *rest = about
    return carrier, language, ASKED_AGAIN, *rest


def withdraw_ask(about: Sequence[str]) -> str:
    """Return the question whether the service itself shall end.

    about: carrier, language, code, name, when it would end and at which cost, `refused` where marketing is refused
    """
    carrier, language, code, name, leaving, refused = about
    return of_line(carrier, language, WITHDRAW_ASK, code=code, name=name, leaving=leaving, refused=bool(refused))


def _stops(stops: str, language: str, hotline: str) -> str:
    at = beginning(stops, language) if instant_from(stops) is not None else ""
    if language == ENGLISH:
        return f"it stops on {at}" if at else f"{hotline} confirms the end date"
    return f"{at}起失效" if at else f"失效时间由{hotline}确认"


def _money(settled: Settlement, language: str, hotline: str) -> str:
    """Return the words on fee, refund and former plan; a fee that the BSS did not name is confirmed by the hotline."""
    words = _MONEY[language]
    fee = words["fee" if Decimal(settled.fee) else "no_fee"] if settled.fee else words["unsaid"]
    sentences = [fee.format(hotline=hotline, amount=_plain(settled.fee))]
    if settled.refund:
        by = words["by"].format(by=_by(settled.refund_by, language)) if settled.refund_by else ""
        refund = words["refund" if Decimal(settled.refund) else "no_refund"]
        sentences.append(refund.format(amount=_plain(settled.refund), by=by))
    if settled.restored:
        sentences.append(words[settled.restored])
    return ("; " if language == ENGLISH else "，").join(sentences)


_MONEY: Mapping[str, Mapping[str, str]] = {
    CHINESE: {
        "unsaid": "费用由{hotline}确认", "fee": "收取费用{amount}元", "no_fee": "不收取费用",
        "refund": "退款{amount}元{by}", "no_refund": "无退款", "by": "，于{by}前退回",
        Restored.YES: "已恢复您原有套餐", Restored.NO: "未恢复您原有套餐",
    },
    ENGLISH: {
        "unsaid": "{hotline} confirms any fee", "fee": "fee CNY {amount}", "no_fee": "no fee",
        "refund": "CNY {amount} to be refunded{by}", "no_refund": "no refund", "by": " by {by}",
        Restored.YES: "your former plan is restored", Restored.NO: "your former plan is not restored",
    },
}  # fmt: skip


def _plain(amount: str) -> str:
    return plain(Decimal(amount)) if amount else ""


def _by(instant: str, language: str) -> str:
    """Return a day, or an instant, before which something is done."""
    try:
        return by_end_of(date.fromisoformat(instant), language)
    except ValueError:
        return beginning(instant, language)
