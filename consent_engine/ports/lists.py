"""The port to lists and counts: orders by instant, restrictions by kind, a day's funnel."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.counted import Heard
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import Kind, Restriction

MOST_SEARCHED = 200_000
"""So many orders of a part of the store are looked at for the end of an id."""


class Tally(Struct, frozen=True):
    """How many restrictions of a kind, or endings, stand, and since when the oldest does; 0: none stands."""

    count: int = 0
    oldest: Millis = 0


def together(tallies: Iterable[Tally]) -> Tally:
    """How many there are of all of them, and since when the oldest."""
    found = [each for each in tallies if each.count]
    return Tally(sum(each.count for each in found), min(each.oldest for each in found)) if found else Tally()


class Standing(Struct, frozen=True):
    """A restriction in a list: its name and instant there (the cursor), its line and number; None: it just went."""

    name: str
    at: Millis
    line: str
    msisdn: str
    restriction: Restriction | None


class Lists(Protocol):
    """Lists of what is in the store itself."""

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Orders with the instants they were placed at, newest first, from where a page ended."""

    def placed_at(self, orders: Sequence[str]) -> list[Millis]:
        """When these were placed, in their order; 0 for one that is not in the store itself."""

    def open_orders(self, limit: int) -> list[str]:
        """Orders with an effect still wanted: every unsettled one, and some whose notification waits."""

    def calls(self, before: tuple[Millis, str] | None, limit: int, *, wrong: bool) -> list[tuple[str, Millis]]:
        """Calls with the instants they began at, newest first; wrong: only those with a violation."""

    def to_review(self, verdict: Verdict, after: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Calls that are pending or contested with the instants their ends reached us, oldest first, from where a page
        ended.
        """

    def waiting_for_review(self) -> dict[Verdict, Tally]:
        """How many calls are pending, and how many contested; since when the oldest of each is over."""

    def summed(self, days: Sequence[str]) -> list[dict[str, int]]:
        """Of the calls that began on each of these days (China's, YYYY-MM-DD), what was counted over all agents, by
        carrier (SUMMED, in `domain/call/counted.py`): some dozens of values a day.
        """

    def heard_by_agent(self, day: str) -> dict[str, Heard]:
        """How many of the calls of one day were heard, by agent: all of its counts are read."""

    def sold(self, day: str) -> dict[str, int]:
        """What became of the orders placed on a day (China's, YYYY-MM-DD): see `domain/order/sold.py`."""

    def ended_soon(self, days: Sequence[str]) -> int:
        """How many services that were switched on on these days were taken back within a week."""

    def restrictions(self, kind: Kind, before: tuple[Millis, str] | None, limit: int) -> list[Standing]:
        """Restrictions of a kind, newest first; before: name and instant of the last one of the page before."""

    def tally(self, kind: Kind) -> Tally:
        """How many restrictions of a kind stand, and the oldest's instant."""

    def endings(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Endings that are not over, with the instants they were asked for at, newest first."""

    def endings_open(self) -> Tally:
        """How many endings are not over, and since when the oldest is not."""

    def ending(self, tail: str, most: int) -> list[str]:
        """Orders whose ids end so, newest first: of the newest MOST_SEARCHED of a part of the store."""

    def lifted(self, most: int) -> list[str]:
        """What was kept of the newest liftings (json: carrier, at, by, evidence, ...), newest first."""

    def funnel(self, day: str) -> dict[State, int]:
        """Orders placed on a day (UTC, YYYY-MM-DD), by state."""

    def placed_on(self, day: str) -> dict[State, int]:
        """As `funnel`, for a day of the business (China's): see `domain/days.py`."""

    def uncalled(self, day: str) -> int:
        """How many of the orders placed on a day (UTC, YYYY-MM-DD) have no record of their call."""
