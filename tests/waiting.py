"""Waiting for what must happen. The bound is a guard against a test that hangs, and no part of what any test shows."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

HANGS_S = 600
"""Seconds after which what was waited for will not come: far more than a starved machine needs for any one thing."""
PAUSE_S = 0.05
T = TypeVar("T")


def until(what: str, look: Callable[[], T]) -> T:
    """Look again and again until it is true; return what was seen. An address where nobody listens yet is not true.

    Raises AssertionError naming `what`.
    """
    last, pause = time.monotonic() + HANGS_S, threading.Event()
    while True:
        try:
            if seen := look():
                return seen
        except OSError:
            pass
        if time.monotonic() > last:
            raise AssertionError(f"{what}: not within {HANGS_S} s")
        pause.wait(PAUSE_S)
