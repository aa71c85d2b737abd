"""Lanes and gateways over HTTP: stopped by a person, and let go on."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.schemas.acts import StopOrGo
from consent_engine.api.schemas.pauses import PauseList
from consent_engine.api.service.callers import OPS, OPS_OR_AUDITOR
from consent_engine.api.service.service import front_of
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey, Target

operations = Operations("pauses", "/v1/pauses")


def _listed(engine: Engine) -> bytes:
    return PauseList.of(engine.pauses.standing(), engine.pauses.happened()).json_bytes()


@operations.add("GET", "", OPS_OR_AUDITOR, "List what stands still", PauseList)
async def list_(request: Request, caller: ApiKey) -> bytes:
    """Lanes and gateways that a person stopped, and the newest of what was stopped and let go on. Roles: ops,
    auditor."""
    return await front_of(request).ask(_listed)


@operations.add("POST", "", OPS, "Stop a lane or a gateway", {201: PauseList, 200: PauseList}, problems=(409,))
async def pause(request: Request, caller: ApiKey, form: StopOrGo) -> Response:
    """Nothing new is begun in it within a second, calls under way end, and nothing is lost; deadlines go on. 200: it
    stood still already, and stays as it was; 409 `nothing_so`. Role: ops."""

    def stopped(engine: Engine) -> Response:
        is_new = engine.pauses.pause(Target(form.to, form.name), caller.name, form.reason)
        return answered(_listed(engine), 201 if is_new else 200)

    return await front_of(request).ask(stopped)


@operations.add("POST", "/resume", OPS, "Let a lane or a gateway go on", PauseList, problems=(409,))
async def resume(request: Request, caller: ApiKey, form: StopOrGo) -> bytes:
    """What waited goes on within a second, at a gateway within three; 409 `not_paused`. Role: ops."""

    def went(engine: Engine) -> bytes:
        engine.pauses.resume(Target(form.to, form.name), caller.name, form.reason)
        return _listed(engine)

    return await front_of(request).ask(went)
