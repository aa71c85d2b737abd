"""Waiting for what must happen. The bound is a guard against a test that hangs, and no part of what any test shows."""

import time
from collections.abc import Callable
from typing import TypeVar

HANGS_S = 600
"""Seconds after which what was waited for will not come: far more than the slowest machine needs for any one thing."""
T = TypeVar("T")


def until(what: str, look: Callable[[], T]) -> T:
    """Look again and again until it is true; return what was seen. Raises AssertionError naming `what`."""
    last = time.monotonic() + HANGS_S
    while not (seen := look()):
        assert time.monotonic() < last, f"not within {HANGS_S} s: {what}"
        time.sleep(0.02)
    return seen
