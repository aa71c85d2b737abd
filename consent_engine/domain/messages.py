"""Every word a subscriber reads.

Words live in an edition. An edition is never edited once released: orders under way keep the edition they were placed
under, so a change of words is a new edition beside the old ones. No text has a link in it, and none ever will.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache
from types import MappingProxyType

from jinja2 import Environment, StrictUndefined, Template

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Purpose
from consent_engine.domain.plan import Plan
from consent_engine.errors import BrokenRecord

WHICH_ONE = "which_one"
STOPPED = "stopped"
HELPED = "helped"

# fmt: off
_FIRST: dict[str, str] = {
    Purpose.CONFIRMATION: (
        "【{{ brand }}】您在电话中同意办理{{ brand }}「{{ name }}」，现请您确认，确认前不会办理。"
        "资费：{{ price }}。适用范围：{{ scenario }}。有效期：{{ validity }}。限制条件：{{ restrictions }}。"
        "退订方式：{{ unsubscribe }}。"
        "请在{{ window }}内回复“{{ yes }}”确认办理；回复“{{ no }}”、回复其他内容或不回复，均不办理。回复免费。"
        "服务热线{{ hotline }}。任何人都不会向您索要验证码。"
    ),
    Purpose.REMINDER: (
        "【{{ brand }}】您在电话中同意的「{{ name }}」（{{ price }}）还在等您确认，尚未办理。"
        "办理请回复“{{ yes }}”；不办理请回复“{{ no }}”，或无需回复，到期自动失效。回复免费。"
        "服务热线{{ hotline }}。任何人都不会向您索要验证码。"
    ),
    Purpose.CLARIFICATION: (
        "【{{ brand }}】没有看懂您的回复，「{{ name }}」（{{ price }}）尚未办理。"
        "办理请回复“{{ yes }}”，不办理请回复“{{ no }}”；回复其他内容或不回复，均不办理。回复免费。"
        "服务热线{{ hotline }}。任何人都不会向您索要验证码。"
    ),
    Purpose.HELP: (
        "【{{ brand }}】关于您的电话订购「{{ name }}」（{{ price }}）："
        "等待您确认期间，办理请回复“{{ yes }}”，不办理请回复“{{ no }}”，不愿再接到此类来电和短信请回复“TD”，"
        "不回复即不办理。回复免费。退订方式：{{ unsubscribe }}。"
        "服务热线{{ hotline }}。任何人都不会向您索要验证码。"
    ),
    Purpose.LATE: (
        "【{{ brand }}】「{{ name }}」的订购已不再等待回复，您这次的回复不会改变结果。"
        "{% if still_active %}您此前的确认仍然有效。{% else %}您此前没有确认的，不会办理，也不会产生费用。{% endif %}"
        "退订方式：{{ unsubscribe }}。服务热线{{ hotline }}。"
    ),
    Purpose.DECLINED: (
        "【{{ brand }}】已收到您的回复，「{{ name }}」不会办理，不会产生费用。"
        "不愿再接到此类来电和短信，请回复“TD”，回复免费。服务热线{{ hotline }}。"
    ),
    Purpose.OPTED_OUT: (
        "【{{ brand }}】已收到您的回复，今后不会再向您拨打{{ brand }}的推销电话或发送推销短信。"
        "{% if still_active %}"
        "您此前确认的「{{ name }}」仍然有效，如需退订：{{ unsubscribe }}。"
        "{% else %}"
        "「{{ name }}」不会办理，不会产生费用。"
        "{% endif %}"
        "服务热线{{ hotline }}。"
    ),
    Purpose.CANCELLED: (
        "【{{ brand }}】您的「{{ name }}」订购已取消，不会办理，不会产生费用，您无需回复。服务热线{{ hotline }}。"
    ),
    Purpose.NOTIFICATION: (
        "【{{ brand }}】您回复确认的「{{ name }}」已开通{% if active_from %}，生效时间：{{ active_from }}{% endif %}。"
        "资费：{{ price }}。退订方式：{{ unsubscribe }}。"
        "服务热线{{ hotline }}。任何人都不会向您索要验证码。"
    ),
    Purpose.FAILURE: (
        "【{{ brand }}】很抱歉，您回复确认的「{{ name }}」未能开通，不会产生费用，您无需回复。服务热线{{ hotline }}。"
    ),
    WHICH_ONE: (
        "【{{ brand }}】您有多项订购在等您确认，您的回复没有说明是哪一项，均尚未办理：{{ choices }}。"
        "请回复“是”加编号办理其中一项{% if example %}，如“是{{ example }}”{% endif %}；"
        "或只回复编号，说明您刚才答的是哪一项。没有说明的，均不办理。回复免费。"
        "{% if hotline %}服务热线{{ hotline }}。{% endif %}任何人都不会向您索要验证码。"
    ),
    STOPPED: (
        "【{{ brand }}】已收到您的回复，今后不会再向您拨打{{ carrier }}推销电话或发送推销短信。"
        "{% if hotline %}服务热线{{ hotline }}。{% endif %}"
    ),
    HELPED: (
        "【{{ brand }}】目前没有等您确认的电话订购，未经您短信确认，不会为您办理任何业务。"
        "不愿再接到推销电话和短信，请回复“TD”，回复免费。"
        "{% if hotline %}服务热线{{ hotline }}。{% endif %}任何人都不会向您索要验证码。"
    ),
}
# fmt: on

EDITIONS: Mapping[int, Mapping[str, str]] = MappingProxyType({1: MappingProxyType(_FIRST)})
CURRENT_EDITION = 1

_UNKNOWN_BRAND = "订购确认"

# Ends of lines and paragraphs, controls, and what turns the direction of writing: none may forge a second message.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSEEN = re.compile(f"[{_CONTROLS}][{_CONTROLS} ]*")

_CHINA = timezone(timedelta(hours=8))
_MAX_ACTIVE_FROM = 40
_UNITS = ((24 * 3600, "天"), (3600, "小时"), (60, "分钟"), (1, "秒"))
_HOURS_UP_TO = 48 * 3600


@dataclass(frozen=True, slots=True)
class Subject:
    """What a text is about.

    carrier: as plans name it · plan: the plan's name to people · code: the order's, told only where it is needed ·
    still_active: the service was switched on, or can no longer be stopped: a STOP or a late reply must be told so
    """

    carrier: str
    plan: str
    price: str
    unsubscribe: str
    code: str
    still_active: bool = False


def confirmation(plan: Plan, code: str | None, window_ms: int) -> str:
    """The question, in the current edition; without a code a bare 是 is answer enough."""
    return _template(CURRENT_EDITION, Purpose.CONFIRMATION).render(
        **_carrier(plan.carrier),
        **_answers(code or ""),
        name=_literal(plan.name),
        price=_literal(plan.price),
        scenario=_literal(plan.scenario),
        validity=_literal(plan.validity),
        restrictions=_literal(plan.restrictions),
        unsubscribe=_literal(plan.unsubscribe),
        window=_duration(window_ms),
    )


def write(
    purpose: Purpose,
    subject: Subject,
    *,
    needs_code: bool = False,
    active_from: str = "",
    edition: int = CURRENT_EDITION,
) -> str:
    """Any text but the question.

    needs_code: a bare 是 would not be answer enough · active_from: as the BSS gave it
    """
    if purpose is Purpose.CONFIRMATION:
        raise ValueError("the question is written by confirmation()")
    return _template(edition, purpose).render(
        **_carrier(subject.carrier),
        **_answers(subject.code if needs_code else ""),
        name=_literal(subject.plan),
        price=_literal(subject.price),
        unsubscribe=_literal(subject.unsubscribe),
        active_from=_beginning(active_from),
        still_active=subject.still_active,
    )


def which_one(carrier: str | None, choices: Sequence[str]) -> str:
    """The answer to a reply that fits several orders; each choice is a code, a blank and the plan's name."""
    return _template(CURRENT_EDITION, WHICH_ONE).render(
        **_carrier(carrier),
        choices="；".join(map(_literal, choices)),
        example=choices[0].partition(" ")[0] if choices else "",
    )


