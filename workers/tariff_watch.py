"""The check of tariff pages: a thread that fetches those that are due; of all worker processes one at a time."""

import asyncio
import logging
from collections.abc import Callable

from consent_engine.adapters.tariff_pages import HttpTariffPages
from consent_engine.engine.engine import Engine
from consent_engine.engine.lasting_trouble import LastingTrouble
from consent_engine.engine.limits import TICK_S
from consent_engine.engine.publication import Publication
from consent_engine.ports.tariff_pages import TariffPages
from workers.ticking import Ticking

log = logging.getLogger(__name__)


class TariffWatch(Ticking):
    """A thread that checks, with its own clients. A round is bounded."""

    def __init__(
        self, make: Callable[[], Engine], name: str, tick_s: float = TICK_S, pages: TariffPages | None = None
    ) -> None:
        super().__init__("tariffs", LastingTrouble(log, "tariff pages cannot be checked now"), tick_s)
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
