"""Edge: around everything. Headers for every answer, one log line a request, and nothing unforeseen gets past it."""

import logging
import traceback
from collections import Counter
from collections.abc import Callable, MutableMapping
from time import monotonic
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent_engine.api.http.problems import of_defect, of_error
from consent_engine.errors import StoreUnavailable

log = logging.getLogger(__name__)
MOST_UNDER_WAY = 4_000
CLIENT_LEFT = 499
"""Not a status anybody gets: for the log only."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Edge:
    """An ASGI application around another.

    defects: counts, by type, what should never be raised · answered: told method, template, status and seconds
    """

    def __init__(self, app: ASGIApp, defects: Counter[str], answered: Callable[[str, str, int, float], None]) -> None:
        self._app = app
        self._defects = defects
        self._answered = answered
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = monotonic()
        answer = _Answer(send)
        self._under_way += 1
        try:
            if self._under_way > MOST_UNDER_WAY:
                await of_error(StoreUnavailable("too many requests are under way"))(scope, receive, answer.send)
            else:
                await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = answer.status or CLIENT_LEFT
        except Exception as error:  # noqa: BLE001 - the edge: nothing may reach a server that logs messages
            self._note(error)
            if not answer.status:
                await of_defect()(scope, receive, answer.send)
        finally:
            self._under_way -= 1
            self._tell(scope, answer.status, monotonic() - begun)

    def _tell(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """One line: the route's template, never the path or the query that was asked for."""
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        template = getattr(scope.get("route"), "path", "-")
        log.info("%s %s %d %.1f ms", method, template, status, seconds * 1000)
        self._answered(method, template, status, seconds)

    def _note(self, error: Exception) -> None:
        # Type and place; the message, and the values in a traceback, may be a person's.
        self._defects[type(error).__name__] += 1
        frame = traceback.extract_tb(error.__traceback__)[-1]
        log.error("a request failed: %s in %s, line %s", type(error).__name__, frame.name, frame.lineno)


class _Answer:
    """What goes back: stamped with our headers, its status remembered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)
