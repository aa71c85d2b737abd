"""A plan's fields in the words of the confirmation, element by element, in Chinese and in English; other texts and
pages say them alike.

An element that has nothing to say is empty: the words around it leave it out.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import asdict

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.plan import (
    UNITS,
    EarlyFee,
    Ends,
    English,
    FirstMonth,
    Plan,
    Price,
    RemindedBy,
    Replaces,
    Starts,
    Tariff,
    Term,
    Unsubscribe,
)
from consent_engine.domain.texts.words import CHINESE, ENGLISH, clock_of, lasting


class Elements(Struct, frozen=True):
    """All that a text may say of a plan. start_short, early_fee_short, renewal_short: as the notification says them ·
    unsub_effect: when the service stops that its subscriber ends · leaving_fee: the early fee that this may cost
    """

    name: str
    filing: str
    seller: str
    price: str
    first_month: str
    includes: str
    overage: str
    start: str
    start_short: str
    term: str
    early_fee: str
    early_fee_short: str
    renewal: str
    renewal_short: str
    scenario: str
    restrictions: str
    replaces: str
    unsubscribe: str
    unsub_effect: str
    leaving_fee: str


def elements(carrier: str, tariff: Tariff, language: str) -> Elements:
    """Return a plan's elements in one language. Raises ValueError where the plan has no words in it."""
    if language == CHINESE:
        return _chinese(carrier, tariff)
    if tariff.english is None:
        raise ValueError("this plan has no English")
    return _english(tariff, tariff.english)


def disclosures(plan: Plan) -> dict[str, dict[str, str]]:
    """Return the disclosures of the tariff, by language, in the order of reading; nothing that is empty."""
    return disclosures_of(plan.carrier.value, plan.tariff)


def disclosures_of(carrier: str, says: Tariff) -> dict[str, dict[str, str]]:
    """Return the same for a tariff of a carrier."""
    shown = {CHINESE: _shown(elements(carrier, says, CHINESE), ENDS[CHINESE], _SOLD_ZH, says) | {"seller": says.seller}}
    if says.english is not None:
        shown[ENGLISH] = _shown(elements(carrier, says, ENGLISH), ENDS[ENGLISH], _SOLD_EN, says)
    return {language: {name: text for name, text in each.items() if text} for language, each in shown.items()}


def _shown(found: Elements, ends: Mapping[Ends, str], sold: Mapping[str, str], says: Tariff) -> dict[str, str]:
    shown = {name: value.strip() for name, value in asdict(found).items() if name not in _NOT_SHOWN}
    by = "、".join if sold is _SOLD_ZH else ", ".join
    return shown | {"takes_effect": ends[says.unsubscribe.takes_effect], "sold_by": by(sold[e] for e in says.sold_by)}


_NOT_SHOWN = frozenset({"name", "start_short", "early_fee_short", "renewal_short", "unsub_effect", "leaving_fee"})
ENDS: dict[str, dict[Ends, str]] = {
    CHINESE: {Ends.AT_ONCE: "立即", Ends.NEXT_DAY: "次日", Ends.NEXT_MONTH: "次月1日", Ends.TERM_END: "合约期满"},
    ENGLISH: {
        Ends.AT_ONCE: "at once", Ends.NEXT_DAY: "next day", Ends.NEXT_MONTH: "on the 1st of next month",
        Ends.TERM_END: "with the term",
    },
}  # fmt: skip
"""When a plan ends after it is cancelled, by language."""
_SOLD_ZH = {
    "phone": "电话", "hall": "营业厅", "app": "手机营业厅", "web": "网上营业厅",
    "counter": "代理网点", "other": "其他渠道",
}  # fmt: skip
_SOLD_EN = {
    "phone": "phone", "hall": "shops", "app": "app", "web": "website", "counter": "dealers", "other": "elsewhere"
}  # fmt: skip


def price_of(plan: Plan) -> str:
    """Return the plan's price in one line, in Chinese."""
    return _price_zh(plan.tariff.price)


