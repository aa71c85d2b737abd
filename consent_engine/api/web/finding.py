"""Finding orders on /ops: a light list with filters, whose URL can be kept, all of it as CSV; a search by number or id.

A number is sent in a body only. An order takes less than 300 bytes: its timeline is on its own page.
"""

import csv
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from io import StringIO
from typing import Annotated
from unicodedata import normalize

from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from consent_engine.api.document.operations import Operations, visitor_of
from consent_engine.api.http.queries import Day, Paged
from consent_engine.api.schemas.lists import OrderRow
from consent_engine.api.schemas.views import AsOf, Listed
from consent_engine.api.service.callers import FULL_NUMBERS, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.web.rendering import MAY_OPEN, when
from consent_engine.api.web.words import language_of, words
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.days import Days
from consent_engine.domain.forms import StrictForm
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import Msisdn, parse
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.engine.listing import Page
from consent_engine.errors import ConsentError, FieldError, Malformed, OrderNotFound
from consent_engine.ports import ApiKey
from consent_engine.ports.queries import OrderFilter

operations = Operations(whose=visitor_of)
A_PIECE, MOST_EXPORTED = 200, 100_000
"""Orders that are read at once for a file, and the most in one."""
_COLUMNS = ("ops.order", "ops.placed_at", "ops.state", "ops.number", "ops.carrier", "ops.plan", "ops.agent")
WHOLE_ID = re.compile("[0-9a-f]{28}")
TAIL = re.compile("[0-9a-f]{6,27}")
_Word = Annotated[str, Field(min_length=1, max_length=64)]


class ListedOrders(Paged):
    """Filters and position of the list, as in the page's own URL."""

    state: State | None = None
    agent: _Word | None = None
    plan: _Word | None = None
    carrier: Carrier | None = None
    since: Day | None = None
    until: Day | None = None

    def wanted(self, days: Days) -> OrderFilter:
        return OrderFilter(
            self.state, self.agent, self.plan, carrier=self.carrier.value if self.carrier else None,
            since=days.begins(self.since) if self.since else None, until=days.ends(self.until) if self.until else None,
        )  # fmt: skip


class Wanted(StrictForm):
    """A number, a whole id, or the last characters of one."""

    wanted: Annotated[str, Field(min_length=1, max_length=40)]


class Rows(Listed):
    """Orders in short, newest first."""

    orders: list[OrderRow]
    cursor: str


@operations.add("GET", "/ops/orders", MAY_OPEN["/ops"])
def listed(engine: Engine, caller: ApiKey, form: ListedOrders, as_of: AsOf) -> Rows:
    """A page of orders. Roles: ops and auditor (masked)."""
    page = engine.orders(form.wanted(engine.terms.reporting.days), form.cursor, form.limit)
    return _rows(page.orders, page.cursor, caller, as_of)


@operations.add("GET", "/ops/orders.csv", MAY_OPEN["/ops"])
async def exported(request: Request, caller: ApiKey, form: ListedOrders) -> Response:
    """All orders that the filters admit, newest first, as a CSV file; past MOST_EXPORTED its last line says that more
    were left out. The connection breaks where the visitor may not see them any more, or the store is away: what came
    looks like no whole file. Roles: ops and auditor (masked).
    """
    front, said = front_of(request), words(language_of(request))
    wanted, whole = form.wanted(front.days), caller.role in FULL_NUMBERS

    async def page(cursor: str) -> Page:
        return await front.listed(lambda engine, _: engine.orders(wanted, cursor, A_PIECE), long=True)

    async def lines(found: Page) -> AsyncIterator[str]:
        yield "\ufeff" + _line(said[name] for name in _COLUMNS)
        for _ in range(MOST_EXPORTED // A_PIECE):
            for order in found.orders:
                row = OrderRow.of(order, whole=whole)
                at, state = when(front.days, row.created_at), said[f"state.{row.state}"]
                number, carrier = row.msisdn.removeprefix("+"), said[f"carrier.{row.carrier}"]
                yield _line((row.id, at, state, number, carrier, row.plan, row.agent))
            if not found.cursor:
                return
            found = await _while_allowed(request, caller, partial(page, found.cursor))
        yield _line([said["list.csv_cut"].format(n=MOST_EXPORTED)])

    headers = {"Content-Disposition": 'attachment; filename="orders.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(await page("")), headers=headers, media_type="text/csv; charset=utf-8")


async def _while_allowed(request: Request, caller: ApiKey, page: Callable[[], Awaitable[Page]]) -> Page:
    """Return a further page. Raises ClientDisconnect for a visitor who is not signed in as before, and where there is
    none: no answer is left to give but a broken connection.
    """
    try:
        if await visitor_of(request, MAY_OPEN["/ops"]) == caller:
            return await page()
    except ConsentError:
        raise ClientDisconnect from None
    raise ClientDisconnect


def _line(values: Iterable[str]) -> str:
    """Write a line of CSV, in which no value is a formula to a spreadsheet, also in the full-width signs of Chinese."""
    written, signs = StringIO(), tuple("=+-@\t\r")
    csv.writer(written).writerow([f"'{each}" if normalize("NFKC", each).startswith(signs) else each for each in values])
    return written.getvalue()


@operations.add("POST", "/ops/find", MAY_OPEN["/ops"])
def find(engine: Engine, caller: ApiKey, form: Wanted, as_of: AsOf) -> Rows:
    """The orders of a number, or those whose id is this or ends with it. Roles: ops and auditor (masked)."""
    return _rows(_search(engine, form.wanted.strip().lower(), caller), "", caller, as_of)


def _search(engine: Engine, wanted: str, caller: ApiKey) -> list[Order]:
    """Return the orders found. Raises Malformed if `wanted` is neither a number nor an id."""
    try:
        number = parse(wanted)
    except Malformed:
        number = None
    if number is not None:
        return list(engine.orders_of(Msisdn(number)).orders)
    if WHOLE_ID.fullmatch(wanted):
        try:
            return [visible(engine, wanted, caller)]
        except OrderNotFound:
            return []
    if TAIL.fullmatch(wanted):
        return engine.orders_ending(wanted)
    raise Malformed([FieldError("wanted", "neither", "must be a number, an order's id, or its last 6 characters")])


def _rows(orders: Sequence[Order], cursor: str, caller: ApiKey, as_of: AsOf) -> Rows:
    whole = caller.role in FULL_NUMBERS
    return Rows(orders=[OrderRow.of(order, whole=whole) for order in orders], cursor=cursor, as_of=as_of)
