"""Lasting trouble as two log lines: one when it begins, one when it is over."""

import logging
from time import monotonic


class LogOnChange:
    """A kind of trouble, met any number of `times` in a row. words: the work that cannot be done now."""

    def __init__(self, log: logging.Logger, words: str) -> None:
        self._log = log
        self._words = words
        self.times = 0
        self._since = 0.0

    def met(self, error: Exception) -> None:
        """Note the trouble; only the first time is logged. The error is the engine's own, and names no person."""
        self.times += 1
        if self.times == 1:
            self._since = monotonic()
            self._log.error("%s: %s; said again when it is over", self._words, error)

    def over(self) -> None:
        """Note that there is no trouble; its end is logged if there was any."""
        if self.times:
            self._log.warning("%s: over after %.0f s, met %d times", self._words, monotonic() - self._since, self.times)
        self.times = 0
