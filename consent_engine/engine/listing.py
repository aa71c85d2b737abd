"""Lists of orders and refusals, newest first, a page at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from consent_engine.domain.effects import Millis
from consent_engine.domain.inbox import Attempt, SmsReports
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Restriction
from consent_engine.domain.order.order import Order
from consent_engine.errors import ArchiveUnavailable, FieldError, Malformed
from consent_engine.ports import Records
from consent_engine.ports.queries import Paged, Position

T = TypeVar("T")
MOST_LOOKED_AT = 2_000
"""Most records that one page looks at: a filter that fits few gives a short page and a cursor to continue."""
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Page:
    """A page of orders. cursor: of the next page, '' at the end."""

    orders: tuple[Order, ...]
    cursor: str


def fitting(
    read: Callable[[Position | None], tuple[list[tuple[str, Millis]], Mapping[str, T]]], fits: Callable[[T], bool],
    cursor: str, limit: int, since: Millis | None = None, most: int = MOST_LOOKED_AT,
) -> tuple[tuple[T, ...], str]:  # fmt: skip
    """Return up to `limit` records that fit, newest first, and the cursor to continue with, '' at the end.

    read: returns the next CHUNK records behind a position, with their instants, and those of them that can be read ·
    since: no older record fits · most: how many are looked at. Raises Malformed for a cursor that no list handed out,
    and ArchiveUnavailable.
    """
    before = read_cursor(cursor)
    found: list[T] = []
    for _ in range(most // CHUNK):
        try:
            rows, known = read(before)
        except ArchiveUnavailable:
            if not found:
                raise
            break  # those found so far can be shown; the cursor continues where they end
        for record, at in rows:
            before = (at, record)
            if record in known and fits(known[record]):
                found.append(known[record])
            if len(found) == limit:
                return tuple(found), f"{at}-{record}"
        if not rows or (since is not None and rows[-1][1] < since):
            return tuple(found), ""
    return tuple(found), f"{before[0]}-{before[1]}" if before else ""


def with_live(listed: Paged[Order], live: Mapping[str, Order], before: Position | None, limit: int) -> Paged[Order]:
    """Return a page of a number's orders with those that the store has in place of their rows, which are some moments
    older, or not there yet.
    """
    found = {order.id: order for order in listed.rows}
    found |= {order.id: order for order in live.values() if before is None or _place(order) < before}
    rows = sorted(found.values(), key=_place, reverse=True)
    more = listed.last is not None or len(rows) > limit
    return Paged(tuple(rows[:limit]), _place(rows[limit - 1]) if more and len(rows) >= limit else listed.last)


def _place(order: Order) -> Position:
    return order.doc.placed_at, order.id


def page_of(found: Paged[Order]) -> Page:
    return Page(found.rows, cursor_of(found.last))


def cursor_of(last: Position | None) -> str:
    """Return the cursor of the next page: '' at the end."""
    return f"{last[0]}-{last[1]}" if last else ""


@dataclass(frozen=True, slots=True)
class RefusalsPage:
    """A page of refusals with their numbers."""

    rows: tuple[tuple[str, Restriction], ...]
    cursor: str


def read_cursor(cursor: str) -> tuple[Millis, str] | None:
    """Read where a page ended. Raises Malformed for a text that no page gave."""
    if not cursor:
        return None
    at, dash, name = cursor.partition("-")
    if not (at.isdecimal() and len(at) < 16 and dash and name.isprintable()):  # noqa: PLR2004 - digits of an instant
        raise Malformed([FieldError("cursor", "invalid_cursor", "take it from the page before, as it is")])
    return int(at), name


def part_reports(records: Records, line_id: str, owner: str) -> Iterator[tuple[str, Attempt]]:
    """Yield the long SMS of an order, or of the line itself, with the reports on the parts of each attempt."""
    line = records.look({Line: [line_id]}).of(Line).get(line_id)
    for name, kept in sorted(line.reports.items()) if line is not None else ():
        of, _, sms = name.partition(".")
        if of == owner:
            yield from ((sms, attempt) for attempt in SmsReports.decode(kept, 0).attempts)
