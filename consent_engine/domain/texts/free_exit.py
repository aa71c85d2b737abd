"""Words about the time after an activation in which leaving costs no early fee, where policy has one."""

from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.tariff import Tariff
from consent_engine.domain.texts.editions import ENGLISH, LANGUAGES
from consent_engine.domain.texts.times import clock_of, lasting

WITHIN = {"zh": "在冷静期内，不收违约金", "en": "within the cooling-off period, so no early exit fee"}
"""Said of a withdrawal in that time, instead of what the plan says of leaving early."""


def has_early_fee(tariff: Tariff | None) -> bool:
    """Whether leaving a plan early costs something."""
    return tariff is not None and tariff.term.early_fee is not None


def told_first(early_fee: str, lasts: Millis, edition: int) -> str:
    """Return the notification's words on leaving early: first that it costs nothing for so long.

    >>> told_first("提前解约付违约金最高960元", 604_800_000, 5)
    '开通后7天内退订免违约金，其后提前解约付违约金最高960元'
    """
    long = lasting(lasts, edition)
    if edition in ENGLISH:
        return f"no early exit fee for {long} from activation, then {early_fee}"
    return f"开通后{long}内退订免违约金，其后{early_fee}"


def told_until(early_fee: str, ends: Millis, language: str) -> str:
    """Return the words on leaving early for the question whether the service shall end: until when it is free."""
    by = clock_of(ends // 60_000, LANGUAGES[language])
    return f"no early exit fee until {by}, then {early_fee}" if language == "en" else f"{by}前免违约金，其后{early_fee}"
