"""Threads of a worker process that do their rounds until stopped, even if one of them fails.

Two of them: the operator's command hears calls, and tariff pages are checked; each in one worker process at a time.
"""

import asyncio
import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consent_engine.adapters.tariff_pages import HttpTariffPages
from consent_engine.engine.engine import Engine
from consent_engine.engine.first_review import FirstReviews
from consent_engine.engine.limits import TICK_S
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.publication import Publication
from consent_engine.errors import ConsentError
from consent_engine.ports.review_command import ReviewCommand
from consent_engine.ports.tariff_pages import TariffPages

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
        """Log the error of the block, and go on behind it."""
        try:
            yield
        except ConsentError as error:
            self._trouble.met(error)
        except Exception as error:  # noqa: BLE001 - the edge: a thread that dies does nothing any more
            self._trouble.met(RuntimeError(type(error).__name__))  # the text of an error may quote a row
        else:
            self._trouble.over()


class FirstReviewer(Ticking):
    """A thread that reviews, a page a round, with its own clients."""

    def __init__(
        self, make: Callable[[], Engine], command: ReviewCommand, share: float, secret: str, name: str
    ) -> None:
        trouble = "CONSENT_REVIEW_COMMAND cannot hear calls now: reviewers hear them"
        super().__init__("reviews", LogOnChange(log, trouble), TICK_S)
        self._make = make
        self._more = command, share, secret, name

    async def _ticks(self) -> None:
        reviews: FirstReviews | None = None
        while not self._ending.is_set():
            heard = 0
            with self._round():
                reviews = reviews or FirstReviews(self._make(), *self._more)
                heard = await reviews.look()
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
            await asyncio.sleep(self._tick_s)  # checks under way go on meanwhile
        if publication is not None:
            await publication.close()

    def _looking(self) -> Publication:
        engine = self._make()
        addresses = engine.terms.addresses
        pages = self._pages or HttpTariffPages(addresses)
        return Publication(engine.registry, engine.catalogue, addresses, pages, self._worker)
