"""Plans over HTTP: the catalogue, to be read."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from consent_engine.api import openapi
from consent_engine.api.auth import Anybody
from consent_engine.api.front import front_of
from consent_engine.api.views import PlanList, PlanView

router = APIRouter(prefix="/v1/plans", tags=["plans"])


@router.get("", summary="The catalogue", response_model=PlanList, responses=openapi.answers({}, 401, 503))
async def plans(request: Request, _caller: Anybody) -> Response:
    """Every plan in its current version. Any role."""
    listed = await front_of(request).ask(lambda engine: engine.catalogue.fresh())
    view = PlanList(items=[PlanView.of(listed[code]) for code in sorted(listed)])
    return Response(view.json_bytes(), media_type="application/json")


@router.get("/{code}", summary="One plan", response_model=PlanView, responses=openapi.answers({}, 401, 404, 503))
async def plan(request: Request, code: str, _caller: Anybody) -> Response:
    """A plan in its current version. Any role."""
    listed = await front_of(request).ask(lambda engine: engine.plan(code))
    return Response(PlanView.of(listed).json_bytes(), media_type="application/json")
