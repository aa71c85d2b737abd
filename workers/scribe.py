"""The scribe of a worker process, with or without RQ: brings changes to SQL, and publishes the log."""

import logging
import random
from collections.abc import Callable

from consent_engine.domain.effects import Millis
from consent_engine.engine.limits import TICK_S
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.publishing import Publisher
from consent_engine.engine.scribe import write_out
from consent_engine.engine.witnessing import Witnessing
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Store
from workers.ticking import Ticking

log = logging.getLogger(__name__)
MOST_PAUSE_S = 30.0
BATCHES = 20
"""Batches at a time: few, so that a stop is soon seen."""
FRESH = 0.8
"""For which part of a beat SQL counts as fresh."""
Published = tuple[Publisher, Witnessing, Callable[[], Millis]]
"""What publishes the log, what asks its witnesses, and their clock."""


def is_due(store: Store, tick_s: float) -> bool:
    """Whether a beat is due: nothing was brought to SQL for about that long. Of many workers the first brings it, and
    the others leave it: a record is written once a beat, however many they are. Raises StoreUnavailable.
    """
    return not 0 < store.journal.waiting().lag_s < FRESH * tick_s


class LogPublisher(Ticking):
    """A thread that publishes the log, and asks its witnesses, with connections of its own. Several processes may: each
    makes the same, and the one that signed a checkpoint asks the witnesses.
    """

    def __init__(self, make: Callable[[], Published], tick_s: float = TICK_S) -> None:
        super().__init__("log", LogOnChange(log, "the log is not published now"), tick_s)
        self._make = make

    async def _ticks(self) -> None:
        made: Published | None = None
        while not self._ending.is_set():
            with self._round():
                publisher, witnessing, clock = made = made or self._make()
                now = clock()
                await witnessing.ask(publisher.publish(now), now)
            self._ending.wait(self._tick_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter


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
                new = write_out(store, self._reader, BATCHES) if is_due(store, self._tick_s) else 0
                # Another reader may have had the cells: only SQL's being fresh shows that the archive is back.
                if self._trouble.times and not new and is_due(store, self._tick_s):
                    raise ArchiveUnavailable("SQL is still behind")
            pause = min(self._tick_s * 2 ** min(self._trouble.times, 10), max(MOST_PAUSE_S, self._tick_s))
            self._ending.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
