"""Days as people count them: in the time zone of the business, which is China's."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from consent_engine.domain.effects import Millis

AHEAD_MS = 8 * 3_600_000
"""So far the business's clocks are ahead of UTC, all year."""
DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(at: Millis) -> str:
    """The day of an instant, `YYYY-MM-DD`.

    >>> day_of(1754064000000), day_of(1754063999999)
    ('2025-08-02', '2025-08-01')
    """
    return _named((at + AHEAD_MS) // DAY_MS)


@lru_cache(64)
def _named(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).strftime("%Y-%m-%d")


def begins(day: str) -> Millis:
    """The first instant of a day. Raises ValueError for what is none.

    >>> begins("2025-08-02")
    1754064000000
    """
    return (date.fromisoformat(day) - _EPOCH.date()).days * DAY_MS - AHEAD_MS


def same_day(one: Millis, other: Millis) -> bool:
    """Whether two instants lie in one day."""
    return (one + AHEAD_MS) // DAY_MS == (other + AHEAD_MS) // DAY_MS
