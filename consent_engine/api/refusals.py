"""Refusals over HTTP: "never again", and whether a number may be dialled."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from consent_engine.api import openapi
from consent_engine.api.auth import AgentOrOps
from consent_engine.api.body import MOST_LIST, read_json
from consent_engine.api.forms import Dial, Refuse, read, read_dials
from consent_engine.api.front import front_of
from consent_engine.api.views import DialView, RefusalView, instant
from consent_engine.domain.line import EVERY_CARRIER
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine import Engine
from consent_engine.receiving import RefusalAsked

router = APIRouter(prefix="/v1", tags=["refusals"])


@router.post(
    "/callable",
    summary="May it be dialled?",
    response_model=DialView | list[DialView],
    responses=openapi.answers({}, 401, 403, 413, 415, 422, 503),
    openapi_extra=openapi.body("Dial", also_list=True),
)
async def callable_(request: Request, _caller: AgentOrOps) -> Response:
    """For one number, or a list of up to 1000, answered in order. Roles: agent, ops."""
    body = await read_json(request, MOST_LIST)
    dials = read_dials(body) if isinstance(body, list) else [read(Dial, body)]
    answers = await front_of(request).ask(lambda engine: [_dial(engine, dial) for dial in dials])
    told = [answer.json_bytes() for answer in answers]
    content = b"[" + b",".join(told) + b"]" if isinstance(body, list) else told[0]
    return Response(content, media_type="application/json")


@router.post(
    "/refusals",
    status_code=201,
    summary="Never again",
    response_model=RefusalView,
    responses=openapi.answers({200: RefusalView}, 401, 403, 413, 415, 422, 503),
    openapi_extra=openapi.body("Refuse"),
)
async def refuse(request: Request, caller: AgentOrOps) -> Response:
    """Nobody calls this number again, and its open orders are cancelled. 200 when that stood. Roles: agent, ops."""
    form = read(Refuse, await read_json(request))
    by = f"{caller.name}/{form.agent}" if form.agent else caller.name
    carrier = form.carrier.value if form.carrier else EVERY_CARRIER
    stored = await front_of(request).refuse(
        RefusalAsked(Msisdn(form.msisdn), carrier, form.channel, by, form.call or "")
    )
    view = RefusalView(carrier=form.carrier and form.carrier.value, since=instant(stored.at))
    return Response(view.json_bytes(), 201 if stored.is_new else 200, media_type="application/json")


def _dial(engine: Engine, dial: Dial) -> DialView:
    answer = engine.dial(Msisdn(dial.msisdn), dial.carrier.value if dial.carrier else None)
    if answer.callable or answer.since is None:
        return DialView(callable=answer.callable)
    return DialView(callable=False, reason="refused", since=instant(answer.since))
