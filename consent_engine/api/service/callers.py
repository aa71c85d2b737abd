"""Callers: Bearer keys, each with a role. A revoked key stops working within a second."""

import secrets

from starlette.requests import Request

from consent_engine.api.coalescing.group_commit import EnginePool
from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.domain.hashing import mac
from consent_engine.domain.order.order import Order
from consent_engine.domain.roles import Role
from consent_engine.engine.api_keys import MOST_KEY_LENGTH
from consent_engine.engine.engine import Engine
from consent_engine.errors import OrderNotFound, Unauthenticated
from consent_engine.ports import ApiKey

NEEDS_KEY = "this needs an API key: Authorization: Bearer KEY"
FULL_NUMBERS = frozenset({Role.AGENT})
"""Roles that see full numbers and the words of subscribers: an agent those of its own orders only. Auditors and admins
reveal one order at a time, for a reason: `engine/inspector.py`."""


def allowed(*roles: Role) -> frozenset[Role]:
    """These roles, and admin, which may do everything."""
    return frozenset({*roles, Role.ADMIN})


AGENT = allowed(Role.AGENT)
OPS = allowed(Role.OPS)
AGENT_OR_OPS = allowed(Role.AGENT, Role.OPS)
ORDER_READER = allowed(Role.AGENT, Role.OPS, Role.AUDITOR)
OPS_OR_AUDITOR = allowed(Role.OPS, Role.AUDITOR)
CALL_READER = allowed(Role.AGENT, Role.REVIEWER, Role.OPS, Role.AUDITOR)
CALL_LISTER = allowed(Role.REVIEWER, Role.OPS, Role.AUDITOR)
AUDITOR = allowed(Role.AUDITOR)
REVIEWER = allowed(Role.REVIEWER)
REVIEWER_OR_AUDITOR = allowed(Role.REVIEWER, Role.AUDITOR)
ADMIN = allowed()
ANY_ROLE = allowed(*Role)


class Callers:
    """Looks up callers by key; remembers each for `known_s` seconds, under a hash that only this process can make."""

    def __init__(self, pool: EnginePool, known_s: float) -> None:
        self._pool = pool
        self._recent, self._known_s = Recent(), known_s
        self._salt = secrets.token_bytes(32)

    async def whose(self, key: str) -> ApiKey:
        """Return the caller who holds a key. Raises Unauthenticated."""
        if not 0 < len(key) <= MOST_KEY_LENGTH:
            raise Unauthenticated(NEEDS_KEY)
        name = mac(self._salt, key.encode())
        return await self._recent.of(name, self._known_s, lambda: self._pool.ask(lambda engine: engine.keys.whose(key)))


def key_of(request: Request) -> str:
    """Return the key of a request. Raises Unauthenticated for none, two, or another scheme (RFC 6750)."""
    shown = request.headers.getlist("authorization")
    scheme, _, key = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise Unauthenticated(NEEDS_KEY)
    return key.strip()


def visible(engine: Engine, order_id: str, caller: ApiKey) -> Order:
    """Return the order, if this caller may know that it exists. Raises OrderNotFound."""
    order = engine.show(order_id)
    if caller.role == Role.AGENT and not is_own(order, caller):
        raise OrderNotFound("no such order")
    return order


def is_own(order: Order, caller: ApiKey) -> bool:
    """Whether the order was placed with this very key: under its name, and since the key was created. Nobody else sees
    its full number and the subscriber's words.
    """
    return order.doc.placed_by == caller.name and order.doc.placed_at >= caller.created_at
