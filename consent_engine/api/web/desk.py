"""The data of /desk for an agent: the orders placed with the agent's key since midnight, and what a number has open."""

from pydantic import Field
from starlette.requests import Request

from consent_engine.api.document.operations import Operations, visitor_of
from consent_engine.api.schemas.calls import WorkdayView
from consent_engine.api.schemas.forms import Number
from consent_engine.api.schemas.lists import OrderRow
from consent_engine.api.schemas.views import AsOf, Listed, View, instant
from consent_engine.api.service.callers import AGENT, is_own
from consent_engine.api.service.service import front_of
from consent_engine.domain.forms import StrictForm
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.confirmation_fields import elements
from consent_engine.domain.texts.words import CHINESE
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey
from consent_engine.ports.queries import OrderFilter

operations = Operations(whose=visitor_of)
MOST_SHOWN, PAGE, PAGES = 50, 200, 5
"""Up to 50 of an agent's own orders, found among the newest thousand of the day."""
LOOKED_S = 1.0
"""The orders of a key are looked up at most once in this many seconds."""


class OwnOrders(Listed):
    """The orders that one key placed today, newest first, and what came of its day so far."""

    orders: list[OrderRow]
    since: str = Field(description="when the day began")
    cut: bool = Field(description="more orders were placed today than were looked at")
    day: WorkdayView


class Asked(StrictForm):
    """A number that is to be dialled."""

    msisdn: Number


class OpenOrderView(View):
    """An open order of a number: another for the same plan would be refused."""

    plan: str
    name: str
    order: str | None = Field(description="its id; null: another agent placed it")


class OpenOrders(View):
    """The open orders of one number."""

    orders: list[OpenOrderView]


@operations.add("POST", "/desk/open", AGENT)
def open_orders(engine: Engine, caller: ApiKey, form: Asked) -> OpenOrders:
    """What a number has been asked already, before it is dialled. Role: agent."""
    entries = [each for each in engine.line(Msisdn(form.msisdn)).entries if each.is_open]
    found = engine.records.look({Order: [each.order for each in entries]}).of(Order) if entries else {}
    shown = [
        OpenOrderView(
            plan=order.doc.plan,
            name=elements(order.doc.carrier, order.doc.offer.tariff, CHINESE).name,
            order=order.id if is_own(order, caller) else None,
        )
        for order in found.values()
        if not order.state.settled
    ]
    return OpenOrders(orders=shown)


@operations.add("GET", "/desk/mine", AGENT)
async def mine(request: Request, caller: ApiKey) -> bytes:
    front = front_of(request)

    async def asked() -> bytes:  # one at a time: many agents come back at once
        return await front.listed(lambda engine, as_of: look(engine, caller, as_of).json_bytes(), long=True)

    return await front.recent.of(("own", caller.name), LOOKED_S, asked)


def look(engine: Engine, caller: ApiKey, as_of: AsOf) -> OwnOrders:
    """Find a key's orders among the newest of today, and count its day."""
    days = engine.terms.reporting.days
    now = engine.registry.now()
    since = days.begins(days.of(now))
    found: list[OrderRow] = []
    cursor = ""
    for _ in range(PAGES):
        page = engine.orders(OrderFilter(since=since), cursor, PAGE)
        found += (OrderRow.of(order, whole=True) for order in page.orders if is_own(order, caller))
        cursor = page.cursor
        if not cursor or len(found) >= MOST_SHOWN:
            break
    day = WorkdayView.shown(engine.calls.own_day(caller.name, caller.created_at, now))
    return OwnOrders(orders=found[:MOST_SHOWN], since=instant(since), cut=bool(cursor), day=day, as_of=as_of)
