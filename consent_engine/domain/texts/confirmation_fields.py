"""A plan's fields in the words of the confirmation, element by element, in Chinese and in English; other texts and
pages say them alike.

An element that has nothing to say is empty: the words around it leave it out.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import asdict

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.tariff import (
    UNITS,
    EarlyFee,
    Ends,
    English,
    FirstMonth,
    Price,
    Replaces,
    Sentences,
    Starts,
    Tariff,
    Term,
    Unsubscribe,
)

CHINESE, ENGLISH = "zh", "en"


class Elements(Struct, frozen=True):
    """All that a text may say of a plan. early_fee_short, renewal_short: as the notification repeats them."""

    name: str
    filing: str
    seller: str
    price: str
    first_month: str
    includes: str
    overage: str
    start: str
    term: str
    early_fee: str
    early_fee_short: str
    renewal: str
    renewal_short: str
    scenario: str
    restrictions: str
    replaces: str
    unsubscribe: str


def elements(carrier: str, tariff: Tariff, language: str) -> Elements:
    """Return a plan's elements in one language. Raises ValueError where the plan has no words in it."""
    if language == CHINESE:
        return _chinese(carrier, tariff)
    if tariff.english is None:
        raise ValueError("this plan has no English")
    return _english(tariff, tariff.english)


def disclosures(plan: Plan) -> dict[str, dict[str, str]]:
    """Return what a reader of the tariff is shown, by language, in the order of reading; nothing that is empty."""
    if isinstance(plan.says, Sentences):
        return {CHINESE: {name: told for name, told in asdict(plan.says).items() if told and name != "name"}}
    return disclosures_of(plan.carrier.value, plan.says)


def disclosures_of(carrier: str, says: Tariff) -> dict[str, dict[str, str]]:
    """Return the same for a tariff of a carrier."""
    shown = {CHINESE: _shown(elements(carrier, says, CHINESE), ENDS[CHINESE], _SOLD_ZH, says) | {"seller": says.seller}}
    if says.english is not None:
        shown[ENGLISH] = _shown(elements(carrier, says, ENGLISH), ENDS[ENGLISH], _SOLD_EN, says)
    return {language: {name: told for name, told in each.items() if told} for language, each in shown.items()}


def _shown(told: Elements, ends: Mapping[Ends, str], sold: Mapping[str, str], says: Tariff) -> dict[str, str]:
    shown = {name: value.strip() for name, value in asdict(told).items() if name not in _NOT_SHOWN}
    by = "、".join if sold is _SOLD_ZH else ", ".join
    return shown | {"takes_effect": ends[says.unsubscribe.takes_effect], "sold_by": by(sold[e] for e in says.sold_by)}


_NOT_SHOWN = frozenset({"name", "early_fee_short", "renewal_short"})
ENDS: dict[str, dict[Ends, str]] = {
    CHINESE: {Ends.AT_ONCE: "立即", Ends.NEXT_DAY: "次日", Ends.NEXT_MONTH: "次月1日", Ends.TERM_END: "合约期满"},
    ENGLISH: {
        Ends.AT_ONCE: "at once", Ends.NEXT_DAY: "next day", Ends.NEXT_MONTH: "on the 1st of next month",
        Ends.TERM_END: "at the end of the term",
    },
}  # fmt: skip
"""When a plan ends after it is cancelled, by language."""
_SOLD_ZH = {
    "phone": "电话", "hall": "营业厅", "app": "手机营业厅", "web": "网上营业厅",
    "counter": "代理网点", "other": "其他渠道",
}  # fmt: skip
_SOLD_EN = {
    "phone": "phone", "hall": "shops", "app": "app", "web": "web hall", "counter": "dealers", "other": "elsewhere"
}  # fmt: skip


def price_of(plan: Plan) -> str:
    """Return the plan's price in one line, in Chinese."""
    return plan.says.price if isinstance(plan.says, Sentences) else _price_zh(plan.says.price)


def unsubscribe_of(plan: Plan) -> str:
    """Return how to end the plan in one line, in Chinese."""
    says = plan.says
    return says.unsubscribe if isinstance(says, Sentences) else _unsubscribe_zh(says.unsubscribe)


