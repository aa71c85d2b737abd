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
        own = _in_chinese(carrier, tariff)
    elif tariff.english is None:
        raise ValueError("this plan has no English")
    else:
        own = _in_english(tariff, tariff.english)
    words, early, how = _WORDS[language], tariff.term.early_fee, tariff.unsubscribe
    first = _first_month(tariff)
    return Elements(
        **own,
        filing=tariff.filing,
        price=_price(tariff.price, language),
        first_month=words[first] if first else "",
        start=words[tariff.term.starts],
        start_short=words[tariff.term.starts].removeprefix(_ONCE_CONFIRMED),
        early_fee=_early(early, language),
        early_fee_short=words["most"].format(plain(early.at_most)) if early else words["none"],
        renewal=_renewal(tariff, language),
        renewal_short=(
            words["renews for"].format(_again(tariff, language)) if tariff.renewal.automatic else words["no renewal"]
        ),
        replaces=words[tariff.replaces],
        unsubscribe=_unsubscribe(how, language),
        unsub_effect=_effect(how, language),
        leaving_fee=_early(early, language) if has_early_fee(tariff) else words["none"],
    )


def disclosures(plan: Plan) -> dict[str, dict[str, str]]:
    """Return the disclosures of the tariff, by language, in the order of reading; nothing that is empty."""
    return disclosures_of(plan.carrier.value, plan.tariff)


def disclosures_of(carrier: str, says: Tariff) -> dict[str, dict[str, str]]:
    """Return the same for a tariff of a carrier."""
    shown = {CHINESE: _shown(carrier, says, CHINESE) | {"seller": says.seller}}
    if says.english is not None:
        shown[ENGLISH] = _shown(carrier, says, ENGLISH)
    return {language: {name: text for name, text in each.items() if text} for language, each in shown.items()}


def _shown(carrier: str, says: Tariff, language: str) -> dict[str, str]:
    found, by = asdict(elements(carrier, says, language)), (_SOLD[language][each] for each in says.sold_by)
    shown = {name: value.strip() for name, value in found.items() if name not in _NOT_SHOWN}
    ends = ENDS[language][says.unsubscribe.takes_effect]
    return shown | {"takes_effect": ends, "sold_by": _WORDS[language]["and"].join(by)}


_NOT_SHOWN = frozenset({"name", "start_short", "early_fee_short", "renewal_short", "unsub_effect", "leaving_fee"})
ENDS: dict[str, dict[Ends, str]] = {
    CHINESE: {Ends.AT_ONCE: "立即", Ends.NEXT_DAY: "次日", Ends.NEXT_MONTH: "次月1日", Ends.TERM_END: "合约期满"},
    ENGLISH: {
        Ends.AT_ONCE: "at once", Ends.NEXT_DAY: "next day", Ends.NEXT_MONTH: "on the 1st of next month",
        Ends.TERM_END: "with the term",
    },
}  # fmt: skip
"""When a plan ends after it is cancelled, by language."""
_SOLD: Mapping[str, Mapping[str, str]] = {
    CHINESE: {
        "phone": "电话", "hall": "营业厅", "app": "手机营业厅", "web": "网上营业厅", "counter": "代理网点",
        "other": "其他渠道",
    },
    ENGLISH: {
        "phone": "phone", "hall": "shops", "app": "app", "web": "website", "counter": "dealers", "other": "elsewhere",
    },
}  # fmt: skip


def price_of(plan: Plan) -> str:
    """Return the plan's price in one line, in Chinese."""
    return _price(plan.tariff.price, CHINESE)


def plain(amount: Decimal) -> str:
    """Return an amount without zeros at the end of its decimals.

    >>> plain(Decimal("199.00")), plain(Decimal("0.15")), plain(Decimal("10"))
    ('199', '0.15', '10')
    """
    digits = f"{amount:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


# -- the fields -------------------------------------------------------------------------------------------------------

