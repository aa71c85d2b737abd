"""What gateways' clocks look like from here: by how much a reply's stamp lies behind its arrival, at the least.

A message is on its way for a while, and a clock may be off: one message shows only the sum of the two. The smallest
difference over some minutes is nearly the clock's alone, for hardly any of many messages waits. It is measured, shown
and alarmed, and never used to judge a reply: nothing tells a slow clock from a gateway that always holds messages back,
and a yes from before the question must not count for want of knowing.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.sms import Reply

PERIOD_MS = 600_000
"""So long one smallest difference is looked for; it is told for as long again."""


class Lag(Struct, frozen=True):
    """By how much a gateway's stamps lie behind their arrival at the least (below 0: ahead of it), and how much its
    settings allow before a quick yes is taken for one from before the question.
    """

    behind: Millis
    allowed: Millis

    @property
    def voids(self) -> bool:
        """Whether a yes that comes at once is taken for an older one."""
        return self.behind > self.allowed

    @property
    def ahead(self) -> bool:
        """Whether its stamps lie in the future: a yes from before the question may seem to answer it."""
        return self.behind < -AHEAD_MS


AHEAD_MS = 2_000
"""So far ahead of the store's clock a stamp may be: some gateways round it to a second."""


class Heard(Struct, frozen=True):
    """A smallest difference to be kept: of which gateway, in which period."""

    gateway: str
    period: int
    lag: Lag


class Clocks:
    """The smallest differences that one process knows, by gateway and period."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Millis] = {}

    def heard(self, replies: Sequence[tuple[Reply, Millis]]) -> list[Heard]:
        """What is new in replies and the instants they reached us at: differences that are smaller than any known."""
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
    """By gateway, the smallest difference of this period and the one before."""
    found: dict[str, Lag] = {}
    for (gateway, period), lag in sorted(kept.items(), key=lambda each: each[0][1]):
        if period >= now // PERIOD_MS - 1:
            least = min(lag.behind, found[gateway].behind) if gateway in found else lag.behind
            found[gateway] = Lag(least, lag.allowed)
    return found
