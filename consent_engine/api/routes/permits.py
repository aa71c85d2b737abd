"""Permits over HTTP: whether numbers may be dialled, with a token for each that may."""

from functools import lru_cache

from msgspec.json import encode
from starlette.requests import Request

from consent_engine.api.document.operations import Operations
from consent_engine.api.http.bodies import KIB, read_json
from consent_engine.api.schemas.calls import PermitsView
from consent_engine.api.schemas.forms import AskPermits, read
from consent_engine.api.schemas.views import instant
from consent_engine.api.service.callers import AGENT_OR_OPS
from consent_engine.api.service.service import front_of
from consent_engine.domain.call.permit import Dial
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.engine import Engine
from consent_engine.engine.permits import PermitsAsked
from consent_engine.ports import ApiKey

operations = Operations("permits", "/v1/permits")
MOST_BYTES = 512 * KIB
"""Enough for ten thousand numbers, however they are written, and some whitespace."""


@operations.add("POST", "", AGENT_OR_OPS, "Ask for permits to dial", PermitsView, body=AskPermits)
async def permits(request: Request, caller: ApiKey) -> bytes:
    """For each of up to 10000 numbers, in order: a permit to dial it and its expiry, or why it is denied and since
    when. Decided as by /v1/callable; each request is kept as one record. Roles: agent, ops."""
    body = await read_json(request, MOST_BYTES)
    return await front_of(request).ask(lambda engine: _answered(engine, read(AskPermits, body), caller.name))


def _answered(engine: Engine, form: AskPermits, by: str) -> bytes:
    carrier = form.carrier.value
    if form.plan:
        engine.catalogue.carrier_of(form.plan, carrier)
    given = engine.dialler.permits(PermitsAsked([Msisdn(each) for each in form.msisdns], carrier, form.plan, by))
    until = instant(given.until)
    rows = [{"permit": token, "until": until} if token else _denied(dial) for dial, token in given.answers]
    return encode({"id": given.request, "permits": rows})


@lru_cache(1024)
def _denied(dial: Dial) -> dict[str, str]:
    said = {"denied": dial.reason.value} if dial.reason else {}
    return said | ({"since": instant(dial.since)} if dial.since else {})