_ONCE_CONFIRMED = "确认后"
_WORDS: Mapping[str, Mapping[str, str]] = {
    CHINESE: {
        Starts.AT_ONCE: _ONCE_CONFIRMED + "立即", Starts.NEXT_DAY: "次日", Starts.NEXT_MONTH: "次月1日",
        Starts.INSTALLATION: "装通之日",
        FirstMonth.FULL: "首月按整月收费", FirstMonth.DAILY: "首月按天折算", FirstMonth.HALF: "首月减半计费",
        Replaces.CURRENT: "替换现有套餐。", Replaces.ADDED: "在现有套餐之外加办。",
        "one price": "{}元", "a day": "{}元/天", "a month": "{}元/月", "alone": "{}（一次性收取）",
        "promotion": "前{}{}元/月，之后{}",
        "fee": "提前解约违约金{}元×剩余月数，最高{}元", "no fee": "提前解约无违约金",
        "most": "提前解约违约金最高{}元", "none": "无违约金",
        "renews": "到期按{price}自动续订{long}", "renews for": "到期自动续订{}", "no renewal": "到期不自动续订",
        "reminds": "，提前{}提醒", "and": "、", "send": "发{}至{}", "call": "拨{}", "leaving": "，另收{}元",
        "effect": "{}失效",
    },
    ENGLISH: {
        Starts.AT_ONCE: "at once", Starts.NEXT_DAY: "next day", Starts.NEXT_MONTH: "on the 1st of next month",
        Starts.INSTALLATION: "on installation",
        FirstMonth.FULL: "first month in full", FirstMonth.DAILY: "first month by the day",
        FirstMonth.HALF: "first month at half",
        Replaces.CURRENT: "Replaces your plan. ", Replaces.ADDED: "Added to your plan. ",
        "one price": "CNY {}", "a day": "CNY {}/day", "a month": "CNY {}/month", "alone": "{} once",
        "promotion": "CNY {1}/month for {0}, then {2}",
        "fee": "early exit fee CNY {} x months left, max CNY {}", "no fee": "no early exit fee",
        "most": "early exit fee max CNY {}", "none": "no early exit fee",
        "renews": "renews for {long} at {price}", "renews for": "renews for {}", "no renewal": "does not renew",
        "reminds": ", with a reminder {} before", "and": ", ", "send": "send {} to {}", "call": "call {}",
        "leaving": ", fee CNY {}", "effect": "ends {}",
    },
}  # fmt: skip


def _first_month(tariff: Tariff) -> FirstMonth | None:
    """Return the words on the first month: in full goes without saying where it begins on the 1st."""
    whole = tariff.first_month is FirstMonth.FULL and tariff.term.starts is Starts.NEXT_MONTH
    return None if whole else tariff.first_month


def _seller(carrier: str, seller: str) -> str:
    """Return the seller where it is not the carrier itself: one of its companies by place, another by its whole name.

    >>> _seller("mobile", "中国移动通信集团北京有限公司"), _seller("mobile", "中国移动通信集团有限公司")
    ('北京公司', '')
    """
    profile = CARRIERS[carrier]
    if not seller.startswith(profile.company):
        return "" if seller == profile.name else seller
    place = seller.removeprefix(profile.company)
    return "" if place in {"", "有限公司"} else place.removesuffix("有限公司") + "公司" * place.endswith("有限公司")


def _price(price: Price, language: str) -> str:
    usual, words = _usual(price, language), _WORDS[language]
    if price.once is not None:
        return words["alone"].format(usual)
    if price.promotion is None:
        return usual
    return words["promotion"].format(_long(price.promotion.months, 0, language), plain(price.promotion.price), usual)


def _usual(price: Price, language: str) -> str:
    """Return the price without its promotion."""
    words = _WORDS[language]
    if price.once is not None:
        return words["one price"].format(plain(price.once))
    if price.daily is not None:
        return words["a day"].format(plain(price.daily))
    return words["a month"].format(plain(price.monthly or Decimal(0)))


def _renewal(tariff: Tariff, language: str) -> str:
    renewal, words = tariff.renewal, _WORDS[language]
    if not renewal.automatic:
        return words["no renewal"]
    text = words["renews"].format(price=_usual(tariff.price, language), long=_again(tariff, language))
    return text + words["reminds"].format(_long(0, renewal.notice_days, language)) * (
        renewal.reminded_by is RemindedBy.BSS
    )


