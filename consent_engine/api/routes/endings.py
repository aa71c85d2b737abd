"""Endings over HTTP: take an activated order back, once, and show how far that is."""

from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.schemas.endings import EndingView, EndOrder
from consent_engine.api.service.callers import AGENT_OR_OPS, visible
from consent_engine.domain.call.ending import Cause, EndingNotFound, NumberErased, Why
from consent_engine.engine.engine import Engine
from consent_engine.errors import NotActivated
from consent_engine.ports import ApiKey

operations = Operations("endings", "/v1/orders")


@operations.add(
    "POST", "/{order_id}/end", AGENT_OR_OPS, "End the service of an activated order",
    {201: EndingView, 200: EndingView}, problems=(NotActivated, NumberErased),
)  # fmt: skip
def end(engine: Engine, caller: ApiKey, form: EndOrder, order_id: str) -> Response:
    """The BSS switches the service off, and the subscriber gets an SMS; archived orders can be ended, too. An order
    has one ending: asking again returns it (200). 409 `not_activated`; 409 `number_erased` once the subscriber's number
    was erased. Roles: agent (own), ops."""
    why = Why(Cause(form.cause), form.channel, caller.name, form.reason)
    asked = engine.endings.ask(visible(engine, order_id, caller), why)
    view = EndingView.of(asked.ending, engine.endings.notice(asked.ending))
    return answered(view, 201 if asked.is_new else 200, {"Location": f"/v1/orders/{order_id}/end"})


@operations.add("GET", "/{order_id}/end", AGENT_OR_OPS, "Show an order's ending", problems=(EndingNotFound,))
def show(engine: Engine, caller: ApiKey, order_id: str) -> EndingView:
    """The state of the ending; 404 `ending_not_found` if none was requested. Roles: agent (own), ops."""
    ending = engine.endings.show(visible(engine, order_id, caller).id)
    return EndingView.of(ending, engine.endings.notice(ending))
