"""The page of an order, for callers who may see the order; and its data as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.schemas.endings import EndingView
from consent_engine.api.schemas.order_life import OrderLife, life_of
from consent_engine.api.service.callers import AUDITOR, OPS, ORDER_READER, is_own, sees_whole, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.domain.call.errors import CallNotFound
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey, Owner

operations = Operations(whose=visitor_of)
MOST_RELATED = 50
"""Orders of the same call are looked for among this many of the number's newest orders."""


@operations.add("GET", "/orders/{order_id}", PUBLIC)
async def order(request: Request, order_id: str) -> Response:
    """For agents (own orders), ops, auditors."""

    async def shown(session: Session) -> Mapping[str, Any]:
        life = json.loads(await _life(request, order_id, session.caller))
        role = session.caller.role
        may_reveal = role in AUDITOR and "*" in life["order"]["msisdn"]
        return {"life": life, "may_reveal": may_reveal, "may_retry": role in OPS}

    return await behind_sign_in(request, "order.html", shown)


@operations.add("GET", "/orders/{order_id}/life", ORDER_READER)
async def life(request: Request, caller: ApiKey, order_id: str) -> bytes:
    """The page's data as it is now. Roles: agent (own), ops and auditor (masked)."""
    return await _life(request, order_id, caller)


async def _life(request: Request, order_id: str, caller: ApiKey) -> bytes:
    """Return the page's data. Raises OrderNotFound, also for an order that this caller may not see."""
    return (await front_of(request).ask(lambda engine: look(engine, order_id, caller))).json_bytes()


def look(engine: Engine, order_id: str, caller: ApiKey) -> OrderLife:
    """Return an order with its due effects, its call, and the call's other orders. Raises OrderNotFound."""
    order = visible(engine, order_id, caller)
    dues = engine.lanes.dues(Owner.ORDER, order.id, list(order.effects))
    try:
        call = engine.calls.show(order.doc.call_id)
    except CallNotFound:
        call = None
    permit = engine.inspector.permit_of(call) if call else None
    related = [each for each in _of_the_same_call(engine, order) if caller.role != Role.AGENT or is_own(each, caller)]
    ending = engine.endings.of([order.id]).get(order.id)
    ended = EndingView.of(ending, engine.endings.notice(ending)) if ending else None
    return life_of(order, dues, call, permit, related, whole=sees_whole(order, caller), ending=ended)


def _of_the_same_call(engine: Engine, order: Order) -> list[Order]:
    if not order.person.msisdn:
        return []
    found = engine.orders_of(Msisdn(order.person.msisdn), limit=MOST_RELATED).orders
    return [each for each in found if each.doc.call_id == order.doc.call_id and each.id != order.id]