def plain(amount: Decimal) -> str:
    """Return an amount without zeros at the end of its decimals.

    >>> plain(Decimal("199.00")), plain(Decimal("0.15")), plain(Decimal("10"))
    ('199', '0.15', '10')
    """
    told = f"{amount:f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


# -- Chinese ----------------------------------------------------------------------------------------------------------

_STARTS_ZH = {
    Starts.AT_ONCE: "确认后立即", Starts.NEXT_DAY: "次日", Starts.NEXT_MONTH: "次月1日",
    Starts.INSTALLATION: "装通之日",
}  # fmt: skip
_FIRST_ZH = {FirstMonth.DAILY: "首月按天计费", FirstMonth.HALF: "首月减半计费"}
_REPLACES_ZH = {Replaces.CURRENT: "将替换您现有套餐。", Replaces.ADDED: "在您现有套餐之外加办。"}


def _chinese(carrier: str, tariff: Tariff) -> Elements:
    early, renews = tariff.term.early_fee, "到期自动续订" if tariff.renewal.automatic else "到期不自动续订"
    return Elements(
        name=tariff.name,
        filing=tariff.filing,
        seller=_seller_zh(carrier, tariff.seller),
        price=_price_zh(tariff.price),
        first_month=_FIRST_ZH.get(tariff.first_month, "") if tariff.first_month else "",
        includes="、".join(f"{_ended(e.what)}{plain(e.amount)}{_ended(e.unit)}" for e in tariff.includes),
        overage=_overage_zh(tariff),
        start=_STARTS_ZH[tariff.term.starts],
        term=_term_zh(tariff.term),
        early_fee=_early_zh(early),
        early_fee_short=f"提前解约付违约金最高{plain(early.at_most)}元" if early else "提前解约无违约金",
        renewal=renews + f"，提前{tariff.renewal.notice_days}天提醒" * tariff.renewal.automatic,
        renewal_short=renews,
        scenario=_ended(tariff.scenario),
        restrictions=_restrictions_zh(tariff),
        replaces=_REPLACES_ZH[tariff.replaces],
        unsubscribe=_unsubscribe_zh(tariff.unsubscribe),
    )


def _seller_zh(carrier: str, seller: str) -> str:
    """Return the seller where it is not the carrier itself: one of its companies by place, another by its whole name.

    >>> _seller_zh("mobile", "中国移动通信集团北京有限公司"), _seller_zh("mobile", "中国移动通信集团有限公司")
    ('北京公司', '')
    """
    profile = CARRIERS[carrier]
    if not seller.startswith(profile.company):
        return "" if seller == profile.name else seller
    place = seller.removeprefix(profile.company)
    return "" if place in {"", "有限公司"} else place.removesuffix("有限公司") + "公司" * place.endswith("有限公司")


def _price_zh(price: Price) -> str:
    if price.once is not None:
        return f"{plain(price.once)}元（一次性收取）"
    if price.daily is not None:
        return f"{plain(price.daily)}元/天"
    monthly = f"{plain(price.monthly or Decimal(0))}元/月"
    if price.promotion is None:
        return monthly
    return f"前{price.promotion.months}个月{plain(price.promotion.price)}元/月，之后{monthly}"


def _overage_zh(tariff: Tariff) -> str:
    told = []
    if tariff.overage:
        told.append("超出" + "、".join(f"{_ended(e.what)}{plain(e.price)}元/{_ended(e.per)}" for e in tariff.overage))
    if cap := tariff.speed_cap:
        told.append(f"超{plain(cap.above)}{cap.unit}限速{cap.limit}")
    return "；".join(told)


def _term_zh(term: Term) -> str:
    long = f"{term.months}个月" if term.months else f"{term.days}天"
    return f"{'在网' if term.early_fee else '有效期'}{long}"


def _early_zh(fee: EarlyFee | None) -> str:
    if fee is None:
        return "提前解约无违约金"
    return f"提前解约违约金{plain(fee.per_remaining_month)}元×剩余月数，最高{plain(fee.at_most)}元"


def _restrictions_zh(tariff: Tariff) -> str:
    told = [f"限{_ended(tariff.offered_to)}"] if tariff.offered_to else []
    told += map(_ended, tariff.restrictions)
    return "，".join(told) + "。" * bool(told)


