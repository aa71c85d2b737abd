"""Puts the pages into the application."""

from starlette.applications import Starlette

from consent_engine.api.service.service import Front
from consent_engine.api.service.sessions import Sessions
from consent_engine.api.web import board, finding, held, order_page, pages, rq
from consent_engine.config.settings import Settings


def install(app: Starlette, front: Front, settings: Settings, rq_url: str | None) -> None:
    """Sessions, pages, and RQ's dashboard where its Redis is known."""
    app.state.sessions = Sessions(front, settings)
    app.state.board = board.Board()
    app.state.held = held.HeldBoard()
    app.state.resend_max = settings.resend_max
    for part in (pages, board, finding, held, order_page):
        app.router.routes += part.operations.routes
    if rq_url is not None:
        app.router.routes += rq.routes(rq_url, app.state.sessions)
