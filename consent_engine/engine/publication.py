"""Publication: pages that are not our own are checked, and whether each shows its plan is kept for admission."""

import asyncio
import hashlib
from collections.abc import Iterator
from urllib.parse import urljoin

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.offer.address import PLAIN, Addresses, Kind, Template
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import Found, PageSeen, VersionState, after
from consent_engine.domain.texts.page import HASH, lacking, read
from consent_engine.engine.catalogue import Catalogue
from consent_engine.ports import Plans
from consent_engine.ports.outside import Missed, TariffPages

TURN = "publication"
TURN_MS = 30_000
"""How long no other process checks pages after one did."""
AT_ONCE, WRONG_AT_ONCE, SILENT_AT_ONCE = 32, 128, 128
"""Pages checked at a time: of those not checked yet, and of those that show their plan; of those that show something
else; and of those that did not answer the last time. Each kind has its own places, so that hundreds of hanging pages
hold up no corrected page; where hundreds of wrong pages hang, too, its turn comes within 40 s."""
MOST = 512
"""Most pages under way: those first that have waited longest."""
_LOOKED_AT = frozenset({VersionState.ON_SALE, VersionState.WAITING})


class Place(Struct, frozen=True):
    """One address of one version. n: its place in the plan"""

    plan: Plan
    n: int
    url: str

    @property
    def name(self) -> tuple[str, int, int]:
        """The key of the address."""
        return self.plan.code, self.plan.version, self.n


class Publication:
    """The checks of published pages. Of several processes one checks at a time. On one event loop."""

    def __init__(
        self, registry: Plans, catalogue: Catalogue, addresses: Addresses, pages: TariffPages, holder: str
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._addresses = addresses
        self._pages = pages
        self._holder = holder
        self._last: dict[tuple[str, int, int], PageSeen] = {}
        self._under_way: dict[tuple[str, int, int], asyncio.Task[None]] = {}
        self._places_of = {
            "new": asyncio.Semaphore(AT_ONCE),
            "shown": asyncio.Semaphore(AT_ONCE),
            "wrong": asyncio.Semaphore(WRONG_AT_ONCE),
            "silent": asyncio.Semaphore(SILENT_AT_ONCE),
        }

    async def look(self) -> int:
        """Check every page that is due, and keep the results; return how many. Raises StoreUnavailable."""
        begun = self.begin()
        await self.ended()
        return begun

    def begin(self) -> int:
        """Begin to check the pages that are due and not under way; return how many. Raises StoreUnavailable."""
        now = self._registry_now()
        places = list(self._places())
        self._last = {each.name: seen for each, seen in places}
        waits = (each for each in places if each[1].due <= now and each[0].name not in self._under_way)
        due = sorted(waits, key=lambda each: each[1].due)[: max(0, MOST - len(self._under_way))]
        # The turn is renewed with nothing due, too: another process may know only older results.
        if not places or not self._registry.claim_turn(TURN, self._holder, TURN_MS) or not due:
            return 0
        for place, seen in due:
            self._under_way[place.name] = asyncio.ensure_future(self._at(place, seen, self._places_of[_kind(seen)]))
        return len(due)

    async def ended(self, seconds: float | None = None) -> None:
        """Wait for checks under way, for `seconds` at most. Raises the error of a check; the others go on."""
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=seconds)
        over = {name: task for name, task in self._under_way.items() if task.done()}
        for name in over:
            del self._under_way[name]
        for task in over.values():
            task.result()

    async def close(self) -> None:
        """Cancel checks under way: their pages are checked again."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        self._under_way.clear()

    def _places(self) -> Iterator[tuple[Place, PageSeen]]:
        """Yield the addresses that can be fetched, of versions that are or will be on sale, with the result of each."""
        for listed in self._catalogue.fresh().values():
            for version in listed.versions:
                if version.seen and listed.standing(version.number) in _LOOKED_AT:
                    for n, kept in version.seen.items():
                        published = version.plan.published[n]
                        if self._addresses.kind(published) is Kind.FETCHED and not kept.by:
                            place = Place(version.plan, n, self._addresses.fetched(published))
                            yield place, max(kept, self._last.get(place.name, kept), key=lambda seen: seen.at)

    async def _at(self, place: Place, before: PageSeen, free: asyncio.Semaphore) -> None:
        async with free:
            found = await found_at(self._pages, place.plan, place.url, self._addresses.template_of(place.url))
        seen = after(before, found, self._registry_now())
        code, version, n = place.name
        changed = seen.public != before.public or seen.why != before.why or not before.at
        self._registry.note_seen(code, version, n, seen, changed=changed)
        self._last[place.name] = seen

    def _registry_now(self) -> Millis:
        return self._registry.catalogue_mark()[1]


async def found_at(pages: TariffPages, plan: Plan, url: str, how: Template = PLAIN) -> Found:
    """Return the finding on a page; for one in words of its own, the JSON beside it counts. how: to read it"""
    fetched = await pages.fetch(url)
    if isinstance(fetched, Missed):
        return Found(fetched.why, surely=fetched.surely)
    page, seen = read(fetched.content_type, fetched.body, how), hashlib.sha256(fetched.body).hexdigest()
    lacks = lacking(plan, page)
    beside = page.beside or how.json_of(plan.code, plan.hash)
    if lacks and beside and HASH not in lacks:
        fetched = await pages.fetch(urljoin(url, beside))
        if isinstance(fetched, Missed):
            return Found(Hitch.ITS_JSON.of(fetched.why), seen, surely=fetched.surely)
        lacks = lacking(plan, read(fetched.content_type, fetched.body, how))
    return Found(Hitch.LACKS.of(",".join(lacks)) if lacks else "", seen)


_SILENT = {Hitch.NO_ANSWER, Hitch.NO_CONNECTION}


def _kind(seen: PageSeen) -> str:
    """Return the kind of a page by its last check, which decides its places."""
    if not seen.at:
        return "new"
    if not seen.why:
        return "shown"
    return "wrong" if _SILENT.isdisjoint(seen.why.split(":")) else "silent"
