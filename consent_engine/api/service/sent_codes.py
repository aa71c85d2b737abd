"""Codes that prove a reporter's number: sent as often as the address that asks may ask."""

from msgspec.structs import replace
from starlette.requests import Request

from consent_engine.api.service.brakes import Brake, network_of
from consent_engine.api.service.service import front_of
from consent_engine.engine.report_code import CodeAsked


async def send_code(request: Request, asked: CodeAsked) -> str:
    """Send a code; the ticket of who asked for it. Raises TooManyCodes, StoreUnavailable."""
    brake: Brake = request.app.state.codes
    address = request.client.host if request.client else ""
    brake.take(address)
    told = replace(asked, network=network_of(address))
    return await front_of(request).ask(lambda engine: engine.reports.send_code(told))
