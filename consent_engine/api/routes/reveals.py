"""Revealing over HTTP: the number of one order and its subscriber's words, shown or as evidence; recorded first."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.schemas.forms import RevealOrder
from consent_engine.api.schemas.views import OrderView
from consent_engine.api.service.callers import AUDITOR, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.web.evidence_page import evidence_of
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey

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
