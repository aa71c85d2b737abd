"""The port to calls in the archive, which keeps them once they are over."""

from collections.abc import Sequence
from typing import Protocol

from consent_engine.domain.call.call import Call


class CallArchive(Protocol):
    """The archive of calls that are over, kept whole. Every method raises ArchiveUnavailable, as the Archive's do."""

    def calls(self, ids: Sequence[str]) -> dict[str, Call]:
        """Return those of these calls that are archived."""

    def recall(self, keys: Sequence[str]) -> list[Call]:
        """Return the calls made under these request keys, and those whose recordings are reserved under one of them.
        Raises BrokenRecord for one that cannot be read.
        """

    def of_line(self, line: str, limit: int) -> list[str]:
        """Return the calls to one number, newest first."""

    def misfiled(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """As `Archive.misfiled`, for calls."""
