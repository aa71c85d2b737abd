"""Marks in the log: up to some numbers, the newest instant before. So a search by time need not begin at 0.

Entries do not stand in the order of their instants: a cell that could not be reached is sealed late. The newest instant
before a number only rises, so the last mark that is older than what is looked for is where to begin, and nothing is
missed. Two rows of `archive_meta`; a log that is older than them is looked at from 0 up to its first mark.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select

from consent_engine.adapters.sql.tables import META, say
from consent_engine.domain.days import DAY_MS
from consent_engine.domain.effects import Millis
from consent_engine.domain.leaf import newest_of

NEWEST, MARKS = "log_newest", "log_marks"
STRIDE = 10_000
MOST_MARKS = 1_000
"""Of more, every other one goes: the row stays short, however long the log is."""


def note(connection: Connection, size: int, fresh: Sequence[str], stride: int) -> None:
    """Note the entries that were just numbered from `size` on; in their transaction."""
    kept = _value(connection, NEWEST)
    newest = max(int(kept) if kept else 0, newest_of(fresh))  # of what cannot be read the audit tells
    if not kept and size:  # what stands before was never looked at; no clock was a day ahead
        newest += DAY_MS
    say(connection, NEWEST, str(newest))
    end = size + len(fresh)
    if size // stride == end // stride:
        return
    marks = [*_marks(connection), (end, newest)]
    say(connection, MARKS, json.dumps(marks[1::2] if len(marks) > MOST_MARKS else marks))


def before(connection: Connection, since: Millis) -> int:
    """The last mark before which everything is older; 0 where there is none."""
    return max((n for n, newest in _marks(connection) if newest < since), default=0)


def _marks(connection: Connection) -> list[tuple[int, Millis]]:
    return [(n, newest) for n, newest in json.loads(_value(connection, MARKS) or "[]")]


def _value(connection: Connection, name: str) -> str | None:
    found: str | None = connection.execute(select(META.c.value).where(META.c.name == name)).scalar()
    return found
