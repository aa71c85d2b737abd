"""Health: is it alive, and can it serve? Without a key, and without a secret in the answer."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from consent_engine.api import openapi
from consent_engine.api.front import front_of
from consent_engine.api.views import Alive, Ready

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Alive?", response_model=Alive)
async def healthz() -> Response:
    """The process answers."""
    return Response(Alive(status="alive").json_bytes(), media_type="application/json")


@router.get("/readyz", summary="Ready?", response_model=Ready, responses=openapi.answers({}, 503))
async def readyz(request: Request) -> Response:
    """The store can be reached and keeps what it is told, and workers were heard from; else 503 with `reasons`."""
    workers = await front_of(request).ready()
    return Response(Ready(status="ready", workers=workers).json_bytes(), media_type="application/json")
