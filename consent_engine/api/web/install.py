"""Adds the pages to the application, and to its answers of 404: a page for browsers, a problem for programs."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.adapters.signed_pdf import press_of
from consent_engine.api.http.problems import status_of
from consent_engine.api.service.service import Front
from consent_engine.api.service.sessions import Sessions
from consent_engine.api.web import (
    audit,
    board,
    desk,
    finding,
    handset_life,
    news,
    order_page,
    pages,
    receipt_page,
    report_page,
    reports_page,
    review,
    rq,
    single_sign_on,
    team,
)
from consent_engine.api.web.rendering import page
from consent_engine.config.settings import Settings
from consent_engine.errors import ConsentError

PAGES = (
    pages, news, board, team, finding, order_page, desk, review, audit, report_page,
    receipt_page, reports_page,
)  # fmt: skip


def install(app: Starlette, front: Front, settings: Settings, rq_url: str | None) -> None:
    """Add sessions and pages, and RQ's dashboard if its Redis is known."""
    app.state.sessions = Sessions(front, settings)
    app.state.recording_url = settings.recording_url
    opens = settings.pdf_passphrase.get_secret_value() if settings.pdf_passphrase else ""
    app.state.press = press_of(settings.pdf_key, opens) if settings.pdf_key else None
    app.state.resend_max = settings.resend_max
    for part in PAGES:
        app.router.routes += part.operations.routes
    page_unknown_addresses(app)
    provider = single_sign_on.provider_of(settings)
    app.state.has_provider, app.state.public_url = provider is not None, settings.public_url
    if provider is not None:
        app.state.provider = provider
        app.router.routes += single_sign_on.operations.routes
    app.state.handset = ""
    if secret := handset_life.secret_of(settings):
        app.state.handset = settings.of("SIMULATED")["URL"].removesuffix("sms")
        app.state.handset_secret = secret
        app.router.routes += handset_life.operations.routes
    if rq_url is not None:
        app.router.routes += rq.routes(rq_url, app.state.sessions)


_OF_PROGRAMS = ("/v1/", "/log/", "/assets/", "/openapi.json", "/metrics", "/healthz", "/readyz")
Handler = Callable[[Request, Any], Awaitable[Response]]


def page_unknown_addresses(app: Starlette) -> None:
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
