"""Days as people count them: in the time zone of the business, China's where no other is set; and working days."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from msgspec import Struct

from consent_engine.domain.effects import Millis

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SATURDAY = 5
_MOST_DAYS = 4_000
"""The most days searched for a working day."""


class Days:
    """Days in one time zone: the day of every instant is asked of such an object. zone: of the business"""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        offset = zone.utcoffset(None)
        self._fixed = None if offset is None else _ms(offset)

    def of(self, at: Millis) -> str:
        """The day of an instant, `YYYY-MM-DD`.

        >>> CHINA.of(1754064000000), CHINA.of(1754063999999)
        ('2025-08-02', '2025-08-01')
        """
        return _named((at + self._ahead(at)) // DAY_MS)

    def begins(self, day: str) -> Millis:
        """The first instant of a day. Raises ValueError for a text that is no day.

        >>> CHINA.begins("2025-08-02")
        1754064000000
        """
        read = date.fromisoformat(day)
        if self._fixed is not None:
            return (read - _EPOCH.date()).days * DAY_MS - self._fixed
        return _ms(datetime(read.year, read.month, read.day, tzinfo=self.zone) - _EPOCH)

    def ends(self, day: str) -> Millis:
        """The last instant of a day. Raises ValueError for a text that is no day.

        >>> CHINA.ends("2025-08-01")
        1754063999999
        """
        return self.begins(later(day, 1)) - 1

    def same(self, one: Millis, other: Millis) -> bool:
        return (one + self._ahead(one)) // DAY_MS == (other + self._ahead(other)) // DAY_MS

    def at(self, at: Millis) -> datetime:
        """An instant in the time zone of the business."""
        return (_EPOCH + timedelta(milliseconds=at)).astimezone(self.zone)

    def instant(self, at: Millis, timespec: str = "milliseconds") -> str:
        """An instant as RFC 3339 text, in the time zone of the business.

        >>> CHINA.instant(1754013871000), CHINA.instant(1754013871000, "seconds")
        ('2025-08-01T10:04:31.000+08:00', '2025-08-01T10:04:31+08:00')
        """
        return self.at(at).isoformat(timespec=timespec)

    def _ahead(self, at: Millis) -> int:
        """How far the time zone is ahead of UTC at an instant (ms)."""
        return self._fixed if self._fixed is not None else _ms(self.at(at).utcoffset() or timedelta())


def _ms(span: timedelta) -> int:
    return span // _MS


_MS = timedelta(milliseconds=1)


CHINA = Days(timezone(timedelta(hours=8)))
GREENWICH = Days(UTC)


def millis(instant: datetime) -> Millis:
    """An aware instant in milliseconds since 1970."""
    return _ms(instant - _EPOCH)


def later(day: str, n: int) -> str:
    """The day that is `n` days after a day. Raises ValueError for a text that is no day.

    >>> later("2025-12-31", 1)
    '2026-01-01'
    """
    return (date.fromisoformat(day) + timedelta(days=n)).isoformat()


class Calendar(Struct, frozen=True):
    """The working days: Monday to Friday, with the exceptions listed here.

    off: day that is not worked -> name of the holiday · worked: days that are worked all the same · years: covered
    """

    off: Mapping[str, str] = {}
    worked: frozenset[str] = frozenset()
    years: frozenset[int] = frozenset()

    def is_worked(self, day: str) -> bool:
        """Whether a day is a working day. Raises ValueError for a text that is no day.

        >>> Calendar(worked=frozenset({"2025-09-28"})).is_worked("2025-09-28"), Calendar().is_worked("2025-09-27")
        (True, False)
        """
        if day in self.worked:
            return True
        return day not in self.off and date.fromisoformat(day).weekday() < _SATURDAY

    def after(self, day: str, n: int) -> str:
        """The n-th working day after a day, which is not counted itself. Raises ValueError for a text that is no day,
        and where no working day is found.

        >>> Calendar(off={"2025-08-04": "a holiday"}).after("2025-08-01", 1)
        '2025-08-05'
        """
        for _ in range(_MOST_DAYS):
            if n <= 0:
                return day
            day = later(day, 1)
            n -= self.is_worked(day)
        raise ValueError("a calendar without working days")

    def knows(self, day: str) -> bool:
        """Whether the calendar covers the year of a day."""
        return int(day[:4]) in self.years


@lru_cache(64)
def _named(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).strftime("%Y-%m-%d")
