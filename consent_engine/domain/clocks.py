"""Gateway clocks as measured here: the smallest difference between the arrival of a reply and its stamp.

A message is in transit for a while, and a clock may be off: one message shows only the sum of the two. The smallest
difference over some minutes is nearly the clock's error alone, since few of many messages are delayed. It is measured,
shown and alarmed on, and never used to judge a reply: a slow clock cannot be told from a gateway that always holds
messages back, and a yes from before the question must not count because of a guess.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.sms import Reply

PERIOD_MS = 600_000
"""How long one smallest difference is searched for; it is reported for one more period."""


class Lag(Struct, frozen=True):
    """The least by which a gateway's stamps lie behind their arrival (below 0: ahead of it), and how much its settings
    allow before a quick yes is taken for one from before the question.
    """

    behind: Millis
    allowed: Millis

    @property
    def voids(self) -> bool:
        """Whether a yes that arrives at once is taken for one from before the question."""
        return self.behind > self.allowed

    @property
    def ahead(self) -> bool:
        """Whether the gateway's stamps lie in the future: a yes from before the question may seem to answer it."""
        return self.behind < -AHEAD_MS


AHEAD_MS = 2_000
"""How far a stamp may be ahead of the store's clock: some gateways round stamps to a second."""


class Heard(Struct, frozen=True):
    """A smallest difference to be stored, with its gateway and period."""

    gateway: str
    period: int
    lag: Lag


class Clocks:
    """The smallest differences known to one process, by gateway and period."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Millis] = {}

    def heard(self, replies: Sequence[tuple[Reply, Millis]]) -> list[Heard]:
        """Return the differences, of replies and their instants of arrival, that are smaller than any known."""
        found: dict[tuple[str, int], Heard] = {}
        for reply, at in replies:
            if reply.stamp is None or reply.written_at is None:
                continue
            name, behind = (reply.gateway, at // PERIOD_MS), at - reply.stamp
            if name not in self._known:
                self._known = {key: value for key, value in self._known.items() if key[0] != reply.gateway}
            if behind < self._known.get(name, behind + 1):
                self._known[name] = behind
                found[name] = Heard(*name, Lag(behind, reply.written_at - reply.stamp))
        return list(found.values())


def lately(kept: Mapping[tuple[str, int], Lag], now: Millis) -> dict[str, Lag]:
    """Return the smallest difference of this period and the one before, by gateway."""
    found: dict[str, Lag] = {}
    for (gateway, period), lag in sorted(kept.items(), key=lambda each: each[0][1]):
        if period >= now // PERIOD_MS - 1:
            least = min(lag.behind, found[gateway].behind) if gateway in found else lag.behind
            found[gateway] = Lag(least, lag.allowed)
    return found