def _again(tariff: Tariff, language: str) -> str:
    return _long(tariff.renewal.months or tariff.term.months, tariff.term.days, language)


def _long(months: int, days: int, language: str) -> str:
    if language == CHINESE:
        return f"{months}个月" if months else f"{days}天"
    count, unit = (months, "month") if months else (days, "day")
    return f"{count} {unit}{'s' * (count > 1)}"


def _early(fee: EarlyFee | None, language: str) -> str:
    words = _WORDS[language]
    return words["fee"].format(plain(fee.per_remaining_month), plain(fee.at_most)) if fee else words["no fee"]


def _unsubscribe(how: Unsubscribe, language: str) -> str:
    words = _WORDS[language]
    way = words["send"].format(how.word, how.to) if how.word else words["call"].format(how.to)
    return way + _leaving_fee(how, language)


def _leaving_fee(how: Unsubscribe, language: str) -> str:
    return _WORDS[language]["leaving"].format(plain(how.fee)) if how.fee else ""


def _effect(how: Unsubscribe, language: str) -> str:
    return _WORDS[language]["effect"].format(ENDS[language][how.takes_effect])


def _in_chinese(carrier: str, tariff: Tariff) -> dict[str, str]:
    """Return the elements that the plan says in words of its own."""
    term = tariff.term
    extra = [f"{_ended(e.what)}{plain(e.price)}元/{_ended(e.per)}" for e in tariff.overage]
    overage = ["超出" + "、".join(extra)] if extra else []
    overage += [f"超{plain(cap.above)}{cap.unit}限速{cap.limit}"] if (cap := tariff.speed_cap) else []
    limits = [f"限{_ended(tariff.offered_to)}"] if tariff.offered_to else []
    limits += map(_ended, tariff.restrictions)
    return {
        "name": tariff.name,
        "seller": _seller(carrier, tariff.seller),
        "includes": "、".join(f"{_ended(e.what)}{plain(e.amount)}{_ended(e.unit)}" for e in tariff.includes),
        "overage": "；".join(overage),
        "term": f"{'在网' if term.early_fee else '有效期'}{_long(term.months, term.days, CHINESE)}",
        "scenario": _ended(tariff.scenario),
        "restrictions": "，".join(limits) + "。" * bool(limits),
    }


def _in_english(tariff: Tariff, english: English) -> dict[str, str]:
    """Return the same from the plan's English words."""
    term, terms = tariff.term, english.terms
    extra = [f"{terms[e.what]} CNY {plain(e.price)}/{_unit(e.per, terms)}" for e in tariff.overage]
    overage = ["extra " + ", ".join(extra)] if extra else []
    if cap := tariff.speed_cap:
        overage.append(f"above {plain(cap.above)} {_unit(cap.unit, terms)} at most {cap.limit}")
    limits = [f"{_ended(english.offered_to)} only"] if english.offered_to else []
    limits += map(_ended, english.restrictions)
    return {
        "name": english.name,
        "seller": english.seller,
        "includes": ", ".join(f"{plain(e.amount)} {_unit(e.unit, terms)} {terms[e.what]}" for e in tariff.includes),
        "overage": "; ".join(overage),
        "term": f"{term.months}-month term" if term.months else f"{term.days}-day term",
        "scenario": _ended(english.scenario),
        "restrictions": "".join(f"{each}. " for each in limits),
    }


def _unit(unit: str, terms: Mapping[str, str]) -> str:
    return terms.get(unit) or UNITS.get(unit) or unit


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
    fee = _early(early, language) if early else _WORDS[language]["none"]
    until = clock_of(free_until // 60_000, language)
    if language == ENGLISH:
        fee = f"no early exit fee until {until}, then {fee}" if free_until else fee
        return f"{_effect(how, language)}; {fee}{_leaving_fee(how, language)}"
    fee = f"{until}前免违约金，其后{fee}" if free_until else fee
    return f"{_effect(how, language)}，{fee}{_leaving_fee(how, language)}"


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
