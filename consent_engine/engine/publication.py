"""Publication: pages that are not our own are looked at, and whether each shows its plan is kept for the door."""

import asyncio
import hashlib
from collections.abc import Iterator
from urllib.parse import urljoin

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.address import Addresses, Kind
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.seen import Found, Seen, after
from consent_engine.domain.offer.versions import Standing
from consent_engine.domain.texts.page import HASH, lacking, read
from consent_engine.engine.catalogue import Catalogue
from consent_engine.ports import Plans
from consent_engine.ports.tariff_pages import Missed, TariffPages

TURN = "publication"
TURN_MS = 30_000
"""For how long nobody else looks, once a process did."""
AT_ONCE, MOST = 32, 128
"""Pages at a time, and in one go: those first that have waited longest."""
_LOOKED_AT = frozenset({Standing.ON_SALE, Standing.WAITING})


class Place(Struct, frozen=True):
    """One address of one version. n: its place in the plan"""

    plan: Plan
    n: int
    url: str

    @property
    def name(self) -> tuple[str, int, int]:
        """What it is known by."""
        return self.plan.code, self.plan.version, self.n


class Publication:
    """Looks at what is due. Of several processes one looks at a time."""

    def __init__(
        self, registry: Plans, catalogue: Catalogue, addresses: Addresses, pages: TariffPages, holder: str
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._addresses = addresses
        self._pages = pages
        self._holder = holder
        self._last: dict[tuple[str, int, int], Seen] = {}

    async def look(self) -> int:
        """Look at every page that is due, and keep what was seen; how many were. Raises StoreUnavailable."""
        now = self._registry_now()
        places = list(self._places())
        self._last = {each.name: seen for each, seen in places}
        due = sorted((each for each in places if each[1].due <= now), key=lambda each: each[1].due)[:MOST]
        # Renewed with nothing due, too: what another process knows of the last look may be old.
        if not places or not self._registry.take_turn(TURN, self._holder, TURN_MS) or not due:
            return 0
        free = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._at(place, seen, free) for place, seen in due))
        return len(due)

    def _places(self) -> Iterator[tuple[Place, Seen]]:
        """The addresses that can be asked, of versions that are or will be on sale, with what is known of each."""
        for listed in self._catalogue.fresh().values():
            for version in listed.versions:
                if version.seen and listed.standing(version.number) in _LOOKED_AT:
                    for n, kept in version.seen.items():
                        published = version.plan.published[n]
                        if self._addresses.kind(published) is Kind.FETCHED and not kept.by:
                            place = Place(version.plan, n, self._addresses.fetched(published))
                            yield place, max(kept, self._last.get(place.name, kept), key=lambda seen: seen.at)

    async def _at(self, place: Place, before: Seen, free: asyncio.Semaphore) -> None:
        async with free:
            found = await self._found(place.plan, place.url)
        seen = after(before, found, self._registry_now())
        code, version, n = place.name
        told = seen.public != before.public or seen.why != before.why or not before.at
        self._registry.note_seen(code, version, n, seen, told=told)
        self._last[place.name] = seen

    def _registry_now(self) -> Millis:
        return self._registry.catalogue_mark()[1]

    async def _found(self, plan: Plan, url: str) -> Found:
        """What a page shows; of one in words of its own, what the JSON beside it says."""
        taken = await self._pages.take(url)
        if isinstance(taken, Missed):
            return Found(taken.why, surely=taken.surely)
        page, seen = read(taken.content_type, taken.body), hashlib.sha256(taken.body).hexdigest()
        lacks = lacking(plan, page)
        if lacks and HASH not in lacks and page.beside:
            taken = await self._pages.take(urljoin(url, page.beside))
            if isinstance(taken, Missed):
                return Found(f"its JSON: {taken.why}", seen, surely=taken.surely)
            lacks = lacking(plan, read(taken.content_type, taken.body))
        return Found(f"lacks {', '.join(lacks)}" if lacks else "", seen)
