"""HTTP to the engine: signed webhooks and calls with a key, each with a timeout and a bounded number of tries."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from consent_engine.domain.hashing import HEADER, sign

TRIES, MANY_TRIES = 60, 240
"""How often a request is sent: where a person waits for it, and where an engine may be busy with a whole day."""
PAUSE_S, MOST_PAUSE_S = 0.25, 10.0
TRY_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY})
TIMEOUT = aiohttp.ClientTimeout(total=8.0)


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
