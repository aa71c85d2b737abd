"""Operations: the routes of the API and of the pages, each with the roles that may call it and its part of OpenAPI."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from consent_engine import errors
from consent_engine.api.http.bodies import MOST_FORM, read_body, read_json
from consent_engine.api.http.problems import NotOurMediaType, TooLarge, TooSlow
from consent_engine.api.http.queries import read_query
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.views import View
from consent_engine.api.service.callers import ANY_ROLE, key_of
from consent_engine.api.service.service import Front
from consent_engine.api.service.sessions import Sessions
from consent_engine.domain.call.call import CallNotFound, ReportNotFound
from consent_engine.domain.roles import Role
from consent_engine.ports import ApiKey

Answer = Response | View | bytes
"""The result of a handler. A view, or JSON already encoded, is answered with 200."""
Handler = Callable[..., Awaitable[Answer]]
"""A function of the request, the caller where roles are given, and the path's parameters by name; its argument `form`,
if it has one, is read before: from the query of a GET, else from the body."""
Served = TypeVar("Served", bound=Callable[..., Awaitable[Answer] | Answer])
"""A Handler; or a plain function, which gets an engine in place of the request, in a thread that has one. If it has an
argument `as_of`, it reads records in SQL: see `Front.listed`."""
PUBLIC = None
"""Stands in the place of roles: no key is required."""
KEY = "key"
"""The name of the security scheme of API keys in OpenAPI."""
_ID = re.compile("[0-9a-f]{28}")
_NOT_FOUND: Mapping[str, type[errors.ConsentError]] = {
    "order_id": errors.OrderNotFound, "call_id": CallNotFound, "report_id": ReportNotFound,
}  # fmt: skip
"""Errors by the names of ids in a path: a malformed id is answered with them, without asking the store."""
AWAY = (errors.StoreUnavailable, errors.NotDurable, errors.ArchiveUnavailable, errors.ArchiveGone, errors.NotOurArchive)
"""The errors of whatever asks the store."""


@dataclass(frozen=True, slots=True)
class Described:
    """The description of an operation in OpenAPI.

    id: the name of its function in a generated client · answers: by status, a model or the answer as OpenAPI has it ·
    problems: the errors it may answer · body: the form of its body or query, or these as OpenAPI has
    them · headers: those that it reads · security: the schemes that prove the caller
    """

    tag: str
    id: str
    summary: str
    description: str
    answers: Mapping[int, Any]
    problems: Sequence[type[errors.ConsentError]]
    body: Any
    headers: Sequence[Mapping[str, Any]]
    security: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A handler as an ASGI application. roles: its callers; None: no key is required · whose: finds the caller"""

    handler: Handler
    roles: frozenset[Role] | None
    whose: Callable[[Request, frozenset[Role]], Awaitable[ApiKey]]
    form: type[BaseModel] | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        caller = () if self.roles is None else (await self.whose(request, self.roles),)
        named = request.path_params
        for name, value in named.items():
            if name in _NOT_FOUND and not _ID.fullmatch(value):
                raise _NOT_FOUND[name](f"no such {name.removesuffix('_id')}")
        if self.form is not None:
            named = {**named, "form": await _form(self.form, request)}
        await _response(await self.handler(request, *caller, **named))(scope, receive, send)


def _response(answer: Answer) -> Response:
    return answer if isinstance(answer, Response) else answered(answer)


def _asking(served: Callable[..., Answer], *, long: bool) -> Handler:
    """Make a handler of a plain function of an engine. long: it may take minutes"""
    reads = "as_of" in inspect.signature(served).parameters

    @wraps(served)
    async def handler(request: Request, *caller: ApiKey, **named: Any) -> Response:  # noqa: ANN401 - of the path
        front: Front = request.app.state.front
        if request.method != "GET" and "form" not in named:  # it needs no body; one that is sent is taken all the same
            await read_body(request, MOST_FORM)
        if reads:
            waits = getattr(named.get("form"), "wait", False)
            return await front.listed(
                lambda engine, as_of: _response(served(engine, *caller, as_of=as_of, **named)), waits=waits, long=long
            )
        ask = front.ask_long if long else front.ask
        return await ask(lambda engine: _response(served(engine, *caller, **named)))

    return handler


async def _form(form: type[BaseModel], request: Request) -> BaseModel:
    return read_query(form, request) if request.method == "GET" else read(form, await read_json(request))


