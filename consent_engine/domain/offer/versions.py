"""The versions of a plan: when each was in force and on sale, and whether its page was seen to be public then."""

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.offer.plan import CHANNELS, Plan

PATIENCE_MS: Millis = 30 * 60_000
"""How long the last look that found the plan counts while the page cannot be reached."""
AGAIN_MS: Millis = 120_000
"""How long after a look a page that showed the plan is looked at again."""
MENDED_MS: Millis = 15_000
"""The same for a page that did not show it: once mended, it is on sale within a minute, a look of 15 s included."""
FOR_EVER: Millis = 1 << 62


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
    return PageSeen(0, now, why=Hitch.UNCHECKED.of(), failing=now)


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


REMEMBERED = 1000
"""How many replaced proposals of a plan are remembered, until one is approved."""


class Sale(StrEnum):
    """The state of a plan's sale: whether it may be sold."""

    ON_SALE = "on_sale"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"


class VersionState(StrEnum):
    """The state of a version: that of its sale while it is in force, or that it is not in force."""

    ON_SALE = "on_sale"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    WAITING = "waiting"


class Version(Struct, frozen=True, dict=True):  # a dict: for cached properties
    """A version of a plan: a withdrawal and a revocation are versions, too.

    known_at: when the store learned of it; 0 for versions stored before that was noted, and for the bundled sample ·
    by: its proposer and its approver, where that takes two · seen: place of a publication in the plan -> the state of
    its page; empty where its admin's word is taken
    """

    plan: Plan
    sale: Sale = Sale.ON_SALE
    known_at: Millis = 0
    by: tuple[str, ...] = ()
    seen: Mapping[int, PageSeen] = {}

    @property
    def number(self) -> int:
        """Its place among the versions of its plan, from 1 on."""
        return self.plan.version

    @cached_property
    def begins(self) -> Millis:
        """From when on it is in force, unless a later one was sooner: once known, and public where it has dates."""
        waits = self.plan.begins if self.sale is Sale.ON_SALE else None
        return max(self.known_at, waits or 0)

    def public_at(self, at: Millis) -> bool:
        """Whether web hall and app both showed it at an instant, and have shown it since."""
        if (alone := self._alone) is not None:
            return alone[0] <= at <= alone[1]
        shown = [p.channel for n, p in enumerate(self.plan.published) if p.covers(at) and self._covers(n, at)]
        return all(channel in shown for channel in CHANNELS)

    @cached_property
    def _alone(self) -> tuple[Millis, Millis] | None:
        """From when until when it is public, in the usual case of one address for each channel without an `until`:
        cached, since every order asks for it. None in other cases: `public_at` then compares each publication.
        """
        shown, begins = self.plan.published, self.plan.begins
        seen = [self.seen[n] for n in range(len(shown)) if n in self.seen]
        if begins is None or len(shown) != len(CHANNELS) or any(each.until is not None for each in shown):
            return None
        return max([begins, *(each.since for each in seen)]), min((each.until for each in seen), default=FOR_EVER)

    def _covers(self, n: int, at: Millis) -> bool:
        return n not in self.seen or self.seen[n].covers(at)

    def unshown(self) -> tuple[str, str] | None:
        """The first channel that does not show it, and the reason; None where all do, as far as they were looked at."""
        rows = ((self.plan.published[n].channel, each.why) for n, each in sorted(self.seen.items()) if not each.public)
        return next(rows, None)


class Proposal(Struct, frozen=True):
    """A plan proposed for sale, until another admin approves it.

    by: an API key's name, or a user's · before: the marks of the proposals whose place it took, oldest first
    """

    plan: Plan
    by: str
    at: Millis
    before: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """Its author and the hash of its plan: a request that is sent again makes a proposal with the same mark."""
        return f"{self.plan.hash} {self.by}"

    def over(self, standing: "Proposal | None") -> "Proposal":
        """This proposal, as it takes the place of the one that stands."""
        if standing is None:
            return self
        marks = dict.fromkeys((*standing.before, standing.mark))
        marks.pop(self.mark, None)
        return replace(self, before=tuple(marks)[-REMEMBERED:])


