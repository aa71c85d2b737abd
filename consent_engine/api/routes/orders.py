"""Orders over HTTP: place, show, list, search, cancel, resend, retry, give up; reveal the number of one and its
subscriber's words, shown or as evidence, and the numbers of a list, which is recorded first. Endings: take an activated
order back, once, and show how far that is.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from consent_engine import errors
from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.http.bodies import read_json
from consent_engine.api.http.problems import IdempotencyKeyMissing
from consent_engine.api.http.queries import ListOrders
from consent_engine.api.schemas.endings import EndingView, EndOrder
from consent_engine.api.schemas.forms import CancelOrder, ExportOrders, GiveUp, RevealOrder, SearchOrders
from consent_engine.api.schemas.lists import ExportedOrder, OrderExport, OrderList
from consent_engine.api.schemas.views import AsOf, OrderView
from consent_engine.api.service import callers
from consent_engine.api.service.door import Busy
from consent_engine.api.service.service import front_of
from consent_engine.api.web.order_page import evidence_of
from consent_engine.domain.admission.call_request import AgentMismatch, check_agent
from consent_engine.domain.admission.order_request import PlaceOrder, Placing, idempotency_key_is_sound
from consent_engine.domain.call.call import CallMismatch, CallNotPermitted, CallTooOld, RecordingReused
from consent_engine.domain.call.ending import Cause, EndingNotFound, NumberErased, Why
from consent_engine.domain.days import millis
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey
from consent_engine.ports.queries import OrderFilter

operations = Operations("orders", "/v1/orders")
REFUSED = (
    IdempotencyKeyMissing, errors.IdempotencyConflict,
    AgentMismatch, errors.PlanUnknown, errors.UnofficialNumber, errors.LanguageUnavailable, errors.ConfirmationTooLong,
    errors.PlanNotPublic, errors.DoNotCall, errors.CoolingOff, errors.OtherNetwork,
    CallNotPermitted, CallTooOld, CallMismatch, RecordingReused, errors.DuplicateOrder, Busy,
)  # fmt: skip
"""The errors of placing an order, beside those of its form."""


@operations.add(
    "POST", "", callers.AGENT, "Place an order", {201: OrderView, 200: OrderView}, problems=REFUSED, body=PlaceOrder,
    headers=(openapi.IDEMPOTENCY_KEY,),
)  # fmt: skip
async def place(request: Request, caller: ApiKey) -> Response:
    """Ask a subscriber for consent. The same key and body again returns the same order (200). Role: agent."""
    key = idempotency_key(request)
    wanted = PlaceOrder.read(await read_json(request))
    check_agent(caller.agent, wanted.agent)
    placed = await front_of(request).place(Placing(caller.name, key, wanted))
    request.scope["order"] = placed.order.id
    view = OrderView.of(placed.order, whole=callers.is_own(placed.order, caller))
    return answered(view, 201 if placed.created else 200, {"Location": f"/v1/orders/{placed.order.id}"})


@operations.add("GET", "", callers.OPS_OR_AUDITOR, "List orders")
def list_(engine: Engine, caller: ApiKey, form: ListOrders, as_of: AsOf) -> OrderList:
    """Newest first, a page at a time. Roles: ops and auditor (masked)."""
    wanted = OrderFilter(
        form.state, form.agent, form.plan, since=millis(form.since) if form.since else None, void_yes=form.void_yes
    )
    return OrderList.of(
        engine.orders(wanted, form.cursor, form.limit), as_of, whole=caller.role in callers.FULL_NUMBERS
    )


@operations.add("POST", "/search", callers.OPS_OR_AUDITOR, "List the orders of a number")
def search(engine: Engine, caller: ApiKey, form: SearchOrders, as_of: AsOf) -> OrderList:
    """The orders of a number, newest first, a page at a time. The number is sent in the body, never in a URL. Roles:
    ops and auditor (masked)."""
    page = engine.orders_of(Msisdn(form.msisdn), form.cursor, form.limit)
    return OrderList.of(page, as_of, whole=caller.role in callers.FULL_NUMBERS)


@operations.add("GET", "/{order_id}", callers.ORDER_READER, "Show an order")
def show(engine: Engine, caller: ApiKey, order_id: str) -> OrderView:
    """The order with its timeline. Roles: agent (own), ops and auditor (masked)."""
    return _act(engine, order_id, caller, lambda order: order)


@operations.add("POST", "/{order_id}/cancel", callers.AGENT_OR_OPS, "Cancel an order", problems=(errors.TooLate,))
def cancel(engine: Engine, caller: ApiKey, form: CancelOrder, order_id: str) -> OrderView:
    """Cancel an order; 409 `too_late` once its activation was started or it has settled. Roles: agent (own), ops."""
    return _act(engine, order_id, caller, lambda _: engine.cancel(order_id, caller.name, form.reason))


@operations.add(
    "POST", "/{order_id}/resend", callers.AGENT_OR_OPS, "Send the confirmation SMS again",
    problems=(errors.NotWaiting, errors.TooManyResends),
)  # fmt: skip
def resend(engine: Engine, caller: ApiKey, order_id: str) -> OrderView:
    """Send the question again; the reply window keeps running. 409 `not_waiting`, 429 above the cap. Needs no body.
    Roles: agent (own), ops."""
    return _act(engine, order_id, caller, lambda _: engine.resend(order_id, caller.name))


@operations.add(
    "POST", "/{order_id}/retry", callers.OPS, "Retry an order's stuck effects",
    problems=(errors.NothingParked,),
)  # fmt: skip
def retry(engine: Engine, caller: ApiKey, order_id: str) -> OrderView:
    """Retry the order's stuck effects now; if there are none, an ending that was given up less than 30 days ago. 409
    `nothing_parked` if there is neither. Needs no body. Role: ops."""
    return _act(engine, order_id, caller, lambda _: engine.retry(order_id, caller.name))


@operations.add(
    "POST", "/{order_id}/give_up", callers.OPS, "Give up an order's notification or ending",
    problems=(errors.NotActivated, errors.InFlight),
)  # fmt: skip
def give_up(engine: Engine, caller: ApiKey, form: GiveUp, order_id: str) -> OrderView:
    """For a notification that can never be sent: the service stays on, and the order ends as `unnotified`. If its
    ending is stuck, the ending is given up first (`given_up`). 409 `not_activated`; 409 `in_flight` while it is being
    sent. Role: ops."""
    return _act(engine, order_id, caller, lambda _: engine.give_up(order_id, caller.name, form.reason))


def _act(engine: Engine, order_id: str, caller: ApiKey, act: Callable[[Order], Order]) -> OrderView:
    """Apply `act` to an order that this caller may see, and return the result."""
    order = act(callers.visible(engine, order_id, caller))
    return OrderView.of(order, whole=callers.is_own(order, caller))


def idempotency_key(request: Request) -> str:
    """Return the request's single Idempotency-Key. Raises IdempotencyKeyMissing."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) != 1 or not idempotency_key_is_sound(keys[0]):
        raise IdempotencyKeyMissing("send one Idempotency-Key: 1 to 128 printable ASCII characters without blanks")
    return keys[0]