def plain(amount: Decimal) -> str:
    """Return an amount without zeros at the end of its decimals.

    >>> plain(Decimal("199.00")), plain(Decimal("0.15")), plain(Decimal("10"))
    ('199', '0.15', '10')
    """
    digits = f"{amount:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


# -- Chinese ----------------------------------------------------------------------------------------------------------

_ONCE_CONFIRMED = "确认后"
_STARTS_ZH = {
    Starts.AT_ONCE: _ONCE_CONFIRMED + "立即", Starts.NEXT_DAY: "次日", Starts.NEXT_MONTH: "次月1日",
    Starts.INSTALLATION: "装通之日",
}  # fmt: skip
_FIRST_ZH = {FirstMonth.FULL: "首月按整月收费", FirstMonth.DAILY: "首月按天折算", FirstMonth.HALF: "首月减半计费"}
_REPLACES_ZH = {Replaces.CURRENT: "替换现有套餐。", Replaces.ADDED: "在现有套餐之外加办。"}


def _chinese(carrier: str, tariff: Tariff) -> Elements:
    early = tariff.term.early_fee
    return Elements(
        name=tariff.name,
        filing=tariff.filing,
        seller=_seller_zh(carrier, tariff.seller),
        price=_price_zh(tariff.price),
        first_month=_FIRST_ZH[first] if (first := _first_month(tariff)) else "",
        includes="、".join(f"{_ended(e.what)}{plain(e.amount)}{_ended(e.unit)}" for e in tariff.includes),
        overage=_overage_zh(tariff),
        start=_STARTS_ZH[tariff.term.starts],
        start_short=_STARTS_ZH[tariff.term.starts].removeprefix(_ONCE_CONFIRMED),
        term=_term_zh(tariff.term),
        early_fee=_early_zh(early),
        early_fee_short=f"提前解约违约金最高{plain(early.at_most)}元" if early else "无违约金",
        renewal=_renewal_zh(tariff),
        renewal_short=f"到期自动续订{_again_zh(tariff)}" if tariff.renewal.automatic else "到期不自动续订",
        scenario=_ended(tariff.scenario),
        restrictions=_restrictions_zh(tariff),
        replaces=_REPLACES_ZH[tariff.replaces],
        unsubscribe=_unsubscribe_zh(tariff.unsubscribe),
        unsub_effect=_effect_zh(tariff.unsubscribe),
        leaving_fee=_early_zh(early) if has_early_fee(tariff) else "无违约金",
    )


def _first_month(tariff: Tariff) -> FirstMonth | None:
    """Return the words on the first month: in full goes without saying where it begins on the 1st."""
    whole = tariff.first_month is FirstMonth.FULL and tariff.term.starts is Starts.NEXT_MONTH
    return None if whole else tariff.first_month


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
        return f"{_usual_zh(price)}（一次性收取）"
    if price.promotion is None:
        return _usual_zh(price)
    return f"前{price.promotion.months}个月{plain(price.promotion.price)}元/月，之后{_usual_zh(price)}"


def _usual_zh(price: Price) -> str:
    """Return the price without its promotion."""
    if price.once is not None:
        return f"{plain(price.once)}元"
    if price.daily is not None:
        return f"{plain(price.daily)}元/天"
    return f"{plain(price.monthly or Decimal(0))}元/月"


def _renewal_zh(tariff: Tariff) -> str:
    renewal = tariff.renewal
    if not renewal.automatic:
        return "到期不自动续订"
    reminds = renewal.reminded_by is RemindedBy.BSS
    text = f"到期按{_usual_zh(tariff.price)}自动续订{_again_zh(tariff)}"
    return text + f"，提前{renewal.notice_days}天提醒" * reminds


def _again_zh(tariff: Tariff) -> str:
    return _long_zh(tariff.renewal.months or tariff.term.months, tariff.term.days)


def _overage_zh(tariff: Tariff) -> str:
    parts = []
    if tariff.overage:
        parts.append("超出" + "、".join(f"{_ended(e.what)}{plain(e.price)}元/{_ended(e.per)}" for e in tariff.overage))
    if cap := tariff.speed_cap:
        parts.append(f"超{plain(cap.above)}{cap.unit}限速{cap.limit}")
    return "；".join(parts)


