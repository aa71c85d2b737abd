"""The values in the answers to reports, and the names under which a line's effect keeps such a text."""

from collections.abc import Mapping

from consent_engine.domain.texts.words import ALLOWED, CODE, FORBIDDEN, NOT_OURS, PAID, RECEIVED, SPOOFED

NAMES = {
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
EXAMPLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "zh": {
        RECEIVED: ("7K3M9Q2P", "12月31日16:00", "12月31日24时"),
        FORBIDDEN: ("7K3M9Q2P", "12月31日10:00", "10085", REWARD_GRANTED["zh"].format("200")),
        ALLOWED: ("7K3M9Q2P", "12月31日10:00", "10085", GROUND["zh"]),
        NOT_OURS: ("7K3M9Q2P", "+8613800138000", "12321"),
        SPOOFED: ("7K3M9Q2P", "12月31日10:00", "10085", "12321"),
        PAID: ("7K3M9Q2P", AMOUNT["zh"].format("200")),
        CODE: ("482913", "10"),
    },
    "en": {
        RECEIVED: ("7K3M9Q2P", "31 Dec 16:00", "31 Dec"),
        FORBIDDEN: ("7K3M9Q2P", "31 Dec 10:00", "10085", REWARD_GRANTED["en"].format("200")),
        ALLOWED: ("7K3M9Q2P", "31 Dec 10:00", "10085", GROUND["en"]),
        NOT_OURS: ("7K3M9Q2P", "+8613800138000", "12321"),
        SPOOFED: ("7K3M9Q2P", "31 Dec 10:00", "10085", "12321"),
        PAID: ("7K3M9Q2P", AMOUNT["en"].format("200")),
        CODE: ("482913", "10"),
    },
}  # fmt: skip
"""Each text filled with values as long as they get, except for numbers that are never shown: for readers to judge."""
