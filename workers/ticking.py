"""Threads of a worker process that do their rounds until stopped, even if one of them fails.

Three of them are each in one worker process at a time: the operator's command hears calls, tariff pages are checked,
and events are posted to feeds.
"""

import asyncio
import logging
import random
import threading
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.address import Addresses
from consent_engine.engine.engine import Engine
from consent_engine.engine.feeding import Feeding
from consent_engine.engine.first_review import FirstReviews
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.publication import Publication
from consent_engine.engine.publishing import Publisher
from consent_engine.engine.scribe import write_out
from consent_engine.engine.slice import TICK_S
from consent_engine.engine.witnessing import Witnessing
from consent_engine.errors import ConsentError
from consent_engine.ports import Store
from consent_engine.ports.outside import Missed, TariffPage, TariffPages

log = logging.getLogger(__name__)
Made = TypeVar("Made")


class Ticking(threading.Thread, Generic[Made]):
    """A thread that does its round again and again, with an event loop of its own: an error is logged, and ends no more
    than its round. words: the work that cannot be done now · make: makes what it works with, in this thread
    """

    def __init__(self, name: str, words: str, make: Callable[[], Made], tick_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._trouble = LogOnChange(log, words)
        self._make = make
        self._tick_s = tick_s
        self._is_to_end = False
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """End after the round that is under way. `join` waits for it; a process that does not loses nothing."""
        self._is_to_end = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._ending.set)

    def run(self) -> None:
        asyncio.run(self._rounds())

    async def _rounds(self) -> None:
        self._loop, made = asyncio.get_running_loop(), None
        while not self._is_to_end:
            more = False
            try:
                made = self._make() if made is None else made
                more = await self._round(made)
            except ConsentError as error:
                self._trouble.met(error)
            except Exception as error:  # noqa: BLE001 - the edge: a thread that dies does nothing any more
                self._trouble.met(RuntimeError(type(error).__name__))  # the text of an error may quote a row
            if not more:  # what a round has begun goes on meanwhile
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), self._pause_s() * random.uniform(0.8, 1.2))  # noqa: S311
        if made is not None:
            await self._end(made)

    @abstractmethod
    async def _round(self, made: Made) -> bool:
        """Do a round; return whether there is more to do at once. Trouble is over where the round says so: not every
        one without an error shows it, as where another process had its turn.
        """

    def _pause_s(self) -> float:
        return self._tick_s

    async def _end(self, made: Made) -> None:
        """Close what is not closed by itself."""


class FirstReviewer(Ticking[FirstReviews]):
    """A thread that reviews, a page a round."""

    def __init__(self, make: Callable[[], FirstReviews], tick_s: float = TICK_S) -> None:
        super().__init__("reviews", "CONSENT_REVIEW_COMMAND cannot hear calls now: reviewers hear them", make, tick_s)

    async def _round(self, made: FirstReviews) -> bool:
        heard = await made.look()
        if heard:
            self._trouble.over()
        return heard > 0


class TariffWatch(Ticking[Publication]):
    """A thread that checks. A round is bounded."""

    def __init__(
        self, make: Callable[[], Engine], name: str, tick_s: float = TICK_S, pages: TariffPages | None = None
    ) -> None:
        super().__init__("tariffs", "tariff pages cannot be checked now", partial(_looking, make, name, pages), tick_s)

    async def _round(self, made: Publication) -> bool:
        made.begin()
        await made.ended(self._tick_s)
        self._trouble.over()
        return False

    async def _end(self, made: Publication) -> None:
        await made.close()


def _looking(make: Callable[[], Engine], name: str, pages: TariffPages | None) -> Publication:
    engine = make()
    addresses = engine.terms.addresses
    return Publication(engine.registry, engine.catalogue, addresses, pages or _Pages(addresses), name)


class _Pages(TariffPages):
    """Pages over HTTP. The client is loaded for the first: that is a tenth of a worker's start, and many fetch none."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    async def fetch(self, url: str) -> TariffPage | Missed:
        from consent_engine.adapters.tariff_pages import HttpTariffPages  # noqa: PLC0415 - see above

        return await HttpTariffPages(self._addresses).fetch(url)


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


class LogPublisher(Ticking[Published]):
    """A thread that publishes the log, and asks its witnesses. Several processes may: each makes the same, and the one
    that signed a checkpoint asks the witnesses.
    """

    def __init__(self, make: Callable[[], Published], tick_s: float = TICK_S) -> None:
        super().__init__("log", "the log is not published now", make, tick_s)

    async def _round(self, made: Published) -> bool:
        publisher, witnessing, clock = made
        now = clock()
        await witnessing.ask(publisher.publish(now), now)
        self._trouble.over()
        return False


class Feeder(Ticking[Feeding]):
    """A thread that posts to feeds. Of several processes one does."""

    def __init__(self, make: Callable[[], Feeding], tick_s: float = TICK_S) -> None:
        super().__init__("feeds", "feeds get nothing now", make, tick_s)

    async def _round(self, made: Feeding) -> bool:
        more = await made.look(self._tick_s)
        self._trouble.over()
        return more


class Scribe(Ticking[Store]):
    """A thread that writes out. Of several processes one reads a cell at a time.

    While the archive's database is unavailable the journal waits, and is read less and less often.
    """

    def __init__(self, make: Callable[[], Store], name: str, tick_s: float = TICK_S) -> None:
        super().__init__("scribe", "the journal waits", make, tick_s)
        self._reader = name

    async def _round(self, made: Store) -> bool:
        new = write_out(made, self._reader, BATCHES) if is_due(made, self._tick_s) else 0
        # Another reader may have had the cells: that SQL is fresh shows that the archive is back.
        if self._trouble.times and (new or made.journal.waiting().lag_s < FRESH * self._tick_s):
            self._trouble.over()
        return False

    def _pause_s(self) -> float:
        return min(self._tick_s * 2.0 ** min(self._trouble.times, 10), max(MOST_PAUSE_S, self._tick_s))