def answered(view: View | bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a view, or JSON already encoded, as a response."""
    said = view if isinstance(view, bytes) else view.json_bytes()
    return Response(said, status, headers, "application/json")


class Operation(Route):
    """A method of an address. guarded: its handler with the roles · described: None where OpenAPI leaves it out"""

    def __init__(self, method: str, path: str, guarded: _Guarded, described: Described | None) -> None:
        super().__init__(path, guarded, methods=[method], name=guarded.handler.__name__)
        self.method = method
        self.methods = {method}  # without the HEAD that Starlette adds: the contract names none
        self.described = described


async def caller_of(request: Request, roles: frozenset[Role]) -> ApiKey:
    """Return the caller, by key or else by session. Raises Unauthenticated, and Forbidden for another role."""
    if "authorization" not in request.headers and request.cookies:
        return await visitor_of(request, roles)
    front: Front = request.app.state.front
    return _allowed(request, await front.callers.whose(key_of(request)), roles)


async def visitor_of(request: Request, roles: frozenset[Role]) -> ApiKey:
    """Return the person signed in; keys are ignored. Raises Unauthenticated, and Forbidden for another role."""
    sessions: Sessions = request.app.state.sessions
    return _allowed(request, (await sessions.acting(request)).caller, roles)


def _allowed(request: Request, caller: ApiKey, roles: frozenset[Role]) -> ApiKey:
    request.scope["key"] = caller.name
    if caller.role not in roles:
        raise errors.Forbidden("the role of this key does not allow this request")
    return caller


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one subject, in the order in which addresses are compared.

    security: the schemes that prove the caller of a public operation; '': none is needed · whose: finds the caller
    where roles are given · problems: errors that each of them may answer
    """

    tag: str = ""
    prefix: str = ""
    security: Sequence[str] = ()
    whose: Callable[[Request, frozenset[Role]], Awaitable[ApiKey]] = caller_of
    problems: Sequence[type[errors.ConsentError]] = AWAY
    routes: list[BaseRoute] = field(default_factory=list)

    def add(
        self, method: str, path: str, roles: frozenset[Role] | None, summary: str = "", answers: object = None, *,
        problems: Sequence[type[errors.ConsentError]] = (), body: object = None,
        headers: Sequence[Mapping[str, Any]] = (), long: bool = False,
    ) -> Callable[[Served], Served]:  # fmt: skip
        """Make a decorator: the function serves this method of this address, and its docstring describes it.

        Without a summary OpenAPI leaves it out. answers: by status, or the one of 200; else that is what the function
        returns · problems: beside those that follow from the other arguments · body: for a handler that reads its body
        by itself; else the class of its argument `form` is used · long: it may take minutes. For the others see
        `_Guarded` and `Described`.
        """

        def added(served: Served) -> Served:
            handler: Handler = served if inspect.iscoroutinefunction(served) else _asking(served, long=long)  # type: ignore[arg-type]
            hints = get_type_hints(handler)
            form = hints.get("form")
            sent, described = body or form, None
            if summary:
                described = Described(
                    tag=self.tag,
                    id=f"{self.tag}_{handler.__name__.strip('_').removeprefix(f'{self.tag}_')}",
                    summary=summary,
                    description=inspect.getdoc(handler) or "",
                    answers=answers if isinstance(answers, Mapping) else {200: answers or hints["return"]},
                    problems=(*_following(method, path, roles, sent), *problems, *self.problems),
                    body=sent,
                    headers=headers,
                    security=self.security if roles is None else (KEY,),
                )
            guarded = _Guarded(handler, roles, self.whose, form)
            self.routes.append(Operation(method, self.prefix + path, guarded, described))
            return served

        return added


def _following(
    method: str, path: str, roles: frozenset[Role] | None, body: object
) -> Iterator[type[errors.ConsentError]]:
    """The errors that follow from an operation's roles, its path, and its body or query."""
    if roles is not None:
        yield errors.Unauthenticated
        if roles is not ANY_ROLE:
            yield errors.Forbidden
    yield from (error for name, error in _NOT_FOUND.items() if f"{{{name}}}" in path)
    if body is not None and (not isinstance(body, Mapping) or "requestBody" in body):
        yield from (errors.Malformed, *((NotOurMediaType,) if method != "GET" else ()))
    if method != "GET":
        yield from (TooLarge, TooSlow)