class Listed(Struct, frozen=True):
    """A plan in the catalogue, in the version that is in force; in its newest one while none is yet.

    versions: all it ever had, oldest first · begun: whether this version is in force · figures: the three-digit figures
    of all plans in the catalogue, which a later question to the same number may contain
    """

    plan: Plan
    sale: Sale = Sale.ON_SALE
    versions: tuple[Version, ...] = ()
    begun: bool = True
    figures: frozenset[str] = frozenset()

    @classmethod
    def of(cls, versions: tuple[Version, ...], now: Millis, figures: frozenset[str] = frozenset()) -> "Listed":
        """A plan as it stands at an instant. versions: at least one, oldest first"""
        found = _in_force(versions, now)
        shown = found or versions[-1]
        return cls(shown.plan, shown.sale, versions, found is not None, figures)

    def at(self, instant: Millis) -> Version | None:
        """The version that was in force at an instant; None before there was one."""
        return _in_force(self._known, instant)

    def on_sale_at(self, instant: Millis) -> Plan | None:
        """The plan as on sale at an instant, and public in web hall and app; None where it was not."""
        found = self.at(instant)
        if found is None or found.sale is not Sale.ON_SALE or not found.public_at(instant):
            return None
        return found.plan

    def version(self, number: int) -> Version | None:
        return next((each for each in self._known if each.number == number), None)

    def is_revoked(self, number: int) -> bool:
        """Whether the plan was revoked after a version of it was known: no order for that version may go on."""
        return any(each.sale is Sale.REVOKED and each.number > number for each in self._known)

    @property
    def newest(self) -> Version:
        """The newest version, even one that waits."""
        return self._known[-1]

    def span(self, number: int) -> tuple[Millis, Millis | None] | None:
        """From when (0: not noted then) until when (None: no later version is known) a version is in force.

        None where a later version was in force before it could be.
        """
        begins = next(each.begins for each in self._known if each.number == number)
        later = min((each.begins for each in self._known if each.number > number), default=None)
        return None if later is not None and later <= begins else (begins, later)

    def standing(self, number: int) -> VersionState:
        current = self.plan.version if self.begun else 0
        if number > current and self.span(number) is not None:
            return VersionState.WAITING
        known = self.version(number)
        if known is not None and (number == current or known.sale is not Sale.ON_SALE):
            return VersionState(known.sale)
        return VersionState.SUPERSEDED

    def was_public(self, number: int) -> bool:
        """Whether a version is or ever was in force and shown to the public; a version that waits is not yet."""
        known = self.version(number)
        if known is None or known.plan.begins is None or self.span(number) is None:
            return False
        return self.begun and number <= self.plan.version

    @property
    def _known(self) -> tuple[Version, ...]:
        return self.versions or (Version(self.plan, self.sale),)


def _in_force(versions: tuple[Version, ...], instant: Millis) -> Version | None:
    for each in reversed(versions):
        if each.begins <= instant:
            return each
    return None


def dated(version: Version) -> Version:
    """The version, its plan public from when it was known wherever a publication has no `since`."""
    return replace(version, plan=version.plan.since(version.known_at)) if version.known_at else version


def versions_of(kept: Mapping[str, str]) -> tuple[Version, ...]:
    """Read all versions from a plan's record, oldest first. Raises KeyError where the newest version is missing.

    Of the versions without a stamp only the newest says whether it is on sale; older ones count as on sale.
    """
    versions, newest = [], kept["current"]
    for n in sorted({newest, *(name for name in kept if name.isdigit())}, key=int):
        known_at, _, sale = kept.get(f"at:{n}", "0|").partition("|")
        otherwise = kept["sale"] if n == newest else Sale.ON_SALE
        plan, by = Plan.decode(json.loads(kept[n])), tuple(json.loads(kept.get(f"by:{n}", "[]")))
        versions.append(dated(Version(plan, Sale(sale or otherwise), int(known_at), by, seen_of(kept, n))))
    return tuple(versions)


def seen_of(kept: Mapping[str, str], version: str) -> dict[int, PageSeen]:
    """Return the last look at each address of a version, by the address's place."""
    begins = f"seen:{version}:"
    rows = ((name, row) for name, row in kept.items() if name.startswith(begins))
    return {int(name.removeprefix(begins)): PageSeen.decode(row) for name, row in rows}
