"""The circuit breaker: after a failure the archive is not asked for a while, then by one caller until it answers."""

import threading
from collections.abc import Callable
from time import monotonic

DOWN_S, MOST_DOWN_S = 5.0, 30.0
"""How long the archive is not asked, at first and at most: callers must not wait for it again and again."""


class Pause:
    """Whether the archive may be asked now, for all threads. watch: seconds by a clock that never jumps."""

    def __init__(self, watch: Callable[[], float] = monotonic) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._lasts = 0.0
        self._again_at = 0.0

    def may_ask(self) -> bool:
        """Whether the caller may ask; the first one after a pause is the only one until the next, longer pause ends."""
        if not self._lasts:
            return True
        with self._lock:
            if self._watch() < self._again_at:
                return False
            self._lasts = min(2 * self._lasts, MOST_DOWN_S)
            self._again_at = self._watch() + self._lasts
        return True

    def failed(self) -> None:
        with self._lock:
            self._lasts = self._lasts or DOWN_S
            self._again_at = self._watch() + self._lasts

    def answered(self) -> None:
        self._lasts = 0.0
