"""Marks in the log: for some numbers, the newest instant of all entries before. A search by time need not start at 0.

Entries are not in the order of their instants: a cell that could not be reached is sealed late. The newest instant
before a number only rises, so a search starts at the last mark older than the wanted instant, and misses nothing. Two
rows of `archive_meta`; a log older than the marks is searched from 0 up to its first mark. The marks only save time:
where they cannot be read they are made anew, and the search starts at 0.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select

from consent_engine.adapters.sql.tables import META, say
from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.days import DAY_MS
from consent_engine.domain.effects import Millis
from consent_engine.domain.seal import newest_of

NEWEST, MARKS = "log_newest", "log_marks"
STRIDE = 10_000
MOST_MARKS = 1_000
"""The largest number of marks; of more, every other one is deleted: the row stays short, however long the log is."""


def note(connection: Connection, size: int, fresh: Sequence[str], stride: int) -> None:
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


def before(connection: Connection, since: Millis) -> int:
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
