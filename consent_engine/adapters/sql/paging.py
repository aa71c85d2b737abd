"""Pages of lists: in the order of an instant, ties by id, behind the last row of the page before."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Select, tuple_

from consent_engine.ports import Kept, R
from consent_engine.ports.queries import Paged, Position

Wanted = TypeVar("Wanted", bound=Select[Any])


def behind(
    rows: Wanted, at: Column[Any], name: Column[Any], last: Position | None, limit: int,
    *, oldest_first: bool = False,
) -> Wanted:  # fmt: skip
    """Return the rows of one page, newest first. last: the last row of the page before"""
    if last is not None:
        place = tuple_(at, name)
        rows = rows.where(place > last if oldest_first else place < last)
    return rows.order_by(*((at, name) if oldest_first else (at.desc(), name.desc()))).limit(limit)


def page_of(rows: Sequence[Any], at: str, limit: int, read: Callable[[Any], Kept[R]]) -> Paged[R]:
    """Return the records of a page's rows. at: the name of their instant. One that cannot be read is left out, and
    logged.
    """
    last = rows[-1] if rows and len(rows) == limit else None
    records = tuple(kept.record for row in rows if (kept := read(row)).record is not None)
    return Paged(records, (getattr(last, at), last.id) if last is not None else None)
