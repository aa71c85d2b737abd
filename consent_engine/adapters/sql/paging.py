"""Pages of lists: in the order of an instant, ties by id, behind the last row of the page before."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Select, tuple_

from consent_engine.errors import BrokenRecord
from consent_engine.ports.queries import Paged, Position

log = logging.getLogger(__name__)
T = TypeVar("T")
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


def page_of(rows: Sequence[Any], at: str, limit: int, read: Callable[[Any], T]) -> Paged[T]:
    """Return the records of a page's rows. at: the name of their instant. One that cannot be read is left out, and
    logged.
    """
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except BrokenRecord as error:
            log.error("%s: %s", row.id, error)
    last = rows[-1] if rows and len(rows) == limit else None
    return Paged(tuple(found), (getattr(last, at), last.id) if last is not None else None)
