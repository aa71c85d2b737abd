"""Sending of the codes that prove a reporter's number, as often as the requesting address may ask for one."""

from msgspec.structs import replace
from starlette.requests import Request

from consent_engine.api.service.brakes import Brake, network_of
from consent_engine.api.service.service import front_of
from consent_engine.engine.report_code import CodeAsked


async def send_code(request: Request, asked: CodeAsked) -> str:
    """Send a code, and return the ticket of the person who asked. Raises TooManyCodes, StoreUnavailable."""
    brake: Brake = request.app.state.codes
    address = request.client.host if request.client else ""
    brake.count(address)
    from_network = replace(asked, network=network_of(address))
    return await front_of(request).ask(lambda engine: engine.reports.send_code(from_network))
