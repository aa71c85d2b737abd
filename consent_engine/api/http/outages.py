"""Periods of 503 answers: one log line when they begin and one when they are over, not a line for each answer."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic

QUIET_S = 15.0
"""An outage is over after this long without a 503: while some callers are answered, others may not be yet."""


class _Outage:
    """The times of the first and the last 503 of an outage, and their count."""

    __slots__ = ("last", "since", "times")

    def __init__(self, now: float) -> None:
        self.since = self.last = now
        self.times = 0


class Outages:
    """The outages of one process, by cause: an error's code, or the route of a page that answers 503 by itself, so that
    there are few. Callers repeat themselves, and ten thousand lines would say no more than the first. For use on the
    event loop only: nothing is locked.
    """

    def __init__(self, log: logging.Logger, watch: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._watch = watch
        self._now: dict[str, _Outage] = {}

    def level(self, status: int, cause: str) -> int:
        """Return the log level of an answer: 500 and above is an error, but 503 a warning, since the client may send
        the same request again, and only the first of an outage. The end of an outage is logged here, at the first
        answer other than 503 after QUIET_S: a process that answers nothing more logs nothing.
        """
        if status != HTTPStatus.SERVICE_UNAVAILABLE:
            if self._now:
                self._say_over()
            return logging.INFO if status < HTTPStatus.INTERNAL_SERVER_ERROR else logging.ERROR
        now = self._watch()
        found = self._now.setdefault(cause, _Outage(now))
        found.last = now
        found.times += 1
        return logging.WARNING if found.times == 1 else logging.DEBUG

    def _say_over(self) -> None:
        now = self._watch()
        for cause, found in [each for each in self._now.items() if now - each[1].last >= QUIET_S]:
            del self._now[cause]
            template = "503 %s: none for %.0f s, after %d of them within %.0f s"
            about = {"status": int(HTTPStatus.SERVICE_UNAVAILABLE), "cause": cause, "answers": found.times}
            lasted = found.last - found.since
            self._log.warning(template, cause, now - found.last, found.times, lasted, extra={"about": about})
