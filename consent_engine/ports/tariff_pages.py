"""The port to the pages of tariffs that are not our own: a look at what a channel shows."""

from typing import Protocol

from msgspec import Struct


class TariffPage(Struct, frozen=True):
    """What an address answered."""

    content_type: str
    body: bytes


class Missed(Struct, frozen=True):
    """Why there is no page. surely: whether the address itself says so; else it may only not be reachable now"""

    why: str
    surely: bool = True


NO_ANSWER = "no_answer"
"""How the reason begins where nobody answered, or not in time."""


class TariffPages(Protocol):
    """Takes pages, each within bounds of time and length."""

    async def take(self, url: str) -> TariffPage | Missed:
        """The page at an address."""
