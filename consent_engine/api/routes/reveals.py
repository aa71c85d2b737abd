"""Revealing over HTTP: the number of one order and its subscriber's words, for a reason that is kept."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations
from consent_engine.api.http.bodies import read_json
from consent_engine.api.routes.orders import check_id
from consent_engine.api.schemas.acts import RevealOrder
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.views import OrderView
from consent_engine.api.service.callers import AUDITOR, visible
from consent_engine.api.service.service import front_of
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey

operations = Operations("orders", "/v1/orders")


@operations.add(
    "POST",
    "/{order_id}/reveal",
    AUDITOR,
    "Reveal an order's number",
    answers={200: OrderView},
    problems=(401, 403, 404, 413, 415, 422, 503),
    takes=openapi.body("RevealOrder"),
)
async def reveal(request: Request, caller: ApiKey, order_id: str) -> Response:
    """The order with its whole number and what its subscriber wrote, which are masked everywhere else. Who asked, when
    and why is kept before anything is shown, and stands on /audit. Role: auditor."""
    check_id(order_id)
    form = read(RevealOrder, await read_json(request))

    def shown(engine: Engine) -> bytes:
        order = visible(engine, order_id, caller)
        revealed = engine.reveals.reveal(order, caller.name, caller.role, form.reason)
        return OrderView.of(revealed, whole=True, looks=True).json_bytes()

    return Response(await front_of(request).ask(shown), media_type="application/json")
