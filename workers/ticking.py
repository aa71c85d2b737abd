"""Threads of a worker process that do their rounds until stopped, even if one of them fails.

Three of them are each in one worker process at a time: the operator's command hears calls, tariff pages are checked,
and events are posted to feeds.
"""

import asyncio
import logging
import random
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
from consent_engine.ports.outside import Missed, ReviewCommand, TariffPage, TariffPages

log = logging.getLogger(__name__)


class Ticking(threading.Thread):
    """A thread with its own event loop. trouble: logs errors, which never end the thread"""

    def __init__(self, name: str, trouble: LogOnChange, tick_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._trouble = trouble
        self._tick_s = tick_s
        self._ending = threading.Event()

    def stop(self) -> None:
        """End after the round that is under way. `join` waits for it; a process that does not loses nothing."""
        self._ending.set()

    def run(self) -> None:
        """Run the thread."""
        asyncio.run(self._ticks())

    @abstractmethod
    async def _ticks(self) -> None:
        """Do the rounds, each in a `_round`, until `_ending` is set."""

    @contextmanager
    def _round(self) -> Iterator[None]:
        """Log the error of the block, and go on behind it. Trouble is over where the block says so: not every
        round without an error shows it, as where another process had its turn.
        """
        try:
            yield
        except ConsentError as error:
            self._trouble.met(error)
        except Exception as error:  # noqa: BLE001 - the edge: a thread that dies does nothing any more
            self._trouble.met(RuntimeError(type(error).__name__))  # the text of an error may quote a row


class FirstReviewer(Ticking):
    """A thread that reviews, a page a round, with its own clients."""

    def __init__(
        self, make: Callable[[], Engine], command: ReviewCommand, share: float, secret: str, name: str,
        tick_s: float = TICK_S,
    ) -> None:  # fmt: skip
        trouble = "CONSENT_REVIEW_COMMAND cannot hear calls now: reviewers hear them"
        super().__init__("reviews", LogOnChange(log, trouble), tick_s)
        self._make = make
        self._more = command, share, secret, name

    async def _ticks(self) -> None:
        reviews: FirstReviews | None = None
        while not self._ending.is_set():
            heard = 0
            with self._round():
                reviews = reviews or FirstReviews(self._make(), *self._more)
                if heard := await reviews.look():
                    self._trouble.over()
            if not heard:
                self._ending.wait(self._tick_s)


class TariffWatch(Ticking):
    """A thread that checks, with its own clients. A round is bounded."""

    def __init__(
        self, make: Callable[[], Engine], name: str, tick_s: float = TICK_S, pages: TariffPages | None = None
    ) -> None:
        super().__init__("tariffs", LogOnChange(log, "tariff pages cannot be checked now"), tick_s)
        self._make = make
        self._worker = name
        self._pages = pages

    async def _ticks(self) -> None:
        publication: Publication | None = None
        while not self._ending.is_set():
            with self._round():
                publication = publication or self._looking()
                publication.begin()
                await publication.ended(self._tick_s)
                self._trouble.over()
            await asyncio.sleep(self._tick_s)  # checks under way go on meanwhile
        if publication is not None:
            await publication.close()

    def _looking(self) -> Publication:
        engine = self._make()
        addresses = engine.terms.addresses
        pages = self._pages or _Pages(addresses)
        return Publication(engine.registry, engine.catalogue, addresses, pages, self._worker)


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
                self._trouble.over()
            self._ending.wait(self._tick_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter


class Feeder(Ticking):
    """A thread that posts to feeds, with clients of its own. Of several processes one does."""

    def __init__(self, make: Callable[[], Feeding], tick_s: float = TICK_S) -> None:
        super().__init__("feeds", LogOnChange(log, "feeds get nothing now"), tick_s)
        self._make = make

    async def _ticks(self) -> None:
        feeding: Feeding | None = None
        while not self._ending.is_set():
            more = False
            with self._round():
                feeding = feeding or self._make()
                more = await feeding.look(self._tick_s)
                self._trouble.over()
            if not more:
                await asyncio.sleep(self._tick_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter


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
                # Another reader may have had the cells: that SQL is fresh shows that the archive is back.
                if self._trouble.times and (new or store.journal.waiting().lag_s < FRESH * self._tick_s):
                    self._trouble.over()
            pause = min(self._tick_s * 2 ** min(self._trouble.times, 10), max(MOST_PAUSE_S, self._tick_s))
            self._ending.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