revealing = Operations("orders", "/v1/orders")


@revealing.add("POST", "/{order_id}/reveal", callers.AUDITOR, "Reveal an order's number")
def reveal(engine: Engine, caller: ApiKey, form: RevealOrder, order_id: str) -> OrderView:
    """The order with its full number and the subscriber's replies, which are masked for this role elsewhere. The
    caller's name, time and reason are stored before anything is shown, and listed on /audit. Role: auditor."""
    order = callers.visible(engine, order_id, caller)
    revealed = engine.reveals.reveal(order, caller.name, caller.role, form.reason)
    return OrderView.of(revealed, whole=True, looks=True)


@revealing.add("POST", "/export", callers.AUDITOR, "Export orders with their numbers", long=True)
def export(engine: Engine, caller: ApiKey, form: ExportOrders) -> OrderExport:
    """Orders of a list with their full numbers, newest first, up to 10,000 at once. The caller's name, time and reason,
    the filter and the number of orders are stored before anything is shown, as one reveal, and listed on /audit. Role:
    auditor."""
    since = millis(form.since) if form.since else None
    wanted = OrderFilter(form.state, form.agent, form.plan, since=since)
    found = engine.reveals.export(wanted, form.cause, caller.name, caller.role, form.reason, form.cursor, form.limit)
    return OrderExport(orders=[ExportedOrder.of(order) for order in found.orders], cursor=found.cursor)


EVIDENCE = {
    200: {
        "description": "The evidence file: docs/evidence.schema.json",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@revealing.add("GET", "/{order_id}/evidence", callers.AUDITOR, "Get the evidence of an order", EVIDENCE)
async def evidence(request: Request, caller: ApiKey, order_id: str) -> Response:
    """All that is known of an order, with the proof of it, as a file that its reader checks with nothing but itself
    (`consent verify`). It has the full number and the subscriber's words: it is recorded first, as a reveal is. Role:
    auditor."""
    made = await evidence_of(request, caller, order_id)
    return answered(made, headers={"Content-Disposition": f'attachment; filename="evidence-{order_id}.json"'})


endings = Operations("endings", "/v1/orders")


@endings.add(
    "POST", "/{order_id}/end", callers.AGENT_OR_OPS, "End the service of an activated order",
    {201: EndingView, 200: EndingView}, problems=(errors.NotActivated, NumberErased),
)  # fmt: skip
def end(engine: Engine, caller: ApiKey, form: EndOrder, order_id: str) -> Response:
    """The BSS switches the service off, and the subscriber gets an SMS; archived orders can be ended, too. An order
    has one ending: asking again returns it (200). 409 `not_activated`; 409 `number_erased` once the subscriber's number
    was erased. Roles: agent (own), ops."""
    why = Why(Cause(form.cause), form.channel, caller.name, form.reason)
    asked = engine.endings.ask(callers.visible(engine, order_id, caller), why)
    view = EndingView.of(asked.ending, engine.endings.notice(asked.ending))
    return answered(view, 201 if asked.is_new else 200, {"Location": f"/v1/orders/{order_id}/end"})


@endings.add("GET", "/{order_id}/end", callers.AGENT_OR_OPS, "Show an order's ending", problems=(EndingNotFound,))
def endings_show(engine: Engine, caller: ApiKey, order_id: str) -> EndingView:
    """The state of the ending; 404 `ending_not_found` if none was requested. Roles: agent (own), ops."""
    ending = engine.endings.show(callers.visible(engine, order_id, caller).id)
    return EndingView.of(ending, engine.endings.notice(ending))
