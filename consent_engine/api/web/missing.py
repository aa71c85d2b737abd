"""Answers of 404: a page for browsers, a problem document for programs."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.http.problems import status_of
from consent_engine.api.web.rendering import page
from consent_engine.errors import ConsentError

_OF_PROGRAMS = ("/v1/", "/log/", "/assets/", "/openapi.json", "/metrics", "/healthz", "/readyz")
Handler = Callable[[Request, Any], Awaitable[Response]]


def install(app: Starlette) -> None:
    """Answer unknown addresses with a page in the visitor's language that links back."""
    for kind in (HTTPException, ConsentError):
        app.add_exception_handler(kind, _paged(app.exception_handlers[kind]))


def _paged(otherwise: Handler) -> Handler:
    async def shown(request: Request, error: HTTPException | ConsentError) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else status_of(error)
        if status == HTTPStatus.NOT_FOUND and wants_page(request):
            return page(request, "missing.html", None, HTTPStatus.NOT_FOUND, said="nothing_here")
        return await otherwise(request, error)

    return shown


def wants_page(request: Request) -> bool:
    """Whether a browser asks for an address that is not reserved for programs."""
    is_read = request.method in {"GET", "HEAD"}
    return (
        is_read and "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_OF_PROGRAMS)
    )
