"""The log: every leaf of every cell's journal, once, numbered densely from 0; and the scribe's transaction."""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.bulk import bulk
from consent_engine.adapters.sql.kept import PIECE
from consent_engine.adapters.sql.lines import keep_lines
from consent_engine.adapters.sql.public_log import SqlFeeds, SqlPublicLog
from consent_engine.adapters.sql.tables import LOG, META, PLANS, PROOF, SIZE, hold, say
from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.days import DAY_MS
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.seal import newest_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import LineKept, Log, Owner, Writing
from consent_engine.ports.archive import PlansKept

LONGEST, MOST = 20, 10**15
"""The most digits of a count that are read, and the most entries that any log will have."""


NEWEST, MARKS = "log_newest", "log_marks"
STRIDE = 10_000
MOST_MARKS = 1_000
"""The largest number of marks; of more, every other one is deleted: the row stays short, however long the log is."""


class SqlLog(Log):
    """The Log beside the archive's orders. An entry that is in it already is recognised by its hash. stride: how many
    entries lie between two marks
    """

    def __init__(self, archive: SqlArchive, stride: int = STRIDE) -> None:
        self.archive = archive
        self.public = SqlPublicLog(archive)
        self.feeds = SqlFeeds(archive)
        self._stride = stride

    @contextmanager
    def writing(self) -> Iterator["SqlWriting"]:
        with self.archive.asking() as connection:
            hold(connection)
            yield SqlWriting(self.archive, connection, self._stride)

    def among(self, entries: Set[str]) -> set[str]:
        named = {digest(entry): entry for entry in entries}
        with self.archive.asking() as connection:
            return {named[leaf] for leaf in _there(connection, list(named))}

    def ends(self) -> tuple[int, int]:
        with self.archive.asking() as connection:
            return _ends(connection)

    def end(self) -> int:
        """Return the number behind the last entry, with any count. Raises ArchiveUnavailable."""
        with self.archive.asking() as connection:
            return _end(connection)

    def recount(self) -> int | None:
        with self.archive.asking() as connection:
            hold(connection)
            try:
                _ends(connection)
            except BrokenRecord:
                end = _end(connection)
                say(connection, SIZE, str(end))
                return end
        return None

    def begins(self, since: Millis) -> int:
        with self.archive.asking() as connection:
            return mark_before(connection, since)

    def entries(self, first: int, most: int) -> list[tuple[int, str, str]]:
        wanted = select(LOG.c.n, LOG.c.entry, LOG.c.leaf).where(LOG.c.n >= first).order_by(LOG.c.n).limit(most)
        with self.archive.asking() as connection:
            return [(n, entry, leaf) for n, entry, leaf in connection.execute(wanted)]

    def newest(self, most: int) -> list[tuple[int, str, str]]:
        wanted = select(LOG.c.n, LOG.c.entry, LOG.c.leaf).order_by(LOG.c.n.desc()).limit(most)
        with self.archive.asking() as connection:
            return [(n, entry, leaf) for n, entry, leaf in connection.execute(wanted)][::-1]


class SqlWriting(Writing):
    """One transaction of the scribe, which holds the log's head."""

    def __init__(self, archive: SqlArchive, connection: Connection, stride: int) -> None:
        self._archive = archive
        self._connection = connection
        self._stride = stride

    def records(self, owner: Owner, records: Mapping[str, Mapping[str, str]], *, gone: bool = False) -> set[str]:
        return self._archive.table_of(owner).keep_in(self._connection, owner, records, gone=gone)

    def lines(self, lines: Mapping[str, LineKept]) -> None:
        keep_lines(self._connection, lines, self._archive.seal)

    def plans(self, kept: PlansKept) -> None:
        say(self._connection, PROOF, kept.secret)
        self._connection.execute(delete(PLANS))
        if rows := [{"code": code, "kept": compact(dict(fields))} for code, fields in kept.plans.items()]:
            self._connection.execute(insert(PLANS), rows)

    def append(self, entries: Sequence[str]) -> int:
        wanted = {digest(entry): entry for entry in entries}
        try:
            with self._connection.begin_nested():
                return self._append(wanted, look_at=1)
        except IntegrityError:  # a later entry is in the log already, as after a failover that lost a journal's end
            return self._append(wanted, look_at=len(wanted))

    def _append(self, wanted: Mapping[str, str], look_at: int) -> int:
        """Number the entries that are not in the log; where none of the first `look_at` is, all are taken for new.
        Entries of a reader that died before it removed them from the journal are the first that the next reader gets.
        """
        connection, leaves = self._connection, list(wanted)
        _, size = _ends(connection)
        there = _there(connection, leaves[:look_at])
        if there and look_at < len(leaves):
            there |= _there(connection, leaves[look_at:])
        fresh = [(leaf, entry) for leaf, entry in wanted.items() if leaf not in there]
        if fresh:
            rows = [{"n": n, "leaf": leaf, "entry": entry} for n, (leaf, entry) in enumerate(fresh, size)]
            bulk(connection, LOG, rows)
            connection.execute(update(META).where(META.c.name == SIZE).values(value=str(size + len(fresh))))
            _mark(connection, size, [entry for _, entry in fresh], self._stride)
        return len(fresh)


