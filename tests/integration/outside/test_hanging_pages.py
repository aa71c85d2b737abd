"""A mended page is seen while hundreds of others hang: real sockets that take a request and never answer.

A listening socket that never accepts does that: the kernel takes the connection and the request.
"""

import asyncio
import socket
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from consent_engine.adapters.tariff_pages import HttpTariffPages
from consent_engine.domain.offer.address import Addresses
from consent_engine.domain.offer.versions import MENDED_MS, Listed, PageSeen, Version, unchecked
from consent_engine.engine.publication import MOST, SILENT_AT_ONCE, WRONG_AT_ONCE, Publication
from consent_engine.ports.outside import Missed
from tests.integration.web_hall import web_hall
from tests.plans import page, plan

NOW, HANG = 1_764_000_000_000, 300
WHOLE_S, PRODUCTION_S, PATIENT_S = 1.5, 10, 30
"""Seconds that a look may take: here, in production, and (on a busy machine) at the page that answers."""
MOST_LOOKS = 20
KNOWN = {"that hung before": "no_answer:", "that said something else": "lacks:term", "that are new": ""}


@pytest.fixture
def halls():
    """Run a web hall that answers, and a server that hangs; yield the hall, and the host of the other."""
    with web_hall() as hall, socket.create_server(("127.0.0.1", 0), backlog=1_024) as hangs:
        yield hall, f"127.0.0.1:{hangs.getsockname()[1]}"


class Registry:
    """The published plans and what was seen of their pages. `last` is due after all the others; `before`: how many of
    those had ended when it was asked for.
    """

    def __init__(self, hall, hangs, known):
        self.last, self.order, self.before = plan_at(hall, "mended"), list[str](), 0
        self.plans = {each.code: each for each in (*(plan_at(hangs, f"p{n}") for n in range(HANG)), self.last)}
        past = unchecked(NOW - 200_000)
        past = replace(past, at=past.since, why=known) if known else past
        self.seen = dict.fromkeys(self.plans, past)
        self.seen["mended"] = PageSeen(0, NOW - 190_000, NOW - 190_000, why="lacks:price", failing=NOW - 190_000)

    def fresh(self):
        versions = {code: Version(each, seen={0: self.seen[code]}) for code, each in self.plans.items()}
        return {code: Listed.of((version,), NOW) for code, version in versions.items()}

    def catalogue_mark(self):
        return 0, NOW

    def claim_turn(self, *_):
        return True

    def note_seen(self, code, version, n, seen, *, changed):
        self.seen[code] = seen
        self.order.append(code)


def plan_at(host, code):
    channels = [{"channel": "web_hall", "url": f"http://{host}/{code}"}, {"channel": "app", "url": "/tariffs"}]
    return replace(plan(code, published=channels), version=1)


class Pages(HttpTariffPages):
    """Pages that note when the mended one is asked for: not when it answers, which a busy machine may delay."""

    def __init__(self, registry, addresses):
        super().__init__(addresses, reachable=lambda _: True, whole_s=WHOLE_S)
        self.patient = HttpTariffPages(addresses, reachable=lambda _: True, whole_s=PATIENT_S)
        self.registry = registry

    async def fetch(self, url):
        if url.endswith("/mended"):
            self.registry.before = len(self.registry.order)
            for _ in range(MOST_LOOKS):  # a starved machine: that it answers is no subject here
                if not isinstance(found := await self.patient.fetch(url), Missed):
                    return found
        return await super().fetch(url)


def looking(registry, *hosts):
    addresses = Addresses(hosts=dict.fromkeys(hosts, "http"))
    pages = Pages(registry, addresses)
    return Publication(registry, SimpleNamespace(fresh=registry.fresh), addresses, pages, "one")


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_a_mended_page_is_seen_within_a_minute_though_hundreds_hang(halls, known):
    hall, hangs = halls
    registry = Registry(hall.host, hangs, known)
    hall.says("/mended", page(registry.last))

    async def look():
        publication = looking(registry, hall.host, hangs)
        assert publication.begin() == HANG + 1
        async with asyncio.timeout(2 * PATIENT_S):
            while not registry.seen["mended"].public:
                await publication.ended(0.05)
        await publication.close()

    asyncio.run(look())
    assert registry.seen["mended"].public
    turns = -(-registry.before // WRONG_AT_ONCE) if known == "lacks:term" else 0
    assert turns <= 2 if turns else registry.before < SILENT_AT_ONCE, "others had to end first"
    assert MENDED_MS + 2_000 + (turns + 1) * PRODUCTION_S * 1_000 < 60_000


def test_whatever_hangs_and_however_much_of_it_a_turn_comes_within_a_minute():
    """The limits alone show it: pages under way, pages at a time, ten seconds each, due after fifteen, ticks of two."""
    assert MENDED_MS + 2_000 + -(-MOST // WRONG_AT_ONCE) * PRODUCTION_S * 1_000 < 60_000
