"""The port to calls in the archive, which keeps and lists them once they are over, and the filter for such lists."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.effects import Millis


class CallFilter(Struct, frozen=True):
    """The calls to list; a field of None admits all. since, until: began at or after, and before · violation: only
    calls with this violation; ANY: with any · verdict: only recorded calls with this verdict, in the store alone
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
"""The value of a violation filter that admits every violation."""


class CallArchive(Protocol):
    """The archive of calls that are over, kept whole. Every method raises ArchiveUnavailable, as the Archive's do."""

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Keep calls as the store has them, in one transaction. Return the ids of those that are safely archived."""

    def calls(self, ids: Sequence[str]) -> dict[str, Call]:
        """Return those of these calls that are archived."""

    def recall(self, keys: Sequence[str]) -> list[Call]:
        """Return the calls made under these request keys, and those whose recordings are reserved under one of them.
        Raises BrokenRecord for one that cannot be read.
        """

    def of_line(self, line: str, limit: int) -> list[str]:
        """Return the calls to one number, newest first."""

    def listed(self, wanted: CallFilter, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Return calls with the instants they began at, newest first. before: the last row of the page before"""

    def unheard(self, after: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Return recorded calls that no reviewer had heard when they were archived, with the instants their ends
        reached us, oldest first. after: the last row of the page before
        """

    def count_unheard(self, most: int) -> int:
        """Return how many such unheard calls there are, up to `most`."""

    def misfiled(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """As `Archive.misfiled`, for calls."""
