"""Hundreds of pages that hang delay no page that answers."""

import asyncio
from types import SimpleNamespace

from msgspec.structs import replace

from consent_engine.domain.offer.address import Addresses
from consent_engine.domain.offer.versions import MENDED_MS, Listed, PageSeen, Version, attested, unchecked
from consent_engine.engine.publication import AT_ONCE, MOST, SILENT_AT_ONCE, Publication
from consent_engine.ports.outside import Missed, TariffPage
from tests.plans import page, plan

NOW = 1_764_000_000_000
HOST = "hall.example"
SILENT = Missed("no_answer:", surely=False)


class Halls:
    """A catalogue, what was seen of its pages, and the pages: each answers, or hangs until it is let go."""

    def __init__(self, wrong, hanging, known):
        codes = [f"p{n}" for n in range(wrong + hanging)]
        self.plans = {code: self._plan(code) for code in codes}
        self.hangs = set(codes[wrong:])
        first = replace(unchecked(NOW - 200_000), at=NOW - 200_000)
        self.seen = {code: replace(first, why=known if code in self.hangs else "lacks:price") for code in codes}
        self.now, self.asked, self.let_go = NOW, [], asyncio.Event()

    @staticmethod
    def _plan(code):
        channels = [{"channel": "web_hall", "url": f"https://{HOST}/{code}"}, {"channel": "app", "url": "/tariffs"}]
        return replace(plan(code, published=channels), version=1)

    def fresh(self):
        versions = {code: Version(each, seen={0: self.seen[code]}) for code, each in self.plans.items()}
        return {code: Listed.of((version,), self.now) for code, version in versions.items()}

    def catalogue_mark(self):
        return 0, self.now

    def claim_turn(self, *_):
        return True

    def note_seen(self, code, version, n, seen, *, changed):
        self.seen[code] = seen

    async def fetch(self, url):
        code = url.rpartition("/")[2]
        self.asked.append(code)
        if code not in self.hangs:
            return TariffPage("text/html", page(self.plans[code]))
        await self.let_go.wait()
        return SILENT


def looking(halls):
    addresses = Addresses(hosts={HOST: "https"})
    return Publication(halls, SimpleNamespace(fresh=halls.fresh), addresses, halls, "one")


async def until(done):
    """Let tasks run until this is done."""
    for _ in range(1_000):
        if done():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happened")


def test_a_mended_page_is_seen_while_hundreds_hang():
    async def look():
        halls = Halls(wrong=40, hanging=400, known=SILENT.why)
        publication = looking(halls)
        assert publication.begin() == 440
        await until(lambda: all(halls.seen[f"p{n}"].public for n in range(40)))
        assert len(halls.hangs & set(halls.asked)) == SILENT_AT_ONCE, "as many as there are places for"
        await publication.ended(0)
        halls.now += MENDED_MS
        assert publication.begin() == 0, "what hangs is not asked once more"
        halls.seen["p0"] = replace(halls.seen["p0"], why="lacks:price", public=0)
        halls.now += MENDED_MS
        publication._last.clear()  # noqa: SLF001 - as if another process had seen it
        assert publication.begin() == 1
        await until(lambda: halls.seen["p0"].public)
        halls.let_go.set()
        await publication.ended()
        assert set(halls.asked) == set(halls.plans), "and those that hung are seen, each in its turn"
        assert len(halls.asked) == 441

    asyncio.run(look())


def test_pages_that_begin_to_hang_hold_no_page_up_that_says_something_else():
    async def look():
        halls = Halls(wrong=10, hanging=300, known="")
        publication = looking(halls)
        publication.begin()
        await until(lambda: all(halls.seen[f"p{n}"].public for n in range(10)))
        assert len(halls.hangs & set(halls.asked)) == AT_ONCE
        await publication.close()
        assert all(halls.seen[code].why == "" for code in halls.hangs), "nothing was seen of what was left"

    asyncio.run(look())


def test_no_more_are_under_way_than_may_be_and_what_one_look_raises_ends_no_other():
    async def look():
        halls = Halls(wrong=MOST + 100, hanging=0, known="")
        publication = looking(halls)
        kept = halls.note_seen

        def note_seen(code, *rest, changed):
            if code == "p3":
                raise ZeroDivisionError
            kept(code, *rest, changed=changed)

        halls.note_seen = note_seen
        assert publication.begin() == MOST
        try:
            await publication.ended()
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError("it was passed over")
        assert sum(isinstance(each, PageSeen) and each.public for each in halls.seen.values()) == MOST - 1
        halls.note_seen = kept
        assert publication.begin() == 101
        await publication.ended()
        assert all(each.public for each in halls.seen.values())

    asyncio.run(look())


def test_what_an_admin_attested_stands_though_its_host_can_be_asked_since():
    halls = Halls(wrong=1, hanging=0, known="")
    halls.seen["p0"] = attested(NOW - 200_000, "the-admin", "looked at it")
    assert looking(halls).begin() == 0


def test_the_last_of_hundreds_that_hang_is_asked_within_a_minute():
    """This follows from the limits alone: pages at a time, ten seconds each, and due after fifteen."""
    assert (400 / SILENT_AT_ONCE) * 10_000 + MENDED_MS < 60_000
