"""Operations: the routes of the API and of the pages, each with the roles that may call it and its part of OpenAPI."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from consent_engine.api.service.callers import key_of
from consent_engine.api.service.service import Front
from consent_engine.api.service.sessions import Sessions
from consent_engine.domain.roles import Role
from consent_engine.errors import Forbidden
from consent_engine.ports import ApiKey

Handler = Callable[..., Awaitable[Response]]
"""Takes the request, the caller where roles are named, and by name what the path names."""
PUBLIC = None
"""In the place of roles: no key is asked for."""
KEY = "key"
"""The name of the scheme of API keys in OpenAPI."""


@dataclass(frozen=True, slots=True)
class Described:
    """What OpenAPI says of an operation.

    id: how a generated client calls its function · answers: by status, a model or the answer as OpenAPI has it ·
    problems: statuses of the problems it may answer · takes: body and parameters, beside the path's · security: the
    schemes that prove the caller
    """

    tag: str
    id: str
    summary: str
    description: str
    answers: Mapping[int, Any]
    problems: Sequence[int]
    takes: Mapping[str, Any]
    security: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A handler as an ASGI application. roles: may call it; None: anybody, without a key."""

    handler: Handler
    roles: frozenset[Role] | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        told = () if self.roles is None else (await caller_of(request, self.roles),)
        response = await self.handler(request, *told, **request.path_params)
        await response(scope, receive, send)


class Operation(Route):
    """A method of an address. roles: may call it; PUBLIC: anybody. described: None where OpenAPI leaves it out."""

    def __init__(
        self, method: str, path: str, handler: Handler, roles: frozenset[Role] | None, described: Described | None
    ) -> None:
        super().__init__(path, _Guarded(handler, roles), methods=[method], name=handler.__name__)
        self.method = method
        self.methods = {method}  # without the HEAD that Starlette adds: the contract names none
        self.described = described


async def caller_of(request: Request, roles: frozenset[Role]) -> ApiKey:
    """Whose key it is; without a key, who is signed in. Raises Unauthenticated, and Forbidden for another role."""
    if "authorization" in request.headers or not request.cookies:
        front: Front = request.app.state.front
        caller = await front.callers.whose(key_of(request))
    else:
        sessions: Sessions = request.app.state.sessions
        caller = (await sessions.acting(request)).caller
    request.scope["key"] = caller.name
    if caller.role not in roles:
        raise Forbidden("the role of this key does not allow it")
    return caller


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one subject, in the order in which addresses are compared.

    security: the schemes that prove the caller of a public operation; '': nobody has to
    """

    tag: str = ""
    prefix: str = ""
    security: Sequence[str] = ()
    routes: list[BaseRoute] = field(default_factory=list)

    def add(
        self,
        method: str,
        path: str,
        roles: frozenset[Role] | None,
        summary: str = "",
        answers: Mapping[int, Any] | None = None,
        problems: Sequence[int] = (),
        takes: Mapping[str, Any] | None = None,
    ) -> Callable[[Handler], Handler]:
        """A decorator: the function serves this method of this address, and its docstring describes it.

        Without a summary OpenAPI leaves it out. The other arguments: see `Operation` and `Described`.
        """

        def added(handler: Handler) -> Handler:
            described = None
            if summary:
                described = Described(
                    tag=self.tag,
                    id=f"{self.tag}_{handler.__name__.strip('_')}",
                    summary=summary,
                    description=inspect.getdoc(handler) or "",
                    answers=answers or {},
                    problems=problems,
                    takes=takes or {},
                    security=self.security if roles is None else (KEY,),
                )
            self.routes.append(Operation(method, self.prefix + path, handler, roles, described))
            return handler

        return added
