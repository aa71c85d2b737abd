"""HTTP with the engine: signed webhooks and calls with a key, each with a timeout and a bounded number of tries; the
answers to its requests: a proper one, an error, garbage, or none at all; and the tasks that outlast a request.
"""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping, MutableSequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import web

from consent_engine.domain.hashing import HEADER, check, sign
from consent_engine.errors import Unauthenticated
from consent_engine.simulator.ledger import Ledger
from consent_engine.simulator.scripts import Answer

TRIES, MANY_TRIES = 60, 240
"""How often a request is sent: where a person waits for it, and where an engine may be busy with a whole day."""
PAUSE_S, MOST_PAUSE_S = 0.25, 10.0
TRY_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY})
TIMEOUT = aiohttp.ClientTimeout(total=8.0)


def instant(at: float) -> str:
    """Format an instant by RFC 3339, with offset."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


class Unreachable(ConnectionError):
    """The engine did not answer within the number of tries."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The engine's answer. body: {} if not JSON, other JSON than an object as `items` · tries: how often it was sent ·
    again_s: how long the engine wants to be left alone.
    """

    status: int
    body: dict[str, Any]
    tries: int = 1
    text: str = ""
    again_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Wire:
    """One client session towards one engine; closed by the caller that opened the session."""

    url: str
    session: aiohttp.ClientSession
    secret: str
    tries: int = TRIES
    pause: float = PAUSE_S

    async def post_signed(self, path: str, payload: Mapping[str, Any]) -> Reply:
        """Post a webhook as a gateway would: again until acknowledged, signed anew each time, as signatures expire."""
        body = json.dumps(payload, ensure_ascii=False).encode()

        def headers() -> Mapping[str, str]:
            return {HEADER: sign(self.secret, body, int(time.time())), "Content-Type": "application/json"}

        return await self._until_answered("POST", path, headers, body)

    async def call(
        self, method: str, path: str, key: str, payload: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Call the API with a key; the same request again is safe, so it is repeated until it is taken."""
        body = None if payload is None else json.dumps(payload, ensure_ascii=False).encode()
        sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})}
        return await self._until_answered(method, path, lambda: sent, body)

    async def _until_answered(
        self, method: str, path: str, headers: Callable[[], Mapping[str, str]], body: bytes | None
    ) -> Reply:
        for tried in range(1, self.tries + 1):
            reply = await self._once(method, path, headers(), body, tried)
            if reply is not None and reply.status not in TRY_AGAIN:
                return reply
            await asyncio.sleep(max(self.pause, reply.again_s if reply is not None else 0.0))
        raise Unreachable(f"{method} {path.split('/')[2]}: no answer after {self.tries} tries")

    async def _once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, tried: int
    ) -> Reply | None:
        try:
            async with self.session.request(
                method, self.url + path, data=body, headers=headers, timeout=TIMEOUT
            ) as response:
                raw = await response.read()
                again_s = min(MOST_PAUSE_S, float(response.headers.get("Retry-After", 0)))
                return Reply(response.status, _object(raw), tried, raw.decode(errors="replace"), again_s)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        read = json.loads(raw)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {"items": read}


@dataclass(slots=True)
class Tasks:
    """The tasks that run beside the requests: replies before they are sent, reports on their way."""

    errors: MutableSequence[str]
    running: set[asyncio.Task[None]] = field(default_factory=set)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else."""
        task = asyncio.create_task(self._guarded(work))
        self.running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.errors.append(f"the simulator itself failed: {error!r}")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Unreachable as error:
            self.errors.append(str(error))

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the simulator's end."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End everything: running tasks are cancelled and awaited, then the requests that still wait are answered."""
        tasks = list(self.running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.closing.set()


STATUSES = {
    Answer.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Answer.SLOW_DOWN: HTTPStatus.TOO_MANY_REQUESTS,
    Answer.IN_PROGRESS: HTTPStatus.CONFLICT,
    Answer.REJECT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Answer.ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Gives the answers that scripts ask for."""

    tasks: Tasks

    async def give(
        self, request: web.Request, answer: Answer, delay: float, proper: Mapping[str, object]
    ) -> web.StreamResponse:
        """Answer; `proper` is the body of a good answer. After HOLD and RESET the engine has received no answer.

        Cancelled when the engine gives its connection up, which HOLD waits for.
        """
        await self.tasks.pause(delay)
        if answer in {Answer.HOLD, Answer.RESET}:
            if answer is Answer.HOLD:
                await self.tasks.closing.wait()
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if answer is Answer.GARBAGE:
            return web.Response(text="<html><body>it works!</body></html>", content_type="text/html")
        if answer is Answer.OK:
            return web.json_response(dict(proper), status=HTTPStatus.CREATED)
        return _refusal(STATUSES[answer])


def _refusal(status: HTTPStatus) -> web.Response:
    headers = {"Retry-After": "1"} if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    return web.json_response({"code": "scripted", "reason": status.phrase}, status=status, headers=headers)


async def signed_object(
    request: web.Request, secret: str, errors: MutableSequence[str], now: float
) -> dict[str, object] | web.Response:
    """Return the body of a request, or an error response if it is unsigned or no JSON object; `errors` records that."""
    raw = await request.read()
    try:
        check(secret, request.headers.get(HEADER), raw, int(now * 1000))
    except Unauthenticated:
        errors.append(f"{request.path}: the engine's signature does not fit")
        return web.json_response({"error": "signature"}, status=HTTPStatus.UNAUTHORIZED)
    try:
        read = json.loads(raw)
    except ValueError:
        read = None
    if isinstance(read, dict):
        return read
    errors.append(f"{request.path}: the engine sent no JSON object")
    return web.json_response({"error": "body"}, status=HTTPStatus.BAD_REQUEST)


async def signed_fields(
    request: web.Request, secret: str, ledger: Ledger, fields: frozenset[str], key: str
) -> dict[str, object] | web.Response:
    """Return the body of a request that has these fields, one of them equal to its Idempotency-Key; or an error
    response if it breaks the contract, which the ledger records.
    """
    body = await signed_object(request, secret, ledger.errors, ledger.now())
    if isinstance(body, web.Response) or (fields <= set(body) and request.headers.get("Idempotency-Key") == body[key]):
        return body
    ledger.errors.append(f"{request.path}: the engine's request breaks the contract")
    return web.json_response({"error": "fields"}, status=HTTPStatus.BAD_REQUEST)


def unknown(done: str) -> web.Response:
    """Make the 404 for a key under which nothing was done."""
    return web.json_response({"code": "unknown", "reason": f"nothing was {done}"}, status=HTTPStatus.NOT_FOUND)
