"""Instants and durations as people read them, and a plan's words on one line."""

import re
from datetime import date, datetime
from functools import lru_cache

from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.texts.words import CHINESE, ENGLISH

# Ends of lines and paragraphs, controls, and marks that change the writing direction: none may forge a second message.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSEEN = re.compile(f"[{_CONTROLS}][{_CONTROLS} ]*")
_MAX_ACTIVE_FROM = 40
_UNITS = ((24 * 3600, "天"), (3600, "小时"), (60, "分钟"), (1, "秒"))
_ENGLISH_UNITS = {"天": "day", "小时": "hour", "分钟": "minute", "秒": "second"}
_HOURS_UP_TO = 48 * 3600
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=4096)
def literal(text: str) -> str:
    """Return a plan's words on one line, otherwise as they are."""
    return _UNSEEN.sub(" ", text).strip()


def lasting(milliseconds: int, language: str = CHINESE) -> str:
    """Return how long the subscriber has, in the largest unit that says it exactly; never longer than it is.

    >>> lasting(86_400_000), lasting(90_000), lasting(7_200_000), lasting(259_200_000)
    ('24小时', '90秒', '2小时', '3天')
    """
    seconds = milliseconds // 1000
    # Up to two days, people count in hours.
    units = _UNITS if seconds > _HOURS_UP_TO else _UNITS[1:]
    size, unit = next((size, unit) for size, unit in units if seconds % size == 0)
    if language != ENGLISH:
        return f"{seconds // size}{unit}"
    count, word = seconds // size, _ENGLISH_UNITS[unit]
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


@lru_cache(maxsize=1024)  # texts of one time name few minutes
def clock_of(minute: int, language: str, days: Days = CHINA) -> str:
    """Return an instant, in minutes since 1970, by the clock of the business, without the year.

    >>> clock_of(29_400_000, "zh"), clock_of(29_400_001, "zh"), clock_of(29_400_000, "en")
    ('11月25日0时', '11月25日00:01', '25 Nov 00:00')
    """
    at = days.at(minute * 60_000)
    if language == ENGLISH:
        return f"{day_of(at, language)} {at:%H:%M}"
    return day_of(at, language) + (f"{at:%H:%M}" if at.hour or at.minute else "0时")


def day_of(at: date, language: str) -> str:
    """Return a day as people say it."""
    return f"{at.day} {MONTHS[at.month - 1]}" if language == ENGLISH else f"{at.month}月{at.day}日"


def by_end_of(at: date, language: str) -> str:
    """Return a day as the last one of a period, before which something is done: 前 alone might exclude it."""
    return day_of(at, language) + ("" if language == ENGLISH else "24时")


def beginning(active_from: str, language: str) -> str:
    """Return when a service begins, by the clock in China; other words as they are, unless they hold a link."""
    instant = instant_from(active_from)
    if instant is not None:
        return clock_of(instant // 60_000, language)
    words = literal(active_from)[:_MAX_ACTIVE_FROM]
    return "" if "://" in words or "www." in words.lower() or (language == ENGLISH and not words.isascii()) else words


def instant_from(text: str) -> Millis | None:
    """Return an instant that the BSS gave, one without an offset by the clock in China; None for anything else."""
    try:
        instant = datetime.fromisoformat(text)
        instant = instant.astimezone(CHINA.zone) if instant.tzinfo else instant.replace(tzinfo=CHINA.zone)
        return int(instant.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
