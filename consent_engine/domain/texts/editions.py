"""The words of our SMS, by edition: an edition is one language at one time, and is never edited once released."""

from collections.abc import Mapping
from types import MappingProxyType

from consent_engine.domain.effects import Purpose
from consent_engine.domain.texts.released_words import (
    CHINESE,
    CHINESE_WITH_REGISTRATION,
    ENGLISH_WITH_REGISTRATION,
    HELD_LINE,
    HELPED,
    LATER_CHINESE,
    LATER_ENGLISH,
    OFFICIAL,
    STOPPED,
    WHICH_ONE,
)
from consent_engine.domain.texts.released_words import ENGLISH as ENGLISH_OF_FIELDS
from consent_engine.domain.texts.report_words import CHINESE as REPORTS_CHINESE
from consent_engine.domain.texts.report_words import ENGLISH as REPORTS_ENGLISH

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

# fmt: off
_ENGLISH: dict[str, str] = {
    Purpose.CONFIRMATION: (
        "[{{ brand }}] On the phone you agreed to {{ brand }} \"{{ name }}\". Please confirm; nothing is set up "
        "before. Price: {{ price }}. Applies to: {{ scenario }}. Valid: {{ validity }}. Restrictions: {{ "
        "restrictions }}. "
        "To unsubscribe: {{ unsubscribe }}. "
        "Reply \"{{ yes }}\" within {{ window }} to confirm; \"{{ no }}\", any other reply or none means no. "
        "Replies are free. Hotline {{ hotline }}. Nobody will ever ask you for a verification code."
    ),
    Purpose.REMINDER: (
        "[{{ brand }}] \"{{ name }}\" ({{ price }}), agreed on the phone, still waits for you and is not set up. "
        "Reply \"{{ yes }}\" to confirm, \"{{ no }}\" to decline; without a reply it lapses. Replies are free. "
        "Hotline {{ hotline }}. Nobody will ever ask you for a verification code."
    ),
    Purpose.CLARIFICATION: (
        "[{{ brand }}] We did not understand your reply; \"{{ name }}\" ({{ price }}) is not set up. "
        "Reply \"{{ yes }}\" to confirm, \"{{ no }}\" to decline; any other reply or none means no. Replies are free. "
        "Hotline {{ hotline }}. Nobody will ever ask you for a verification code."
    ),
    Purpose.HELP: (
        "[{{ brand }}] About \"{{ name }}\" ({{ price }}), ordered by phone: while it waits for you, reply "
        "\"{{ yes }}\" to confirm, \"{{ no }}\" to decline, \"TD\" for no more such calls and SMS; no reply "
        "means no. Replies are free. "
        "To unsubscribe: {{ unsubscribe }}. Hotline {{ hotline }}. Nobody will ever ask you for a verification code."
    ),
    Purpose.LATE: (
        "[{{ brand }}] \"{{ name }}\" no longer waits for a reply; this one changes nothing. "
        "{% if still_active %}What you confirmed before still holds."
        "{% else %}What you did not confirm is not set up and costs nothing.{% endif %} "
        "To unsubscribe: {{ unsubscribe }}. Hotline {{ hotline }}."
    ),
    Purpose.DECLINED: (
        "[{{ brand }}] We have your reply: \"{{ name }}\" is not set up and costs nothing. "
        "For no more such calls and SMS reply \"TD\", free of charge. Hotline {{ hotline }}."
    ),
    Purpose.OPTED_OUT: (
        "[{{ brand }}] We have your reply: no more sales calls or SMS from {{ brand }}. "
        "{% if still_active %}\"{{ name }}\", which you confirmed before, goes on; to unsubscribe: {{ unsubscribe }}."
        "{% else %}\"{{ name }}\" is not set up and costs nothing.{% endif %} Hotline {{ hotline }}."
    ),
    Purpose.CANCELLED: (
        "[{{ brand }}] Your order of \"{{ name }}\" was cancelled: it is not set up, costs nothing, and you need not "
        "reply. Hotline {{ hotline }}."
    ),
    Purpose.NOTIFICATION: (
        "[{{ brand }}] \"{{ name }}\", which you confirmed, is active"
        "{% if active_from %} from {{ active_from }}{% endif %}. Price: {{ price }}. To unsubscribe: {{ "
        "unsubscribe }}. "
        "Hotline {{ hotline }}. Nobody will ever ask you for a verification code."
    ),
    Purpose.FAILURE: (
        "[{{ brand }}] Sorry: \"{{ name }}\", which you confirmed, could not be set up. It costs nothing, and you "
        "need not reply. Hotline {{ hotline }}."
    ),
}
# fmt: on

