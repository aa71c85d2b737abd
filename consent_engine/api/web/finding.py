"""Finding orders on /ops: a light list with filters, whose URL can be kept, and a search by number or id.

A number is sent in a body only. An order takes less than 300 bytes: its timeline is on its own page.
"""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from starlette.requests import Request

from consent_engine.api.document.operations import Operations, visitor_of
from consent_engine.api.http.queries import Day, Paged
from consent_engine.api.schemas.lists import OrderRow
from consent_engine.api.schemas.views import AsOf, Listed
from consent_engine.api.service.callers import FULL_NUMBERS, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.web.rendering import MAY_OPEN
from consent_engine.domain.admission.fields import StrictForm
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import Msisdn, parse
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.errors import FieldError, Malformed, OrderNotFound
from consent_engine.ports import ApiKey
from consent_engine.ports.queries import OrderFilter

operations = Operations(whose=visitor_of)
WHOLE_ID = re.compile("[0-9a-f]{28}")
TAIL = re.compile("[0-9a-f]{6,27}")
_Word = Annotated[str, Field(min_length=1, max_length=64)]


class ListedOrders(Paged):
    """Filters and position of the list, as in the page's own URL."""

    limit: int = Field(20, ge=1, le=100)
    state: State | None = None
    agent: _Word | None = None
    plan: _Word | None = None
    carrier: Carrier | None = None
    since: Day | None = None


class Wanted(StrictForm):
    """A number, a whole id, or the last characters of one."""

    wanted: Annotated[str, Field(min_length=1, max_length=40)]


class Rows(Listed):
    """Orders in short, newest first."""

    orders: list[OrderRow]
    cursor: str


@operations.add("GET", "/ops/orders", MAY_OPEN["/ops"])
async def listed(request: Request, caller: ApiKey, form: ListedOrders) -> bytes:
    """A page of orders. Roles: ops and auditor (masked)."""
    since = front_of(request).days.begins(form.since) if form.since else None
    wanted = OrderFilter(
        form.state, form.agent, form.plan, since=since, carrier=form.carrier.value if form.carrier else None
    )

    def found(engine: Engine, as_of: AsOf) -> bytes:
        page = engine.orders(wanted, form.cursor, form.limit)
        return _rows(page.orders, page.cursor, caller, as_of)

    return await front_of(request).listed(found, waits=form.wait)


@operations.add("POST", "/ops/find", MAY_OPEN["/ops"])
async def find(request: Request, caller: ApiKey, form: Wanted) -> bytes:
    """The orders of a number, or those whose id is this or ends with it. Roles: ops and auditor (masked)."""
    wanted = form.wanted.strip().lower()
    return await front_of(request).listed(
        lambda engine, as_of: _rows(_search(engine, wanted, caller), "", caller, as_of)
    )


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


def _rows(orders: Sequence[Order], cursor: str, caller: ApiKey, as_of: AsOf) -> bytes:
    whole = caller.role in FULL_NUMBERS
    return Rows(orders=[OrderRow.of(order, whole=whole) for order in orders], cursor=cursor, as_of=as_of).json_bytes()