def _unsubscribe_zh(how: Unsubscribe) -> str:
    told = f"发送{how.word}至{how.to}" if how.word else f"拨打{how.to}"
    return told + (f"，另收{plain(how.fee)}元" if how.fee else "")


# -- English ----------------------------------------------------------------------------------------------------------

_STARTS_EN = {
    Starts.AT_ONCE: "at once", Starts.NEXT_DAY: "next day", Starts.NEXT_MONTH: "on the 1st of next month",
    Starts.INSTALLATION: "on installation",
}  # fmt: skip
_FIRST_EN = {FirstMonth.DAILY: "first month by the day", FirstMonth.HALF: "first month at half"}
_REPLACES_EN = {Replaces.CURRENT: "Replaces your current plan. ", Replaces.ADDED: "Added to your current plan. "}


def _english(tariff: Tariff, english: English) -> Elements:
    early = tariff.term.early_fee
    return Elements(
        name=english.name,
        filing=tariff.filing,
        seller=english.seller,
        price=_price_en(tariff.price),
        first_month=_FIRST_EN.get(tariff.first_month, "") if tariff.first_month else "",
        includes=", ".join(
            f"{plain(e.amount)} {_unit(e.unit, english.terms)} {english.terms[e.what]}" for e in tariff.includes
        ),
        overage=_overage_en(tariff, english.terms),
        start=_STARTS_EN[tariff.term.starts],
        term=f"{tariff.term.months}-month term" if tariff.term.months else f"{tariff.term.days}-day term",
        early_fee=_early_en(early),
        early_fee_short=f"early exit at most CNY {plain(early.at_most)}" if early else "no early exit fee",
        renewal=_renewal_en(tariff),
        renewal_short="renews by itself" if tariff.renewal.automatic else "does not renew",
        scenario=_ended(english.scenario),
        restrictions=_restrictions_en(english),
        replaces=_REPLACES_EN[tariff.replaces],
        unsubscribe=_unsubscribe_en(tariff.unsubscribe),
    )


def _price_en(price: Price) -> str:
    if price.once is not None:
        return f"CNY {plain(price.once)} once"
    if price.daily is not None:
        return f"CNY {plain(price.daily)}/day"
    monthly = f"CNY {plain(price.monthly or Decimal(0))}/month"
    if price.promotion is None:
        return monthly
    count = price.promotion.months
    months = f"{count} months" if count > 1 else "1 month"
    return f"CNY {plain(price.promotion.price)}/month for {months}, then {monthly}"


def _overage_en(tariff: Tariff, terms: Mapping[str, str]) -> str:
    told = []
    if tariff.overage:
        each = (f"{terms[e.what]} CNY {plain(e.price)}/{_unit(e.per, terms)}" for e in tariff.overage)
        told.append("extra " + ", ".join(each))
    if cap := tariff.speed_cap:
        told.append(f"above {plain(cap.above)} {_unit(cap.unit, terms)} at most {cap.limit}")
    return "; ".join(told)


def _unit(unit: str, terms: Mapping[str, str]) -> str:
    return terms.get(unit) or UNITS.get(unit) or unit


def _early_en(fee: EarlyFee | None) -> str:
    if fee is None:
        return "no early exit fee"
    return f"early exit CNY {plain(fee.per_remaining_month)} x months left, at most CNY {plain(fee.at_most)}"


def _renewal_en(tariff: Tariff) -> str:
    days = tariff.renewal.notice_days
    told = f"renews by itself, told {days} day{'s' * (days > 1)} before"
    return told if tariff.renewal.automatic else "does not renew"


def _restrictions_en(english: English) -> str:
    told = [f"{_ended(english.offered_to)} only"] if english.offered_to else []
    told += map(_ended, english.restrictions)
    return "".join(f"{each}. " for each in told)


def _unsubscribe_en(how: Unsubscribe) -> str:
    told = f"send {how.word} to {how.to}" if how.word else f"call {how.to}"
    return told + (f", CNY {plain(how.fee)}" if how.fee else "")


def _ended(text: str) -> str:
    """Return a plan's words for a sentence of the template: without a full stop of their own."""
    return text.strip().rstrip("。.；;，, ")
