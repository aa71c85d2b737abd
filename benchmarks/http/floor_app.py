"""The floor under an order's HTTP: the same requests in and out, with nothing behind them. Started by floor.py.

    python -m benchmarks.http.floor_app api PORT   Starlette on uvicorn, set as the API is: its answers are constants
    python -m benchmarks.http.floor_app caller     `http_exchange`, as ours: makes the calls its standard input names

The API tells the callers what to call through pipes (`FLOOR_CALLERS`: file descriptors): a line an order's question, a
line a yes. A caller answers the question's line with one SMS, the yes with an activation and then a notification. With
`FLOOR_REDIS`, an order also runs one script that does nothing: the least of any API that is async and uses Redis.
"""

import asyncio
import json
import os
import sys
from typing import Any

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent_engine.adapters.http_exchange import call, request, target_of
from consent_engine.api.http.protocol import BoundedHttp

CALLERS, ANSWER, OUTSIDE, REDIS = "FLOOR_CALLERS", "FLOOR_ANSWER", "FLOOR_OUTSIDE", "FLOOR_REDIS"
"""Variables: pipes to the callers · length of the answer to an order · addresses of the stub and of the server."""
IN_FLIGHT = 64
CONNECTIONS = 256
TEXT = "同" * 263
"""A text as long as a question."""
KEPT = {"ack": b'{"accepted":1,"rejected":[]}'}


def api(port: int) -> None:
    """Serve until told to stop."""
    pipes = [int(fd) for fd in os.environ[CALLERS].split(",") if fd]
    answer = b'{"id":"' + b"0" * (int(os.environ[ANSWER]) - 9) + b'"}'
    script = nothing(os.environ.get(REDIS, ""))

    def tell(what: str, number: str) -> None:
        if pipes:
            os.write(pipes[int(number[-4:]) % len(pipes)], f"{what} {number}\n".encode())

    async def place(request: Request) -> Response:
        tell("ask", "+86" + json.loads(await request.body())["msisdn"])
        if script is not None:
            await script()
        return Response(answer, 201, media_type="application/json")

    async def inbound(request: Request) -> Response:
        tell("yes", json.loads(await request.body())["from"])
        return Response(KEPT["ack"], media_type="application/json")

    async def receipts(request: Request) -> Response:
        await request.body()
        return Response(KEPT["ack"], media_type="application/json")

    async def healthz(_request: Request) -> Response:
        return Response(KEPT["ack"], media_type="application/json")

    routes = [
        Route("/v1/orders", place, methods=["POST"]),
        Route("/v1/gateways/{name}/inbound", inbound, methods=["POST"]),
        Route("/v1/gateways/{name}/receipts", receipts, methods=["POST"]),
        Route("/healthz", healthz),
    ]
    uvicorn.run(
        Starlette(routes=routes),
        host="127.0.0.1", port=port, access_log=False, log_config=None, server_header=False, proxy_headers=False,
        http=BoundedHttp, ws="none", backlog=2048, timeout_keep_alive=15,
    )  # fmt: skip


def nothing(url: str) -> Any:  # noqa: ANN401 - redis-py's, awaited
    """Return a script that does nothing, on the server of that address; None without one."""
    return Redis.from_url(url, max_connections=CONNECTIONS).register_script("return 1") if url else None


class Caller:
    """A caller of the stub, each time on a connection of its own, as ours."""

    def __init__(self, outside: str) -> None:
        self._outside = outside
        self._places = asyncio.Semaphore(IN_FLIGHT)

    async def call(self, what: str, number: str) -> None:
        """Make the calls that a line asks for."""
        async with self._places:
            if what == "ask":
                return await self._sms(number, "confirmation")
            said = {"order_id": "0" * 28, "msisdn": number, "plan": "5g-smart-199", "plan_hash": "0" * 64}
            await self._post("/bss/activations", said, number)
            return await self._sms(number, "notification")

    async def _sms(self, number: str, purpose: str) -> None:
        ref = f"{number[1:]:0>28}.{purpose}.1"
        said = {"ref": ref, "from": "10085", "to": number, "text": TEXT, "purpose": purpose}
        await self._post("/sms", said, ref)

    async def _post(self, path: str, said: dict[str, Any], key: str) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        target = target_of(self._outside + path)
        await call(target, request("POST", target, headers, json.dumps(said).encode()), lambda: None)


async def calling() -> None:
    """Call until standard input ends."""
    caller, lines = Caller(os.environ[OUTSIDE]), asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks: set[asyncio.Task[None]] = set()
    while line := await lines.readline():
        task = asyncio.create_task(caller.call(*line.decode().split()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    if sys.argv[1] == "api":
        api(int(sys.argv[2]))
    else:
        asyncio.run(calling())
