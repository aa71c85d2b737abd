"""The words of the answers to reports: editions 11 and 12, which add these texts and change none. Never edited once
released.
"""

from collections.abc import Mapping

from consent_engine.domain.effects import Purpose

RECEIVED, FORBIDDEN, ALLOWED, NOT_OURS = "report_received", "report_forbidden", "report_allowed", "report_not_ours"
PAID, CODE = "reward_paid", str(Purpose.CODE)
NAMES = {
    RECEIVED: ("report", "report_at", "due"),
    FORBIDDEN: ("report", "call_at", "caller", "reward"),
    ALLOWED: ("report", "call_at", "caller", "ground"),
    NOT_OURS: ("report", "caller", "forwarded"),
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
    """Return the name of a text and its language, from what `named` wrote."""
    return (kept.removesuffix(IN_ENGLISH), "en") if kept.endswith(IN_ENGLISH) else (kept, "zh")


# fmt: off
_OFFICIAL = "热线{{ hotline }}。营销来电只用{{ official }}，勿向任何人透露验证码。"
CHINESE: dict[str, str] = {
    RECEIVED: (
        "【{{ brand }}】您{{ report_at }}举报的营销来电已受理，编号{{ report }}。"
        "我公司将于{{ due }}前核查并以短信告知结果，无需您提供验证码。" + _OFFICIAL
    ),
    FORBIDDEN: (
        "【{{ brand }}】举报{{ report }}已核实：{{ call_at }}的{{ caller }}来电属我公司违规营销，"
        "已登记不再向您营销并追究责任。{{ reward }}。谨致歉意。" + _OFFICIAL
    ),
    ALLOWED: (
        "【{{ brand }}】举报{{ report }}已核查：{{ call_at }}的{{ caller }}来电为我公司拨打，{{ ground }}，未发现违规。"
        "已为您登记不再营销；如有异议，请拨打{{ hotline }}或12300申诉。" + _OFFICIAL
    ),
    NOT_OURS: (
        "【{{ brand }}】举报{{ report }}已核查：{{ caller }}不是我公司外呼号码，来电非我公司拨打，"
        "线索已转{{ forwarded }}处理。请勿通过该号码办理业务。" + _OFFICIAL
    ),
    PAID: (
        "【{{ brand }}】举报{{ report }}的奖励{{ reward_amount }}已到账，无需您操作或提供验证码。" + _OFFICIAL
    ),
    CODE: (
        "【{{ brand }}】验证码{{ otp }}，{{ minutes }}分钟内有效，仅供您本人在我公司举报页面填写。"
        "非本人操作请忽略。" + _OFFICIAL
    ),
}
_ENGLISH_OFFICIAL = (
    "Hotline {{ hotline }}. We make sales calls from {{ official }} only. Never tell anyone a verification code."
)
ENGLISH: dict[str, str] = {
    RECEIVED: (
        "{{ brand }}: your report of {{ report_at }} about a sales call is received, no. {{ report }}. "
        "We will tell you the result by SMS by {{ due }}. No code is needed from you. " + _ENGLISH_OFFICIAL
    ),
    FORBIDDEN: (
        "{{ brand }}: report {{ report }}: the call from {{ caller }} on {{ call_at }} was ours and broke the rules. "
        "You will get no more sales calls from us. {{ reward }}. We apologise. " + _ENGLISH_OFFICIAL
    ),
    ALLOWED: (
        "{{ brand }}: report {{ report }}: the call from {{ caller }} on {{ call_at }} was ours; {{ ground }}; "
        "no breach was found. You will get no more sales calls from us. If you disagree call {{ hotline }} or 12300. "
        + _ENGLISH_OFFICIAL
    ),
    NOT_OURS: (
        "{{ brand }}: report {{ report }}: {{ caller }} is not our sales number and the call was not ours. "
        "Passed on to {{ forwarded }}. Do not order anything through that number. " + _ENGLISH_OFFICIAL
    ),
    PAID: (
        "{{ brand }}: the reward for report {{ report }}, {{ reward_amount }}, is in your account. You need do "
        "nothing. "
        + _ENGLISH_OFFICIAL
    ),
    CODE: (
        "{{ brand }}: verification code {{ otp }}, valid {{ minutes }} minutes, only for you to type into our report "
        "page. Not you? Ignore this. " + _ENGLISH_OFFICIAL
    ),
}
# fmt: on

GROUND = {"zh": "拨打时您的号码未登记拒绝营销", "en": "your number had no refusal when it was called"}
"""The reason why a call of ours was allowed."""
NO_REWARD = {"zh": "本次举报不设奖励", "en": "There is no reward for this report"}
REWARD_OPEN = {"zh": "本次举报的奖励正在核定", "en": "Its reward is being decided"}
REWARD_GRANTED = {
    "zh": "本次举报奖励{}元，到账后另行短信告知",
    "en": "Your reward is CNY {}; an SMS follows when it is in your account",
}
AMOUNT = {"zh": "{}元", "en": "CNY {}"}
EXAMPLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "zh": {
        RECEIVED: ("7K3M9Q2P", "12月31日16:00", "12月31日"),
        FORBIDDEN: ("7K3M9Q2P", "12月31日10:00", "10085", REWARD_GRANTED["zh"].format("200.00")),
        ALLOWED: ("7K3M9Q2P", "12月31日10:00", "10085", GROUND["zh"]),
        NOT_OURS: ("7K3M9Q2P", "+8613800138000", "12321"),
        PAID: ("7K3M9Q2P", AMOUNT["zh"].format("200.00")),
        CODE: ("482913", "10"),
    },
    "en": {
        RECEIVED: ("7K3M9Q2P", "31 Dec 16:00", "31 Dec"),
        FORBIDDEN: ("7K3M9Q2P", "31 Dec 10:00", "10085", REWARD_GRANTED["en"].format("200.00")),
        ALLOWED: ("7K3M9Q2P", "31 Dec 10:00", "10085", GROUND["en"]),
        NOT_OURS: ("7K3M9Q2P", "+8613800138000", "12321"),
        PAID: ("7K3M9Q2P", AMOUNT["en"].format("200.00")),
        CODE: ("482913", "10"),
    },
}  # fmt: skip
"""Each text filled with values as long as they get, except for numbers that nobody shows: for readers to judge."""
