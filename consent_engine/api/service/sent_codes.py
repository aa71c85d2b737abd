"""Codes that prove a reporter's number: sent as often as the address that asks may ask."""

from starlette.requests import Request

from consent_engine.api.service.brakes import Brake
from consent_engine.api.service.service import front_of
from consent_engine.engine.report_code import CodeAsked


async def send_code(request: Request, asked: CodeAsked) -> None:
    """Send a code. Raises TooManyCodes, StoreUnavailable."""
    brake: Brake = request.app.state.codes
    brake.take(request.client.host if request.client else "")
    await front_of(request).ask(lambda engine: engine.reports.send_code(asked))
