"""Merging: what another archive of the same data took while it was the one in use comes into the one that is now.

As after `consent archive --adopt` and going back: the records and entries of the time between are in the other alone.
"""

from collections.abc import Callable
from typing import NamedTuple

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.kept import PIECE
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.domain.effects import Millis
from consent_engine.domain.leaf import Chained, Leaf
from consent_engine.errors import BrokenRecord, SettingsError

ENTRIES = 4_000
Refusal = tuple[str, str]
"""A line, and the head of a restriction's name."""


class Merged(NamedTuple):
    """The result. records, entries: new here, or longer than they were · other: those that the archive does not take,
    since it has another record, or another history, under that id
    """

    records: int
    entries: int
    other: tuple[str, ...]


class ArchiveMerge:
    """One merge. It writes only what the archive lacks: after it died, or was typed twice, the same one goes on."""

    def __init__(self, source: SqlArchive, target: SqlArchive, tell: Callable[[str], None] = lambda _: None) -> None:
        self._source, self._target, self._tell = source, target, tell

    def run(self) -> Merged:
        """Merge. Raises SettingsError where the other archive is not of these data, or is the one in use, and
        ArchiveUnavailable where one of them cannot be asked.
        """
        self._source.must_stand = True  # where a volume is not mounted, no empty archive may be made and merged
        if self._source.id() == self._target.id():
            raise SettingsError("--from is the archive in use: name the other one")
        if self._source.owner() not in {"", self._target.owner()}:
            raise SettingsError(f"--from belongs to another installation ({self._source.owner()}): it is not merged")
        records, other = self._records()  # before the entries: one that an entry names, and is not there, is missing
        return Merged(records, self._entries(), tuple(other))

    def _records(self) -> tuple[int, list[str]]:
        merged, other = 0, list[str]()
        pairs = (
            (self._source, self._target), (self._source.calls, self._target.calls),
            (self._source.records, self._target.records),
        )  # fmt: skip
        for of, into in pairs:
            after = ""
            while rows := of.rows_after(after, PIECE):
                taken = into.take(rows)
                other += [row["id"] for row in rows if row["id"] not in taken]
                merged, after = merged + len(taken), rows[-1]["id"]
                self._tell(f"merged {merged:,} records")
        return merged, other

    def _entries(self) -> int:
        """Bring the entries. The newest of a refusal says whether it stands, and those brought now come after all
        others: so one that is older than what the log has of the same refusal is left out.
        """
        log, brought, read = SqlLog(self._target), 0, 0
        newest = self._newest(log)
        while rows := SqlLog(self._source).entries(read, ENTRIES):
            read = rows[-1][0] + 1
            brought += log.append([entry for _, entry, _ in rows if not _is_older(entry, newest)])
            self._tell(f"merged {brought:,} entries of the log")
        return brought

    def _newest(self, log: SqlLog) -> dict[Refusal, Millis]:
        """Return the newest instant that the log has of each refusal."""
        found, read = dict[Refusal, Millis](), 0
        while rows := log.entries(read, ENTRIES):
            read = rows[-1][0] + 1
            for leaf in filter(None, (_of_a_refusal(entry) for _, entry, _ in rows)):
                key = leaf.record, leaf.head
                found[key] = max(leaf.at, found.get(key, 0))
        return found


def _is_older(entry: str, newest: dict[Refusal, Millis]) -> bool:
    leaf = _of_a_refusal(entry)
    return leaf is not None and leaf.at < newest.get((leaf.record, leaf.head), 0)


def _of_a_refusal(entry: str) -> Leaf | None:
    """Return the leaf of a refusal in an entry; None for any other."""
    if not entry.startswith(f"{Chained.REFUSAL} "):
        return None
    try:
        return Leaf.decode(entry)
    except BrokenRecord:
        return None
