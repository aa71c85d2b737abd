"""Who calls: a Bearer key with a role. A revoked key is dead within a second."""

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from consent_engine.api.batching import Crew
from consent_engine.api.recent import Recent
from consent_engine.domain.order import Order
from consent_engine.engine import Engine
from consent_engine.errors import Forbidden, OrderNotFound, Unauthenticated
from consent_engine.keys import MOST_KEY_LENGTH, Role
from consent_engine.ports import ApiKey

if TYPE_CHECKING:
    from consent_engine.api.sessions import Sessions

KNOWN_S = 1.0
FULL_NUMBERS = frozenset({Role.AGENT, Role.AUDITOR, Role.ADMIN})
"""Roles that see whole numbers and what subscribers wrote; an agent those of its own orders only."""

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key, from `consent keys add`")


class Callers:
    """Looks up whose a key is; remembers it for a second, under a hash that only this process can make."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._recent: Recent[ApiKey] = Recent(KNOWN_S)
        self._salt = secrets.token_bytes(32)

    async def whose(self, key: str) -> ApiKey:
        """Who calls; raises Unauthenticated."""
        if not 0 < len(key) <= MOST_KEY_LENGTH:
            raise Unauthenticated("this needs an API key: Authorization: Bearer KEY")
        name = hmac.digest(self._salt, key.encode(), hashlib.sha256)
        return await self._recent.of(name, lambda: self._crew.ask(lambda engine: engine.keys.whose(key)))


class Allowed:
    """A dependency: who calls, if the role may; admin always may. Raises Unauthenticated or Forbidden."""

    def __init__(self, *roles: Role) -> None:
        self._roles = frozenset({*roles, Role.ADMIN})

    async def __call__(
        self, request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> ApiKey:
        """Look up the key; without one, the session of a page of ours."""
        if "authorization" in request.headers or not request.cookies:
            caller = await _by_key(request, shown)
        else:
            sessions: Sessions = request.app.state.sessions
            caller = (await sessions.acting(request)).caller
        if caller.role not in self._roles:
            raise Forbidden("the role of this key does not allow it")
        return caller


async def _by_key(request: Request, shown: HTTPAuthorizationCredentials | None) -> ApiKey:
    if shown is None or len(request.headers.getlist("authorization")) != 1:
        raise Unauthenticated("this needs an API key: Authorization: Bearer KEY")
    callers: Callers = request.app.state.front.callers
    return await callers.whose(shown.credentials)


Agent = Annotated[ApiKey, Depends(Allowed(Role.AGENT))]
Ops = Annotated[ApiKey, Depends(Allowed(Role.OPS))]
AgentOrOps = Annotated[ApiKey, Depends(Allowed(Role.AGENT, Role.OPS))]
OrderReader = Annotated[ApiKey, Depends(Allowed(Role.AGENT, Role.OPS, Role.AUDITOR))]
OpsOrAuditor = Annotated[ApiKey, Depends(Allowed(Role.OPS, Role.AUDITOR))]
Admin = Annotated[ApiKey, Depends(Allowed())]
Anybody = Annotated[ApiKey, Depends(Allowed(*Role))]


def visible(engine: Engine, order_id: str, caller: ApiKey) -> Order:
    """The order, if this caller may know that it exists; raises OrderNotFound."""
    order = engine.show(order_id)
    if caller.role == Role.AGENT and not is_own(order, caller):
        raise OrderNotFound("no such order")
    return order


def is_own(order: Order, caller: ApiKey) -> bool:
    """Whether it was placed with this very key: under its name, since it was made.

    Releases before names were given once let a new key have a revoked one's name, and an order knows the name alone.
    """
    return order.doc.placed_by == caller.name and order.doc.placed_at >= caller.created_at


def sees_whole(order: Order, caller: ApiKey) -> bool:
    """Whether this caller is shown the order's number and what the subscriber wrote."""
    return caller.role in FULL_NUMBERS and (caller.role != Role.AGENT or is_own(order, caller))