def _ends(connection: Connection) -> tuple[int, int]:
    """Return the number behind the last entry, and the count. Raises BrokenRecord for a count that cannot be."""
    counted = select(META.c.value).where(META.c.name == SIZE).scalar_subquery()
    kept, last = connection.execute(select(counted, select(func.max(LOG.c.n)).scalar_subquery())).one()
    end = 0 if last is None else int(last) + 1
    if kept is None or not (kept.isascii() and kept.isdecimal()) or not end <= int(kept[:LONGEST]) <= MOST:
        said = f"its count of entries (archive_meta, {SIZE}) says {kept!r:.20}"
        raise BrokenRecord(f"{said}, and {end:,} are there: consent doctor --mend counts them")
    return end, int(kept)


def _end(connection: Connection) -> int:
    last = connection.execute(select(func.max(LOG.c.n))).scalar()
    return 0 if last is None else int(last) + 1


def _there(connection: Connection, leaves: Sequence[str]) -> set[str]:
    """Return those of these leaves that the log has."""
    found = set[str]()
    for piece in (leaves[n : n + PIECE] for n in range(0, len(leaves), PIECE)):
        found.update(connection.execute(select(LOG.c.leaf).where(LOG.c.leaf.in_(piece))).scalars())
    return found


# -- marks: for some numbers, the newest instant of all entries before. A search by time need not start at 0. ----------
#
# Entries are not in the order of their instants: a cell that could not be reached is sealed late. The newest instant
# before a number only rises, so a search starts at the last mark older than the wanted instant, and misses nothing. Two
# rows of `archive_meta`; a log older than the marks is searched from 0 up to its first mark. The marks only save time:
# where they cannot be read they are made anew, and the search starts at 0.


def _mark(connection: Connection, size: int, fresh: Sequence[str], stride: int) -> None:
    """Update the marks for entries just numbered from `size` on, in the same transaction."""
    kept = _value(connection, NEWEST) or ""
    kept = kept if kept.isascii() and kept.isdecimal() else ""
    newest = max(int(kept or 0), newest_of(fresh))  # unreadable entries are reported by the audit
    if not kept and size:  # earlier entries were never looked at; no clock was more than a day ahead
        newest += DAY_MS
    say(connection, NEWEST, str(newest))
    end = size + len(fresh)
    if size // stride == end // stride:
        return
    marks = [*_marks(connection), (end, newest)]
    say(connection, MARKS, json.dumps(marks[1::2] if len(marks) > MOST_MARKS else marks))


def mark_before(connection: Connection, since: Millis) -> int:
    """Return the last mark before which every entry is older than `since`; 0 where there is none."""
    return max((n for n, newest in _marks(connection) if newest < since), default=0)


def _marks(connection: Connection) -> list[tuple[int, Millis]]:
    try:
        return _READ(_value(connection, MARKS) or "[]")
    except ValueError:
        return []


_READ = Reader(list[tuple[int, Millis]])


def _value(connection: Connection, name: str) -> str | None:
    found: str | None = connection.execute(select(META.c.value).where(META.c.name == name)).scalar()
    return found
