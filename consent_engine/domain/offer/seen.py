"""What was seen where a plan is published: whether that channel shows it, since when, and what is wrong if not.

A page that says something else counts at once. One that cannot be reached may be there all the same: what was seen last
counts for a while.
"""

from msgspec import Struct

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis

PATIENCE_MS: Millis = 30 * 60_000
"""For how long the last look that found the plan counts, while the page cannot be reached."""
AGAIN_MS: Millis = 120_000
"""After how long a page that showed the plan is looked at again."""
MENDED_MS: Millis = 15_000
"""The same of one that did not: what is mended is on sale again within a minute, a look of 15 s included."""
FOR_EVER: Millis = 1 << 62
UNCHECKED = "unchecked"


class Seen(Row, frozen=True):
    """How one channel shows one version.

    public: whether it does, as far as the door is concerned · since: since when that is so · at: the last look, 0 for
    none · good: the last look that found the plan · hash: SHA-256 of what was seen last · why: what is wrong, '' for
    nothing · failing: since when something is · by, reason: of an admin who attested it
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
        """Whether it shows the plan now, and did at an instant, without a break.

        An instant for which nobody looked any more, as when every worker is down, is not covered.
        """
        return self.since <= at <= self.until

    @property
    def until(self) -> Millis:
        """The last instant that it covers; -1 where it does not show it."""
        if not self.public:
            return -1
        return FOR_EVER if not self.at or self.by else self.good + PATIENCE_MS + AGAIN_MS

    @property
    def due(self) -> Millis:
        """When it is to be looked at."""
        return self.at + (MENDED_MS if self.why else AGAIN_MS) if self.at else 0


class Found(Struct, frozen=True):
    """What came of a look. why: what is wrong, '' where the plan was there · surely: whether the page itself said so;
    else it may only not be reachable"""

    why: str = ""
    hash: str = ""
    surely: bool = True


OURS = Seen(1, 0)
"""Our own pages show a version from the instant on at which it is in force."""


def unchecked(now: Millis) -> Seen:
    """Of a version that is new: it is not sold before somebody looked."""
    return Seen(0, now, why=UNCHECKED, failing=now)


def attested(now: Millis, by: str, reason: str) -> Seen:
    """An admin says that the channel shows it."""
    return Seen(1, now, now, now, by=by, reason=reason)


def after(before: Seen, found: Found, now: Millis) -> Seen:
    """What is known once it was looked at again."""
    if not found.why:
        return Seen(1, before.since if before.public else now, now, now, found.hash)
    patient = not found.surely and now - before.good <= PATIENCE_MS
    public = int(bool(before.public) and patient)
    since = before.since if public == before.public else now
    return Seen(public, since, now, before.good, found.hash or before.hash, found.why, before.failing or now)


Seen.rows = Rows(Seen, least=2)
