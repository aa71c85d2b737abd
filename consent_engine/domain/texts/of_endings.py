"""SMS about an ending: the notice that a service is taken back, and the question whether it shall be."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Restored, Settlement
from consent_engine.domain.texts.confirmation_fields import plain
from consent_engine.domain.texts.render import of_line
from consent_engine.domain.texts.words import (
    ASKED_AGAIN,
    CHINESE,
    ENGLISH,
    WITHDRAW_ASK,
    beginning,
    by_end_of,
    instant_from,
)


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
