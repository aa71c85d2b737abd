"""Puts the pages into the application."""

from fastapi import FastAPI
from starlette.responses import RedirectResponse

from consent_engine.api.front import Front
from consent_engine.api.sessions import Sessions
from consent_engine.api.web import board, held, pages, rq
from consent_engine.settings import Settings


def install(app: FastAPI, front: Front, settings: Settings, rq_url: str | None) -> None:
    """Sessions, pages, and RQ's dashboard where its Redis is known."""
    app.state.sessions = Sessions(front, settings)
    app.state.board = board.Board()
    app.state.held = held.HeldBoard()
    app.state.resend_max = settings.resend_max
    app.include_router(pages.router)
    app.include_router(board.router)
    app.include_router(held.router)
    if rq_url is not None:
        app.add_api_route("/rq", _to_its_start, include_in_schema=False)
        app.router.routes.append(rq.route(rq_url, app.state.sessions))


async def _to_its_start() -> RedirectResponse:
    return RedirectResponse("/rq/")
