"""The ports to calls in the archive: where they go once they are over, and how they are listed there."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.effects import Millis


class CallFilter(Struct, frozen=True):
    """Which calls to list; None lets everything through. since, until: began at or after, and before ·
    violation: one that has this one; ANY: that has any · verdict: recorded ones that stand so, in the store alone.
    """

    agent: str | None = None
    carrier: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    violation: Violation | str | None = None
    verdict: Verdict | None = None

    def fits(self, call: Call) -> bool:
        """Whether a call belongs in the list."""
        began, wrong = call.began, self.violation
        pairs = ((self.agent, began.agent), (self.carrier, began.carrier))
        later = self.since is None or began.started_at >= self.since
        earlier = self.until is None or began.started_at < self.until
        is_wrong = wrong is None or bool(call.violations if wrong == ANY else wrong in call.violations)
        stands = self.verdict is None or call.verdict is self.verdict
        named = all(wanted is None or wanted == found for wanted, found in pairs)
        return later and earlier and is_wrong and stands and named


ANY = "true"
"""In the place of a violation: any of them."""


class CallArchive(Protocol):
    """Keeps calls that are over, whole. Every method raises ArchiveUnavailable, as the Archive's do."""

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Keep calls as the store has them, in one transaction; the ids of those that are safely there."""

    def calls(self, ids: Sequence[str]) -> dict[str, Call]:
        """Those that are there."""

    def recall(self, keys: Sequence[str]) -> list[Call]:
        """The calls made under these request keys, and those whose recordings are reserved under one of them."""

    def of_line(self, line: str, limit: int) -> list[str]:
        """The calls to one number, newest first."""

    def listed(self, wanted: CallFilter, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Calls with the instants they began at, newest first, from where a page ended."""

    def unheard(self, after: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Recorded calls that no reviewer had heard when they came here, with the instants their ends reached us,
        oldest first, from where a page ended.
        """

    def count_unheard(self, most: int) -> int:
        """How many of these there are, up to `most`."""
