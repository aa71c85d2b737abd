"""`consent plans check --fetch`: fetches the published pages of a file's plans before anything is loaded."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from consent_engine.domain.hitch import Hitch, in_words

if TYPE_CHECKING:
    from consent_engine.domain.offer.address import Addresses
    from consent_engine.domain.offer.plan import Plan, Publication
    from consent_engine.ports.outside import TariffPages

AT_ONCE = 16
"""How many pages are fetched at a time."""


class Looked(NamedTuple):
    """The result for one address of one plan. found: a few words; shows: whether it shows the plan, if known"""

    code: str
    channel: str
    url: str
    found: str
    shows: bool


def looked_at(plans: "Sequence[Plan]") -> list[Looked]:
    """Check every address of the plans, in order, by this installation's settings. Raises SettingsError."""
    from consent_engine.adapters.tariff_pages import HttpTariffPages
    from consent_engine.config.settings import Settings

    addresses = Settings.load().addresses()
    return asyncio.run(look(plans, addresses, HttpTariffPages(addresses)))


async def look(plans: "Sequence[Plan]", addresses: "Addresses", pages: "TariffPages") -> list[Looked]:
    """Check all addresses, a few at a time."""
    free = asyncio.Semaphore(AT_ONCE)
    looks = [_one(plan, each, addresses, pages, free) for plan in plans for each in plan.published]
    return list(await asyncio.gather(*looks))


async def _one(
    plan: "Plan", published: "Publication", addresses: "Addresses", pages: "TariffPages", free: asyncio.Semaphore
) -> Looked:
    from consent_engine.api.routes.tariffs import not_shown
    from consent_engine.domain.offer.address import Kind
    from consent_engine.engine.publication import found_at

    kind = addresses.kind(published)
    url = addresses.fetched(published) if kind is Kind.FETCHED else published.url
    if kind is Kind.ATTESTED:
        advice = f"no program can look: consent plans attest {plan.code} --channel {published.channel} --reason ..."
        return Looked(plan.code, published.channel, url, advice, shows=True)
    if kind is Kind.OWN:
        lacks = not_shown(plan)
        return Looked(
            plan.code, published.channel, url, _result(Hitch.LACKS.of(",".join(lacks)) if lacks else ""), not lacks
        )
    async with free:
        why = (await found_at(pages, plan, url, addresses.template_of(url))).why
    return Looked(plan.code, published.channel, url, _result(why), not why)


def _result(why: str) -> str:
    return in_words(why) or "shows the plan"
