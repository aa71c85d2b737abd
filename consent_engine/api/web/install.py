"""Adds the pages to the application."""

from starlette.applications import Starlette

from consent_engine.adapters.signed_pdf import press_of
from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.service.service import Front
from consent_engine.api.service.sessions import Sessions
from consent_engine.api.web import (
    audit,
    board,
    desk,
    evidence_page,
    finding,
    flow,
    handset_life,
    held,
    help_page,
    missing,
    news,
    order_page,
    pages,
    receipt_page,
    report_page,
    reports_page,
    review,
    rq,
    single_sign_on,
)
from consent_engine.config.settings import Settings

PAGES = (
    pages, news, board, finding, flow, held, order_page, evidence_page, desk, review, audit, help_page, report_page,
    receipt_page, reports_page,
)  # fmt: skip


def install(app: Starlette, front: Front, settings: Settings, rq_url: str | None) -> None:
    """Add sessions and pages, and RQ's dashboard if its Redis is known."""
    app.state.sessions = Sessions(front, settings)
    app.state.notices = Recent(news.LOOKED_S)
    app.state.board = Recent(board.LOOKED_S)
    app.state.flow = Recent(flow.LOOKED_S)
    app.state.held = Recent(held.LOOKED_S)
    app.state.recording_url = settings.recording_url
    opens = settings.pdf_passphrase.get_secret_value() if settings.pdf_passphrase else ""
    app.state.press = press_of(settings.pdf_key, opens) if settings.pdf_key else None
    app.state.own = Recent(desk.LOOKED_S)
    app.state.resend_max = settings.resend_max
    for part in PAGES:
        app.router.routes += part.operations.routes
    missing.install(app)
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