# fmt: off
_OFFICIAL = "热线{{ hotline }}。营销来电只用{{ official }}，勿向任何人透露验证码。"
_ALIKE = (Purpose.OPTED_OUT, Purpose.HELD, Purpose.RESUMED)
"""Texts that editions 3 and 5 word alike, except for the last sentences."""
_THIRD: dict[str, str] = _FIRST | {each: CHINESE[each].removesuffix(OFFICIAL) + _OFFICIAL for each in _ALIKE} | {
    HELD_LINE: (
        "【{{ brand }}】已收到您的回复，现已停止向您拨打营销电话。"
        "我公司将于{{ deadline }}前人工核实，逾期即按您拒绝登记。您也可直接回复TD拒绝，回复免费。"
        "{% if hotline %}" + _OFFICIAL + "{% endif %}"
    ),
}
_EN_OFFICIAL = (
    "Hotline {{ hotline }}. We make sales calls from {{ official }} only. Never tell anyone a verification code."
)
_FOURTH: dict[str, str] = _ENGLISH | {
    Purpose.OPTED_OUT: (
        "[{{ brand }}] Your refusal is recorded. No more sales calls or sales SMS from us. "
        "{% if still_active %}{{ name }}, which you confirmed, goes on; to end it: {{ unsubscribe }}. "
        "{% else %}{{ name }} is not set up and costs nothing. {% endif %}" + _EN_OFFICIAL
    ),
    Purpose.HELD: (
        "[{{ brand }}] We have your reply{% if not doubtful %} and have stopped sales calls to you{% endif %}. "
        "{{ name }} is on hold and costs nothing. A person reads your reply by {{ deadline }}; after that it "
        "{% if doubtful %}is not set up. To decline now reply \"{{ no }}\", free. {% else %}"
        "counts as a refusal. To refuse now reply \"TD\", free. {% endif %}" + _EN_OFFICIAL
    ),
    Purpose.RESUMED: (
        "[{{ brand }}] We read your reply and did not record it as a refusal. {{ name }} ({{ price }}) is still not "
        "set up. To accept, reply \"{{ yes }}\" by {{ deadline }}; otherwise do nothing. "
        "No more sales calls: \"TD\". Replies are free. " + _EN_OFFICIAL
    ),
}
# fmt: on

_ALL = (
    _FIRST, _ENGLISH, _THIRD, _FOURTH, CHINESE, ENGLISH_OF_FIELDS, CHINESE_WITH_REGISTRATION, ENGLISH_WITH_REGISTRATION,
    LATER_CHINESE, LATER_ENGLISH, REPORTS_CHINESE, REPORTS_ENGLISH,
)  # fmt: skip
EDITIONS: Mapping[int, Mapping[str, str]] = MappingProxyType(
    {n: MappingProxyType(words) for n, words in enumerate(_ALL, 1)}
)
ENGLISH = frozenset({2, 4, 6, 8, 10, 12})
"""The editions in English; the others are in Chinese."""
LANGUAGES: Mapping[str, int] = MappingProxyType({"zh": 5, "en": 6})
"""The edition in which orders are asked, for plans that give money and time as data. Later ones say the same of an
order: so an older program can read a new order."""
OF_SENTENCES = 3
"""The edition in which a plan of the older shape is sold, in Chinese alone."""
OF_LINES: Mapping[str, int] = MappingProxyType({"zh": 7, "en": 8})
"""The edition of SMS that belong to no order, by language."""
CURRENT_EDITION = OF_LINES["zh"]
DATED = frozenset({*LANGUAGES.values(), *OF_LINES.values()})
"""The editions whose question names the instant of the call, which differs from order to order."""