def _term_zh(term: Term) -> str:
    return f"{'在网' if term.early_fee else '有效期'}{_long_zh(term.months, term.days)}"


def _long_zh(months: int, days: int) -> str:
    return f"{months}个月" if months else f"{days}天"


def _early_zh(fee: EarlyFee | None) -> str:
    if fee is None:
        return "提前解约无违约金"
    return f"提前解约违约金{plain(fee.per_remaining_month)}元×剩余月数，最高{plain(fee.at_most)}元"


def _restrictions_zh(tariff: Tariff) -> str:
    parts = [f"限{_ended(tariff.offered_to)}"] if tariff.offered_to else []
    parts += map(_ended, tariff.restrictions)
    return "，".join(parts) + "。" * bool(parts)


def _unsubscribe_zh(how: Unsubscribe) -> str:
    return (f"发{how.word}至{how.to}" if how.word else f"拨{how.to}") + _leaving_fee_zh(how)


def _leaving_fee_zh(how: Unsubscribe) -> str:
    return f"，另收{plain(how.fee)}元" if how.fee else ""


def _effect_zh(how: Unsubscribe) -> str:
    return f"{ENDS[CHINESE][how.takes_effect]}失效"


# -- English ----------------------------------------------------------------------------------------------------------

_STARTS_EN = {
    Starts.AT_ONCE: "at once", Starts.NEXT_DAY: "next day", Starts.NEXT_MONTH: "on the 1st of next month",
    Starts.INSTALLATION: "on installation",
}  # fmt: skip
_FIRST_EN = {
    FirstMonth.FULL: "first month in full", FirstMonth.DAILY: "first month by the day",
    FirstMonth.HALF: "first month at half",
}  # fmt: skip
_REPLACES_EN = {Replaces.CURRENT: "Replaces your plan. ", Replaces.ADDED: "Added to your plan. "}


def _english(tariff: Tariff, english: English) -> Elements:
    early = tariff.term.early_fee
    return Elements(
        name=english.name,
        filing=tariff.filing,
        seller=english.seller,
        price=_price_en(tariff.price),
        first_month=_FIRST_EN[first] if (first := _first_month(tariff)) else "",
        includes=", ".join(
            f"{plain(e.amount)} {_unit(e.unit, english.terms)} {english.terms[e.what]}" for e in tariff.includes
        ),
        overage=_overage_en(tariff, english.terms),
        start=_STARTS_EN[tariff.term.starts],
        start_short=_STARTS_EN[tariff.term.starts],
        term=f"{tariff.term.months}-month term" if tariff.term.months else f"{tariff.term.days}-day term",
        early_fee=_early_en(early),
        early_fee_short=f"early exit fee max CNY {plain(early.at_most)}" if early else "no early exit fee",
        renewal=_renewal_en(tariff),
        renewal_short=f"renews for {_again_en(tariff)}" if tariff.renewal.automatic else "does not renew",
        scenario=_ended(english.scenario),
        restrictions=_restrictions_en(english),
        replaces=_REPLACES_EN[tariff.replaces],
        unsubscribe=_unsubscribe_en(tariff.unsubscribe),
        unsub_effect=_effect_en(tariff.unsubscribe),
        leaving_fee=_early_en(early) if has_early_fee(tariff) else "no early exit fee",
    )


def _price_en(price: Price) -> str:
    if price.once is not None:
        return f"{_usual_en(price)} once"
    if price.promotion is None:
        return _usual_en(price)
    months = _long_en(price.promotion.months, 0)
    return f"CNY {plain(price.promotion.price)}/month for {months}, then {_usual_en(price)}"


def _usual_en(price: Price) -> str:
    """Return the price without its promotion."""
    if price.once is not None:
        return f"CNY {plain(price.once)}"
    if price.daily is not None:
        return f"CNY {plain(price.daily)}/day"
    return f"CNY {plain(price.monthly or Decimal(0))}/month"


def _long_en(months: int, days: int) -> str:
    count, unit = (months, "month") if months else (days, "day")
    return f"{count} {unit}{'s' * (count > 1)}"


