"""Revealing over HTTP: the number of one order and its subscriber's words, shown or as evidence, and the numbers of a
list of orders; recorded first.
"""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.schemas.forms import ExportOrders, RevealOrder
from consent_engine.api.schemas.lists import ExportedOrder, OrderExport
from consent_engine.api.schemas.views import OrderView
from consent_engine.api.service.callers import AUDITOR, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.web.evidence_page import evidence_of
from consent_engine.domain.days import millis
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey
from consent_engine.ports.queries import OrderFilter

operations = Operations("orders", "/v1/orders")


@operations.add("POST", "/{order_id}/reveal", AUDITOR, "Reveal an order's number", OrderView)
async def reveal(request: Request, caller: ApiKey, form: RevealOrder, order_id: str) -> bytes:
    """The order with its full number and the subscriber's replies, which are masked for this role elsewhere. The
    caller's name, time and reason are stored before anything is shown, and listed on /audit. Role: auditor."""

    def shown(engine: Engine) -> bytes:
        order = visible(engine, order_id, caller)
        revealed = engine.reveals.reveal(order, caller.name, caller.role, form.reason)
        return OrderView.of(revealed, whole=True, looks=True).json_bytes()

    return await front_of(request).ask(shown)


@operations.add("POST", "/export", AUDITOR, "Export orders with their numbers", OrderExport)
async def export(request: Request, caller: ApiKey, form: ExportOrders) -> OrderExport:
    """Orders of a list with their full numbers, newest first, up to 10,000 at once. The caller's name, time and reason,
    the filter and the number of orders are stored before anything is shown, as one reveal, and listed on /audit. Role:
    auditor."""
    since = millis(form.since) if form.since else None
    wanted = OrderFilter(form.state, form.agent, form.plan, since=since)

    def exported(engine: Engine) -> OrderExport:
        found = engine.reveals.export(
            wanted, form.cause, caller.name, caller.role, form.reason, form.cursor, form.limit
        )
        return OrderExport(orders=[ExportedOrder.of(order) for order in found.orders], cursor=found.cursor)

    return await front_of(request).ask_long(exported)


EVIDENCE = {
    200: {
        "description": "The evidence file: docs/evidence.schema.json",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@operations.add("GET", "/{order_id}/evidence", AUDITOR, "Get the evidence of an order", EVIDENCE)
async def evidence(request: Request, caller: ApiKey, order_id: str) -> Response:
    """All that is known of an order, with the proof of it, as a file that its reader checks with nothing but itself
    (`consent verify`). It has the full number and the subscriber's words: it is recorded first, as a reveal is. Role:
    auditor."""
    made = await evidence_of(request, caller, order_id)
    return answered(made, headers={"Content-Disposition": f'attachment; filename="evidence-{order_id}.json"'})
