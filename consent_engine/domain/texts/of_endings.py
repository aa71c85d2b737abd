"""SMS about an ending: the notice that a service is taken back, and the question whether it shall be.

The amounts of a refund or of a fee that falls due are the carrier's to say: no answer of the BSS names them, so that no
SMS does either.
"""

from collections.abc import Sequence

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.offer.tariff import Tariff
from consent_engine.domain.texts.confirmation_fields import ENDS, ENGLISH
from consent_engine.domain.texts.times import instant_of, literal

_ZH_END = "热线{hotline}。营销来电只用{official}，勿向任何人透露验证码。"
_EN_END = "Hotline {hotline}. We make sales calls from {official} only. Never tell anyone a verification code."
REVERSAL, WITHDRAWAL, WITHDRAW_ASK, ASKED_AGAIN = "review_failed", "withdrawn", "withdraw_ask", "asked_again"
WORDS: dict[tuple[str, str], str] = {
    ("zh", REVERSAL): (
        "【{brand}】经复查通话录音，“{name}”的营销过程不符合规定，现已为您取消，{stops}，不收违约金。"
        "已收费用退回话费账户，无需您操作。谨致歉意。" + _ZH_END
    ),
    ("zh", WITHDRAWAL): (
        "【{brand}】已按您的要求退订“{name}”，{stops}{fee}。凭证号{receipt}。"
        "如非本人申请，请立即拨打{hotline}。" + _ZH_END
    ),
    ("zh", WITHDRAW_ASK): (
        "【{brand}】收到您的回复。拒绝营销已登记。如要停用“{name}”，请回复“退订{code}”{fee}；不回复则继续使用。"
        "回复免费。" + _ZH_END
    ),
    ("zh", ASKED_AGAIN): (
        "【{brand}】再次收到您停用“{name}”的要求，已转人工处理，进度可拨打{hotline}查询。凭证号{receipt}。" + _ZH_END
    ),
    ("en", REVERSAL): (
        "{brand}: on review of the recording, the sale of {name} broke our rules. It is cancelled {stops} without fee. "
        "What was charged goes back to your account; you need do nothing. We apologise. " + _EN_END
    ),
    ("en", WITHDRAWAL): (
        "{brand}: as you asked, {name} ends {stops}{fee}. Receipt {receipt}. If this was not you, call {hotline} at "
        "once. " + _EN_END
    ),
    ("en", ASKED_AGAIN): (
        "{brand}: you asked again to end {name}; a person now sees to it. Ask {hotline} how far it is. "
        "Receipt {receipt}. " + _EN_END
    ),
    ("en", WITHDRAW_ASK): (
        "{brand}: we have your reply; sales calls and SMS are stopped. To end {name} itself reply QUIT{code}{fee}. "
        "Without that it goes on. Replies are free. " + _EN_END
    ),
}  # fmt: skip
_STOPS = {"zh": ("{at}起失效", "已失效"), "en": ("from {at}", "now")}


def ended(about: Sequence[str]) -> str:
    """Return the notice of an ending. about: carrier, language, cause, name, when it stops, early fee, receipt."""
    carrier, language, cause, name, stops, fee, receipt = about
    dated, at_once = _STOPS[language]
    at = instant_of(stops, english=language == "en")
    told = dated.format(at=at) if at else at_once
    return _written(carrier, language, cause, name=name, stops=told, fee=fee, receipt=receipt)


def asked_again(about: Sequence[str]) -> tuple[str, ...]:
    """Return the contents of the answer to a repeated withdrawal that an operator must see to. about: the contents of
    the ending's notice
    """
    carrier, language, _, name, _, _, receipt = about
    return carrier, language, ASKED_AGAIN, name, "", "", receipt


def withdraw_ask(about: Sequence[str]) -> str:
    """Return the question whether the service itself shall end. about: carrier, language, code, name, early fee."""
    carrier, language, code, name, fee = about
    return _written(carrier, language, WITHDRAW_ASK, name=name, code=code, fee=fee)


def stops(says: Tariff, language: str) -> str:
    """Return when a cancelled plan stops, in the words of the question whether it shall end."""
    when = ENDS[language][says.unsubscribe.takes_effect]
    return f"it ends {when}" if language == ENGLISH else f"{when}失效"


def _written(carrier: str, language: str, key: str, **told: str) -> str:
    profile, english = CARRIERS[carrier], language == "en"
    told = {name: literal(value) for name, value in told.items()}
    told["fee"] = ("; " if english else "，") + told["fee"] if told["fee"] else ""
    if key == WITHDRAW_ASK and told["fee"] and not english:
        told["fee"] = "：" + told["fee"][1:]
    brand = profile.english if english else profile.name
    return WORDS[language, key].format(brand=brand, hotline=profile.hotline, official=profile.outbound, **told)
