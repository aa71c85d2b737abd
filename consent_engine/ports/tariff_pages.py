"""The port to tariff pages that are not our own: it fetches a page on which a channel publishes a plan."""

from typing import Protocol

from msgspec import Struct


class TariffPage(Struct, frozen=True):
    """The page that an address answered with."""

    content_type: str
    body: bytes


class Missed(Struct, frozen=True):
    """The reason why there is no page. surely: whether this is certain; else the page may only be unreachable now"""

    why: str
    surely: bool = True


NO_ANSWER = "no_answer"
"""The beginning of the reason where no answer came, or none in time."""


class TariffPages(Protocol):
    """A fetcher of pages, within bounds of time and length for each."""

    async def fetch(self, url: str) -> TariffPage | Missed:
        """Fetch the page at an address."""
