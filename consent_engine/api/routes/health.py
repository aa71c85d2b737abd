"""Health: is it alive, and can it serve? Without a key, and without a secret in the answer."""

from starlette.requests import Request

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.schemas.views import Alive, Ready
from consent_engine.api.service.service import front_of

operations = Operations("health", problems=())


@operations.add("GET", "/healthz", PUBLIC, "Alive?", Alive)
async def healthz(_request: Request) -> Alive:
    """The process answers."""
    return Alive(status="alive")


@operations.add("GET", "/readyz", PUBLIC, "Ready?", Ready, problems=(503,))
async def readyz(request: Request) -> Ready:
    """The store can be reached and takes durable writes, and workers were heard from; else 503 with `reasons`."""
    workers = await front_of(request).ready()
    return Ready(status="ready", workers=workers)
