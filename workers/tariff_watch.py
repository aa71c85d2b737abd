"""The check of tariff pages: a thread that fetches those that are due; of all worker processes one at a time."""

import asyncio
import logging
import threading
from collections.abc import Callable

from consent_engine.adapters.tariff_pages import HttpTariffPages
from consent_engine.engine.engine import Engine
from consent_engine.engine.lasting_trouble import LastingTrouble
from consent_engine.engine.limits import TICK_S
from consent_engine.engine.publication import Publication
from consent_engine.errors import ConsentError
from consent_engine.ports.tariff_pages import TariffPages

log = logging.getLogger(__name__)


class TariffWatch(threading.Thread):
    """A thread that checks until stopped, with its own event loop and clients. Trouble is logged; none ends it."""

    def __init__(
        self, make: Callable[[], Engine], name: str, tick_s: float = TICK_S, pages: TariffPages | None = None
    ) -> None:
        super().__init__(name="tariffs", daemon=True)
        self._make = make
        self._worker = name
        self._tick_s = tick_s
        self._pages = pages
        self._ending = threading.Event()

    def stop(self) -> None:
        """End after the round that is under way, which is bounded. `join` waits for it."""
        self._ending.set()

    def run(self) -> None:
        """Run the thread."""
        asyncio.run(self._ticks())

    async def _ticks(self) -> None:
        publication: Publication | None = None
        trouble = LastingTrouble(log, "tariff pages cannot be checked now")
        while not self._ending.is_set():
            try:
                publication = publication or self._looking()
                publication.begin()
                await publication.ended(self._tick_s)
            except ConsentError as error:
                trouble.met(error)
            except Exception as error:  # noqa: BLE001 - the edge: a dead thread leaves every verdict as it is
                trouble.met(RuntimeError(type(error).__name__))
            else:
                trouble.over()
            await asyncio.sleep(self._tick_s)  # checks under way go on meanwhile
        if publication is not None:
            await publication.close()

    def _looking(self) -> Publication:
        engine = self._make()
        addresses = engine.terms.addresses
        pages = self._pages or HttpTariffPages(addresses)
        return Publication(engine.registry, engine.catalogue, addresses, pages, self._worker)
