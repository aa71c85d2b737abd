"""The scribe of a worker process: brings changes to SQL, with or without RQ."""

import logging
import random
from collections.abc import Callable

from consent_engine.engine.limits import TICK_S
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.scribe import write_out
from consent_engine.ports import Store
from workers.ticking import Ticking

log = logging.getLogger(__name__)
MOST_PAUSE_S = 30.0
BATCHES = 20
"""Batches at a time: few, so that a stop is soon seen."""
FRESH = 0.8
"""For which part of a beat SQL counts as fresh."""


def is_due(store: Store, tick_s: float) -> bool:
    """Whether a beat is due: nothing was brought to SQL for about that long. Of many workers the first brings it, and
    the others leave it: a record is written once a beat, however many they are. Raises StoreUnavailable.
    """
    return not 0 < store.journal.waiting().lag_s < FRESH * tick_s


class Scribe(Ticking):
    """A thread that writes out, on a store of its own. Of several processes one reads a cell at a time.

    While the archive's database is unavailable the journal waits, and is read less and less often.
    """

    def __init__(self, make: Callable[[], Store], name: str, tick_s: float = TICK_S) -> None:
        super().__init__("scribe", LogOnChange(log, "the journal waits"), tick_s)
        self._make = make
        self._reader = name

    async def _ticks(self) -> None:
        store: Store | None = None
        while not self._ending.is_set():
            with self._round():
                store = store or self._make()
                if is_due(store, self._tick_s):
                    write_out(store, self._reader, BATCHES)
            pause = min(self._tick_s * 2 ** min(self._trouble.times, 10), max(MOST_PAUSE_S, self._tick_s))
            self._ending.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
