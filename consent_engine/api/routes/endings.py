"""Endings over HTTP: take an activated order back, once, and show how far that is."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.schemas.endings import EndingView, EndOrder
from consent_engine.api.service.callers import AGENT_OR_OPS, visible
from consent_engine.api.service.service import front_of
from consent_engine.domain.call.ending import Cause, EndingNotFound, NumberErased, Why
from consent_engine.engine.engine import Engine
from consent_engine.errors import NotActivated
from consent_engine.ports import ApiKey

operations = Operations("endings", "/v1/orders")


@operations.add(
    "POST",
    "/{order_id}/end",
    AGENT_OR_OPS,
    "End the service of an activated order",
    {201: EndingView, 200: EndingView},
    problems=(NotActivated, NumberErased),
)
async def end(request: Request, caller: ApiKey, form: EndOrder, order_id: str) -> Response:
    """The BSS switches the service off, and the subscriber gets an SMS; archived orders can be ended, too. An order
    has one ending: asking again returns it (200). 409 `not_activated`; 409 `number_erased` once the subscriber's number
    was erased. Roles: agent (own), ops."""
    why = Why(Cause(form.cause), form.channel, caller.name, form.reason)

    def ended(engine: Engine) -> tuple[EndingView, bool]:
        asked = engine.endings.ask(visible(engine, order_id, caller), why)
        return EndingView.of(asked.ending, engine.endings.notice(asked.ending)), asked.is_new

    view, is_new = await front_of(request).ask(ended)
    to = {"Location": f"/v1/orders/{order_id}/end"}
    return answered(view, 201 if is_new else 200, to)


@operations.add(
    "GET", "/{order_id}/end", AGENT_OR_OPS, "Show an order's ending", EndingView, problems=(EndingNotFound,)
)
async def show(request: Request, caller: ApiKey, order_id: str) -> EndingView:
    """The state of the ending; 404 `ending_not_found` if none was requested. Roles: agent (own), ops."""

    def found(engine: Engine) -> EndingView:
        ending = engine.endings.show(visible(engine, order_id, caller).id)
        return EndingView.of(ending, engine.endings.notice(ending))

    return await front_of(request).ask(found)
