"""Pauses over HTTP: a person stops a lane or a gateway, and lets it continue."""

from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.schemas.forms import StopOrGo
from consent_engine.api.schemas.lists import PauseList
from consent_engine.api.service.callers import OPS, OPS_OR_AUDITOR
from consent_engine.engine.engine import Engine
from consent_engine.engine.pausing import NothingSo, NotPaused
from consent_engine.ports import ApiKey, Endpoint

operations = Operations("pauses", "/v1/pauses")


def _listed(engine: Engine) -> PauseList:
    return PauseList.of(engine.pauses.standing(), engine.pauses.happened())


@operations.add("GET", "", OPS_OR_AUDITOR, "List stopped lanes and gateways")
def list_(engine: Engine, caller: ApiKey) -> PauseList:
    """Lanes and gateways that are paused, and the latest pauses and resumptions. Roles: ops, auditor."""
    return _listed(engine)


@operations.add("POST", "", OPS, "Stop a lane or a gateway", {201: PauseList, 200: PauseList}, problems=(NothingSo,))
def pause(engine: Engine, caller: ApiKey, form: StopOrGo) -> Response:
    """Within a second it starts nothing new; calls under way finish, nothing is lost, and deadlines keep running. 200:
    it was paused already, and that pause stays as it is; 409 `nothing_so`. Role: ops."""
    is_new = engine.pauses.pause(Endpoint(form.to, form.name), caller.name, form.reason)
    return answered(_listed(engine), 201 if is_new else 200)


@operations.add("POST", "/resume", OPS, "Resume a lane or a gateway", problems=(NotPaused,))
def resume(engine: Engine, caller: ApiKey, form: StopOrGo) -> PauseList:
    """Waiting work continues within a second; 409 `not_paused`. Role: ops."""
    engine.pauses.resume(Endpoint(form.to, form.name), caller.name, form.reason)
    return _listed(engine)
