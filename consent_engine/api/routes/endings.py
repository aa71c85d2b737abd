"""Endings over HTTP: an activated order is taken back, once, and how that stands."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations
from consent_engine.api.http.bodies import read_json
from consent_engine.api.routes.orders import check_id
from consent_engine.api.schemas.endings import EndingView, EndOrder
from consent_engine.api.schemas.forms import read
from consent_engine.api.service.callers import AGENT_OR_OPS, visible
from consent_engine.api.service.service import front_of
from consent_engine.domain.call.ending import Cause, Ending, Why
from consent_engine.engine.endings import EndingTaken
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey

operations = Operations("endings", "/v1/orders")


@operations.add(
    "POST",
    "/{order_id}/end",
    AGENT_OR_OPS,
    "Take an activated order back",
    answers={201: EndingView, 200: EndingView},
    problems=(401, 403, 404, 409, 413, 415, 422, 503),
    takes=openapi.body("EndOrder"),
)
async def end(request: Request, caller: ApiKey, order_id: str) -> Response:
    """The service is switched off at the BSS and the subscriber is told, archived orders too. One ending an order:
    asked again it is the same one (200). 409 `not_activated`, `number_erased` once nobody knows whose it was. Roles:
    agent (own), ops."""
    check_id(order_id)
    form = read(EndOrder, await read_json(request))
    why = Why(Cause(form.cause), form.channel, caller.name, form.reason)

    def ended(engine: Engine) -> EndingTaken:
        return engine.endings.ask(visible(engine, order_id, caller), why)

    taken = await front_of(request).ask(ended)
    return _shown(taken.ending, 201 if taken.is_new else 200, {"Location": f"/v1/orders/{order_id}/end"})


@operations.add(
    "GET",
    "/{order_id}/end",
    AGENT_OR_OPS,
    "Show an order's ending",
    answers={200: EndingView},
    problems=(401, 403, 404, 503),
)
async def show(request: Request, caller: ApiKey, order_id: str) -> Response:
    """How the ending stands; 404 `ending_not_found` where nobody asked for one. Roles: agent (own), ops."""
    check_id(order_id)

    def found(engine: Engine) -> Ending:
        return engine.endings.show(visible(engine, order_id, caller).id)

    return _shown(await front_of(request).ask(found))


def _shown(ending: Ending, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(EndingView.of(ending).json_bytes(), status, headers, "application/json")
