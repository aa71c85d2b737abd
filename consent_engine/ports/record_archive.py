"""The port to reports of calls and endings in the archive, where they go once nothing more becomes of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.ports.records import Owner


class RecordArchive(Protocol):
    """Keeps reports and endings that are over, whole. Every method raises ArchiveUnavailable, as the Archive's do."""

    def keep(self, owner: Owner, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Keep records of a kind as the store has them, in one transaction; the ids of those that are safely there."""

    def reports(self, ids: Sequence[str]) -> dict[str, Report]:
        """Those reports that are there."""

    def endings(self, ids: Sequence[str]) -> dict[str, Ending]:
        """Those endings that are there."""

    def listed(self, owner: Owner, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Records of a kind with the instants they came at, newest first, from where a page ended."""
