"""The short path to an operation finds what Starlette's router finds; an error is answered once, by the edge."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent_engine.api.app import PARTS
from consent_engine.api.document.operations import Operation
from consent_engine.api.http import problems
from consent_engine.api.http.middleware import Edge
from consent_engine.api.http.way_in import Ways
from consent_engine.api.web import audit, board, desk, finding, order_page, pages, report_page, reports_page, review
from consent_engine.errors import OrderNotFound

PAGES = (pages, board, finding, order_page, desk, review, audit, report_page, reports_page)
OPERATIONS = (*PARTS, *(page.operations for page in PAGES))
FOUND = [each for operations in OPERATIONS for each in operations.routes if isinstance(each, Operation)]
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
WORDS = ("x", "search", "tariffs.json", "0" * 28)


def saying(said: str) -> Callable[[Request], Awaitable[Response]]:
    async def say(request: Request) -> Response:
        return PlainTextResponse(f"{said} {sorted(request.path_params.items())} {request.scope['route'].path}")

    return say


def addresses() -> list[str]:
    """Return every template with several words in its places, and paths that only look like them."""
    made = {"", "/", "/v1", "/v1/", "/v1/nothing", "/rq", "/rq/a/b", "/other/a", "/over/lap/x", "/over/lap/y"}
    for each in FOUND:
        for word in WORDS:
            path = "/".join(word if "{" in part else part for part in each.path.split("/"))
            made |= {path, path + "/", path + "\n", path + "/more", "/" + path}
    return sorted(made)


async def asked(app: ASGIApp, method: str, path: str) -> tuple[int, bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: Scope = {
        "type": "http", "method": method, "path": path, "root_path": "", "headers": [], "query_string": b"",
    }  # fmt: skip
    try:
        await app(scope, receive, send)
    except HTTPException as error:
        return error.status_code, b""
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


def test_the_short_way_finds_the_route_that_the_router_finds() -> None:
    routes: Sequence[BaseRoute] = [
        *(Route(each.path, saying(f"{n} {each.method}"), methods=[each.method]) for n, each in enumerate(FOUND)),
        Route("/{any}/lap/x", saying("its first word is anything")),
        Route("/over/lap/{any}", saying("the earlier of two")),
        Route("/over/lap/y", saying("the later of two")),
        Route("/rq/{rest:path}", saying("rq")),
        Route("/{rest:path}/deep/down", saying("deep")),
    ]
    router = Router(routes, redirect_slashes=False)
    ways = Ways(router)

    async def both() -> None:
        for path in addresses():
            for method in METHODS:
                assert await asked(ways, method, path) == await asked(router, method, path), (method, path)

    asyncio.run(both())


@pytest.mark.parametrize("begun", [False, True])
def test_an_error_is_answered_as_a_problem_unless_an_answer_has_begun(*, begun: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise OrderNotFound("no such order")

    defects: Counter[str] = Counter()
    told: list[int] = []
    handlers = problems.handlers(defects)
    edge = Edge(app, handlers, defects, lambda method, route, status, seconds: told.append(status), 10)
    status, body = asyncio.run(asked(edge, "GET", "/v1/orders/x"))
    assert told == [status] == [200 if begun else 404]
    assert (b"order_not_found" in body, defects.total()) == (not begun, int(begun))
