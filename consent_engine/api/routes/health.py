"""Health: whether the process is alive and whether it can serve. Needs no key, and the answer holds no secret."""

from starlette.requests import Request

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.problems import NotReady
from consent_engine.api.schemas.views import Alive, Ready
from consent_engine.api.service.service import front_of

operations = Operations("health", problems=())


@operations.add("GET", "/healthz", PUBLIC, "Is the process alive?", Alive)
async def healthz(_request: Request) -> Alive:
    """Answered as long as the process runs."""
    return Alive(status="alive")


@operations.add("GET", "/readyz", PUBLIC, "Can the process serve?", Ready, problems=(NotReady,))
async def readyz(request: Request) -> Ready:
    """200 if the store is reachable and takes durable writes, and workers were heard from; else 503 with `reasons`.
    Without the archive the process serves all but lists and old records: `archive` says so."""
    front = front_of(request)
    workers = await front.ready()
    return Ready(status="ready", workers=workers, archive=await front.archive_answers())
