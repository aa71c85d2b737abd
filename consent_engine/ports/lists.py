"""The port to lists and counts: records by instant, and the counts of a day."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.counted import Heard
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import Millis


class Tally(Struct, frozen=True):
    """How many of one kind there are (restrictions, endings, calls to review). oldest: since when; 0: there are none"""

    count: int = 0
    oldest: Millis = 0


def together(tallies: Iterable[Tally]) -> Tally:
    """Add tallies up: the sum of their counts, and the oldest of their instants."""
    found = [each for each in tallies if each.count]
    return Tally(sum(each.count for each in found), min(each.oldest for each in found)) if found else Tally()


class Lists(Protocol):
    """Lists and counts of the records in the store itself, those in the archive left out."""

    def open_orders(self, limit: int) -> list[str]:
        """Return orders with pending effects: every unsettled one, and some whose notification waits."""

    def calls(self, before: tuple[Millis, str] | None, limit: int, *, wrong: bool) -> list[tuple[str, Millis]]:
        """Return calls with the instants they began at, newest first. wrong: only those with a violation"""

    def to_review(self, verdict: Verdict, after: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Return pending or contested calls with the instants their ends reached us, oldest first. after: the last row
        of the page before
        """

    def waiting_for_review(self) -> dict[Verdict, Tally]:
        """Return how many calls are pending and how many contested, and since when the oldest of each has been over."""

    def summed(self, days: Sequence[str]) -> list[dict[str, int]]:
        """Return for each of these days (China's, YYYY-MM-DD) the counts over all agents, by carrier, of the calls that
        began that day (SUMMED, in `domain/call/counted.py`): some dozens of values a day.
        """

    def heard_by_agent(self, day: str) -> dict[str, Heard]:
        """Return how many of one day's calls were heard, by agent. This reads all counts of the day."""

    def lifted(self, most: int) -> list[str]:
        """Return the records of the newest liftings (JSON: carrier, at, by, evidence, ...), newest first."""
