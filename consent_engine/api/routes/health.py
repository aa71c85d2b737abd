"""Health: is it alive, and can it serve? Without a key, and without a secret in the answer."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.schemas.views import Alive, Ready
from consent_engine.api.service.service import front_of

operations = Operations("health")


@operations.add("GET", "/healthz", PUBLIC, "Alive?", answers={200: Alive})
async def healthz(_request: Request) -> Response:
    """The process answers."""
    return Response(Alive(status="alive").json_bytes(), media_type="application/json")


@operations.add("GET", "/readyz", PUBLIC, "Ready?", answers={200: Ready}, problems=(503,))
async def readyz(request: Request) -> Response:
    """The store can be reached and takes durable writes, and workers were heard from; else 503 with `reasons`."""
    workers = await front_of(request).ready()
    return Response(Ready(status="ready", workers=workers).json_bytes(), media_type="application/json")