def _overage_en(tariff: Tariff, terms: Mapping[str, str]) -> str:
    parts = []
    if tariff.overage:
        each = (f"{terms[e.what]} CNY {plain(e.price)}/{_unit(e.per, terms)}" for e in tariff.overage)
        parts.append("extra " + ", ".join(each))
    if cap := tariff.speed_cap:
        parts.append(f"above {plain(cap.above)} {_unit(cap.unit, terms)} at most {cap.limit}")
    return "; ".join(parts)


def _unit(unit: str, terms: Mapping[str, str]) -> str:
    return terms.get(unit) or UNITS.get(unit) or unit


def _early_en(fee: EarlyFee | None) -> str:
    if fee is None:
        return "no early exit fee"
    return f"early exit fee CNY {plain(fee.per_remaining_month)} x months left, max CNY {plain(fee.at_most)}"


def _renewal_en(tariff: Tariff) -> str:
    renewal = tariff.renewal
    if not renewal.automatic:
        return "does not renew"
    reminds = renewal.reminded_by is RemindedBy.BSS
    text = f"renews for {_again_en(tariff)} at {_usual_en(tariff.price)}"
    return text + f", with a reminder {_long_en(0, renewal.notice_days)} before" * reminds


def _again_en(tariff: Tariff) -> str:
    return _long_en(tariff.renewal.months or tariff.term.months, tariff.term.days)


def _restrictions_en(english: English) -> str:
    parts = [f"{_ended(english.offered_to)} only"] if english.offered_to else []
    parts += map(_ended, english.restrictions)
    return "".join(f"{each}. " for each in parts)


def _unsubscribe_en(how: Unsubscribe) -> str:
    return (f"send {how.word} to {how.to}" if how.word else f"call {how.to}") + _leaving_fee_en(how)


def _leaving_fee_en(how: Unsubscribe) -> str:
    return f", fee CNY {plain(how.fee)}" if how.fee else ""


def _effect_en(how: Unsubscribe) -> str:
    return f"ends {ENDS[ENGLISH][how.takes_effect]}"


# -- leaving ----------------------------------------------------------------------------------------------------------


def has_early_fee(tariff: Tariff) -> bool:
    """Whether a subscriber who ends the plan may owe its early fee: not where it runs on to the end of its term."""
    return tariff.term.early_fee is not None and tariff.unsubscribe.takes_effect is not Ends.TERM_END


def leaving(tariff: Tariff, language: str, free_until: Millis = 0) -> str:
    """Return when the service stops that its subscriber ends, and all that this costs. free_until: before it the policy
    waives the early fee; 0: it does not

    >>> from consent_engine.config.yaml_files import plans_from
    >>> leaving(plans_from(None)[0].tariff, "zh")
    '次月1日失效，提前解约违约金40元×剩余月数，最高960元'
    """
    how, early = tariff.unsubscribe, tariff.term.early_fee if has_early_fee(tariff) else None
    if language == ENGLISH:
        fee = _early_en(early)
        fee = f"no early exit fee until {clock_of(free_until // 60_000, language)}, then {fee}" if free_until else fee
        return f"{_effect_en(how)}; {fee}{_leaving_fee_en(how)}"
    fee = _early_zh(early) if early else "无违约金"
    fee = f"{clock_of(free_until // 60_000, language)}前免违约金，其后{fee}" if free_until else fee
    return f"{_effect_zh(how)}，{fee}{_leaving_fee_zh(how)}"


def fee_after_free_period(early_fee: str, lasts: Millis, language: str) -> str:
    """Return the notification's words on leaving early: first that it costs nothing for so long.

    >>> fee_after_free_period("提前解约违约金最高960元", 604_800_000, "zh")
    '开通后7天内退订免违约金，其后提前解约违约金最高960元'
    """
    long = lasting(lasts, language)
    if language == ENGLISH:
        return f"no early exit fee for {long} from activation, then {early_fee}"
    return f"开通后{long}内退订免违约金，其后{early_fee}"


def _ended(text: str) -> str:
    """Return a plan's words for a sentence of the template: without a full stop of their own."""
    return text.strip().rstrip("。.；;，, ")