def stopped(carrier: str | None) -> str:
    """The answer to STOP from a number that no order is open for; without a carrier, all are refused."""
    known = CARRIERS.get(carrier or "")
    return _template(CURRENT_EDITION, STOPPED).render(**_carrier(carrier), carrier=f"{known.name}的" if known else "")


def helped(carrier: str | None) -> str:
    """The answer to HELP from a number that no order is remembered for."""
    return _template(CURRENT_EDITION, HELPED).render(**_carrier(carrier))


@cache
def _environment() -> Environment:
    # An SMS is not HTML. Plans are values, never templates, so nothing of theirs is ever executed.
    return Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701


@cache
def _template(edition: int, key: str) -> Template:
    if edition not in EDITIONS:
        raise BrokenRecord(f"no edition {edition} of our words is known here")
    return _environment().from_string(EDITIONS[edition][key])


def _carrier(carrier: str | None) -> dict[str, str]:
    profile = CARRIERS.get(carrier or "")
    return {"brand": profile.name, "hotline": profile.hotline} if profile else {"brand": _UNKNOWN_BRAND, "hotline": ""}


def _answers(code: str) -> dict[str, str]:
    return {"yes": f"是{code}", "no": f"否{code}"}


@lru_cache(maxsize=4096)
def _literal(text: str) -> str:
    """A plan's words on one line, otherwise as they are."""
    return _UNSEEN.sub(" ", text).strip()


def _duration(milliseconds: int) -> str:
    """How long the subscriber has, in the largest unit that says it exactly; never longer than it is.

    >>> _duration(86_400_000), _duration(90_000), _duration(7_200_000), _duration(259_200_000)
    ('24小时', '90秒', '2小时', '3天')
    """
    seconds = milliseconds // 1000
    # Up to two days people count in hours.
    units = _UNITS if seconds > _HOURS_UP_TO else _UNITS[1:]
    size, unit = next((size, unit) for size, unit in units if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _beginning(active_from: str) -> str:
    """When a service begins: an instant by the clock in China; other words as they are, unless they hold a link."""
    try:
        instant = datetime.fromisoformat(active_from)
        return f"{instant.astimezone(_CHINA) if instant.tzinfo else instant:%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        words = _literal(active_from)[:_MAX_ACTIVE_FROM]
    return "" if "://" in words or "www." in words.lower() else words
