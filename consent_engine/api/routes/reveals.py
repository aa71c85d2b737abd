"""Revealing over HTTP: show the number of one order and its subscriber's words, and keep the reason."""

from starlette.requests import Request

from consent_engine.api.document.operations import Operations
from consent_engine.api.schemas.forms import RevealOrder
from consent_engine.api.schemas.views import OrderView
from consent_engine.api.service.callers import AUDITOR, visible
from consent_engine.api.service.service import front_of
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
