"""Waiting for what must happen. The bound is a guard against a test that hangs, and no part of what any test shows."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

HANGS_S = int(os.environ.get("TESTS_HANGS_S", "600"))
"""Seconds after which a program will not end: far more than a starved machine needs for any one of them."""
PAUSE_S = 0.05
T = TypeVar("T")


@dataclass
class Patience:
    """The bound of the wait for one event, in this process."""

    seconds: float = 180
    """More than a starved machine needs: where it is over, the event does not come."""

    def wanes(self) -> None:
        """Wait for less time from now on. A test has failed, and the rest of what is broken fails as well: a run that
        waited for all of it would end long after a green one, if ever, and say why even later.
        """
        self.seconds = 20


PATIENCE = Patience()


def until(what: str, look: Callable[[], T]) -> T:
    """Look again and again until it is true; return what was seen. An address where nobody listens yet is not true.

    Raises AssertionError naming `what`.
    """
    last, pause = time.monotonic() + PATIENCE.seconds, threading.Event()
    while True:
        try:
            if seen := look():
                return seen
        except OSError:
            pass
        if time.monotonic() > last:
            raise AssertionError(f"{what}: not within {PATIENCE.seconds} s")
        pause.wait(PAUSE_S)
