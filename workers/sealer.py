"""The sealer of a worker process: brings the journals' entries into the log, whether RQ is there or not."""

import logging
import random
import threading
from collections.abc import Callable

from consent_engine.engine.lasting_trouble import LastingTrouble
from consent_engine.engine.limits import TICK_S
from consent_engine.engine.sealing import seal
from consent_engine.errors import ConsentError
from consent_engine.ports import Store

log = logging.getLogger(__name__)
MOST_PAUSE_S = 30.0
BATCHES = 20
"""Batches at a time: few, so that a stop is soon seen."""


class Sealer(threading.Thread):
    """A thread that seals until stopped, on a store of its own. Of several processes one reads a cell at a time.

    While the archive's database is unavailable the journal waits, and is read less and less often.
    """

    def __init__(self, make: Callable[[], Store], name: str, tick_s: float = TICK_S) -> None:
        super().__init__(name="sealer", daemon=True)
        self._make = make
        self._reader = name
        self._tick_s = tick_s
        self._ending = threading.Event()
        self.troubles = 0
        """failures in a row"""

    def stop(self) -> None:
        """End after the work that is under way. `join` waits for it."""
        self._ending.set()

    def run(self) -> None:
        """Run the thread."""
        store: Store | None = None
        trouble = LastingTrouble(log, "the journal waits")
        while not self._ending.is_set():
            try:
                store = store or self._make()
                seal(store, self._reader, BATCHES)
            except ConsentError as error:
                self.troubles += 1
                trouble.met(error)
            except Exception as error:  # noqa: BLE001 - the edge: a sealer that dies seals nothing
                self.troubles += 1
                trouble.met(RuntimeError(type(error).__name__))  # its text may quote a row
            else:
                trouble.over()
                self.troubles = 0
            pause = min(self._tick_s * 2 ** min(self.troubles, 10), max(MOST_PAUSE_S, self._tick_s))
            self._ending.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
