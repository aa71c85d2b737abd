"""The results of looking at a plan's pages: whether a channel shows the plan, since when, and the fault if not.

A page that says something else counts at once. One that cannot be reached may still show the plan: the last good look
counts for a while.
"""

from msgspec import Struct

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis

PATIENCE_MS: Millis = 30 * 60_000
"""How long the last look that found the plan counts while the page cannot be reached."""
AGAIN_MS: Millis = 120_000
"""How long after a look a page that showed the plan is looked at again."""
MENDED_MS: Millis = 15_000
"""The same for a page that did not show it: once mended, it is on sale within a minute, a look of 15 s included."""
FOR_EVER: Millis = 1 << 62
UNCHECKED = "unchecked"


class PageSeen(Row, frozen=True):
    """The state of one version on one channel.

    public: 1 where admission takes the channel as showing it · since: since when `public` is so · at: the last look, 0
    for none · good: the last look that found the plan · hash: SHA-256 of the content last seen · why: the fault, ''
    for nothing · failing: since when something is wrong · by, reason: of an admin who attested it
    """

    public: int
    since: Millis
    at: Millis = 0
    good: Millis = 0
    hash: str = ""
    why: str = ""
    failing: Millis = 0
    by: str = ""
    reason: str = ""

    def covers(self, at: Millis) -> bool:
        """Whether the channel showed the plan at an instant, and has without a break since.

        An instant too long after the last look, as when every worker is down, is not covered.
        """
        return self.since <= at <= self.until

    @property
    def until(self) -> Millis:
        """The last instant that it covers; -1 where the channel does not show the plan."""
        if not self.public:
            return -1
        return FOR_EVER if not self.at or self.by else self.good + PATIENCE_MS + AGAIN_MS

    @property
    def due(self) -> Millis:
        """When the page is to be looked at next."""
        return self.at + (MENDED_MS if self.why else AGAIN_MS) if self.at else 0


class Found(Struct, frozen=True):
    """The result of a look. why: the fault, '' where the plan was there · surely: whether the page itself said so;
    else it may only be unreachable"""

    why: str = ""
    hash: str = ""
    surely: bool = True


OURS = PageSeen(1, 0)
"""The state on our own pages: they show a version from the instant on at which it is in force."""


def unchecked(now: Millis) -> PageSeen:
    """The state of a new version: it is not sold before its page was looked at."""
    return PageSeen(0, now, why=UNCHECKED, failing=now)


def attested(now: Millis, by: str, reason: str) -> PageSeen:
    """The state where an admin attests that the channel shows the version."""
    return PageSeen(1, now, now, now, by=by, reason=reason)


def after(before: PageSeen, found: Found, now: Millis) -> PageSeen:
    """The state after one more look."""
    if not found.why:
        return PageSeen(1, before.since if before.public else now, now, now, found.hash)
    patient = not found.surely and now - before.good <= PATIENCE_MS
    public = int(bool(before.public) and patient)
    since = before.since if public == before.public else now
    return PageSeen(public, since, now, before.good, found.hash or before.hash, found.why, before.failing or now)


PageSeen.rows = Rows(PageSeen, least=2)
