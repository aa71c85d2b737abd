"""What watches the process asks: whether it is alive and can serve, without a key; and its metrics, with an ops key, or
without one at a separate address if that is set.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.problems import NotReady
from consent_engine.api.schemas.views import Alive, Ready
from consent_engine.api.service.callers import OPS
from consent_engine.api.service.prometheus import CONTENT_TYPE, Metrics
from consent_engine.api.service.service import front_of
from consent_engine.ports import ApiKey

log = logging.getLogger(__name__)
operations = Operations("health", problems=())
ASK_S = 5.0
MOST_HEAD = 8 * 1024


@operations.add("GET", "/healthz", PUBLIC, "Is the process alive?")
async def healthz(_request: Request) -> Alive:
    """Answered as long as the process runs."""
    return Alive(status="alive")


@operations.add("GET", "/readyz", PUBLIC, "Can the process serve?", problems=(NotReady,))
async def readyz(request: Request) -> Ready:
    """200 if the store is reachable and takes durable writes, and workers were heard from; else 503 with `reasons`.
    Without the archive the process serves all but lists and old records: `archive` says so."""
    front = front_of(request)
    workers = await front.ready()
    return Ready(status="ready", workers=workers, archive=await front.archive_answers())


@operations.add("GET", "/metrics", OPS, "Metrics for Prometheus", openapi.METRICS)
async def metrics(request: Request, _caller: ApiKey) -> Response:
    """Requests, lanes, orders by state, workers. Role: ops; CONSENT_METRICS_ADDR serves the same without a key."""
    kept: Metrics = request.app.state.metrics
    return Response(await kept.page(), headers={"Content-Type": CONTENT_TYPE})


@asynccontextmanager
async def own_address(listening: socket.socket | None, kept: Metrics) -> AsyncIterator[None]:
    """Serve the metrics at a separate address as well, until the context ends."""
    if listening is None:
        yield
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASK_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(head, kept))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # too slow, disconnected, or no complete request head: nobody waits for an answer
        except Exception as error:  # noqa: BLE001 - the edge: asyncio would log a message and a traceback
            log.error("metrics could not be told: %s", type(error).__name__)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, sock=listening, limit=MOST_HEAD)
    try:
        yield
    finally:
        server.close()


async def _answer(head: bytes, kept: Metrics) -> bytes:
    method, _, target = head.partition(b" ")
    path = target.partition(b" ")[0].partition(b"?")[0]
    status, body = "404 Not Found", b""
    if path == b"/metrics":
        status, body = ("200 OK", await kept.page()) if method in {b"GET", b"HEAD"} else ("405 Method Not Allowed", b"")
    headers = {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + (b"" if method == b"HEAD" else body)
