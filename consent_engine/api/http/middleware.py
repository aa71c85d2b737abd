"""The edge around the application: headers for every answer, one log line per request, no error that passes it."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping
from http import HTTPStatus
from random import Random
from time import monotonic
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent_engine.api.http.problems import Handlers, of_defect, of_error, route_of, tell_defect
from consent_engine.domain.msisdn import contains_number
from consent_engine.errors import ConsentError, StoreUnavailable

QUIET_S = 15.0
"""An outage is over after this long without a 503: while some callers are answered, others may not be yet."""


class _Outage:
    """The times of the first and the last 503 of an outage, and their count."""

    __slots__ = ("last", "since", "times")

    def __init__(self, now: float) -> None:
        self.since = self.last = now
        self.times = 0


class Outages:
    """The outages of one process, by cause: an error's code, or the route of a page that answers 503 by itself, so that
    there are few. Callers repeat themselves, and ten thousand lines would say no more than the first. For use on the
    event loop only: nothing is locked.
    """

    def __init__(self, log: logging.Logger, watch: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._watch = watch
        self._now: dict[str, _Outage] = {}

    def level(self, status: int, cause: str) -> int:
        """Return the log level of an answer: 500 and above is an error, but 503 a warning, since the client may send
        the same request again, and only the first of an outage. The end of an outage is logged here, at the first
        answer other than 503 after QUIET_S: a process that answers nothing more logs nothing.
        """
        if status != HTTPStatus.SERVICE_UNAVAILABLE:
            if self._now:
                self._say_over()
            return logging.INFO if status < HTTPStatus.INTERNAL_SERVER_ERROR else logging.ERROR
        now = self._watch()
        found = self._now.setdefault(cause, _Outage(now))
        found.last = now
        found.times += 1
        return logging.WARNING if found.times == 1 else logging.DEBUG

    def _say_over(self) -> None:
        now = self._watch()
        for cause, found in [each for each in self._now.items() if now - each[1].last >= QUIET_S]:
            del self._now[cause]
            template = "503 %s: none for %.0f s, after %d of them within %.0f s"
            about = {"status": int(HTTPStatus.SERVICE_UNAVAILABLE), "cause": cause, "answers": found.times}
            lasted = found.last - found.since
            self._log.warning(template, cause, now - found.last, found.times, lasted, extra={"about": about})


log = logging.getLogger(__name__)
CLIENT_LEFT = 499
"""A status for the log only; no client gets it."""
_DRAWN = Random()  # noqa: S311 - an id, not a secret: drawing from the system would let other threads take over
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_ORDER = re.compile("[0-9a-f]{28}")
_OF_AN_ORDER = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
"""Error statuses that concern an existing order."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_RAW = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in HEADERS.items()]
_NAMES = frozenset(name for name, _ in _RAW)
_REQUEST = b"x-request-id"


class Edge:
    """An ASGI application around another one.

    handlers: error handlers by the error's class · defects: counts, by type, errors that should never be raised ·
    answered: called with method, template, status and seconds · most: requests under way at once
    """

    def __init__(
        self, app: ASGIApp, handlers: Handlers, defects: Counter[str],
        answered: Callable[[str, str, int, float], None], most: int,
    ) -> None:  # fmt: skip
        self._app = app
        self._handlers = handlers
        self._defects = defects
        self._answered = answered
        self._most = most
        self._under_way = 0
        self._outages = Outages(log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = monotonic()
        scope["request_id"] = request_id(scope["headers"])
        answer = _Answer(send, scope["request_id"])
        self._under_way += 1
        try:
            if self._under_way > self._most:
                scope["cause"] = "too_many_requests"
                await of_error(StoreUnavailable("too many requests are under way"))(scope, receive, answer.send)
            else:
                await self._answered_by(scope, receive, answer)
        except ClientDisconnect:
            answer.status = answer.status or CLIENT_LEFT
        except Exception as error:  # noqa: BLE001 - the edge: nothing may reach a server that logs messages
            self._note(error, scope)
            if not answer.status:
                await of_defect()(scope, receive, answer.send)
        finally:
            self._under_way -= 1
            self._tell(scope, answer.status, monotonic() - begun)

    async def _answered_by(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        """Serve the request, or answer its error. Raises an error that has no handler, or that comes after the answer
        has begun.
        """
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            handler = next((self._handlers[kind] for kind in type(error).__mro__ if kind in self._handlers), None)
            if handler is None or answer.status:
                raise
            if isinstance(error, ConsentError):
                scope["cause"] = error.code
            response: Response = await handler(Request(scope, receive), error)
            await response(scope, receive, answer.send)

    def _tell(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """Write one log line, with the route's template, never the path or query of the request."""
        method, template = route_of(scope)
        ms = round(seconds * 1000, 1)
        about = {"method": method, "route": template, "status": status, "ms": ms, "request": scope["request_id"]}
        about |= {"key": scope["key"]} if "key" in scope else {}
        about |= {"order": order} if (order := _order_of(scope, status)) else {}
        level = self._outages.level(status, cause := scope.get("cause", template))
        further = f" ({cause}; said again when it is over)" if level == logging.WARNING else ""
        log.log(level, "%s %s %d %s ms%s", method, template, status, ms, further, extra={"about": about})
        self._answered(method, template, status, seconds)

    def _note(self, error: Exception, scope: Scope) -> None:
        self._defects[type(error).__name__] += 1
        tell_defect(error, scope)


def _order_of(scope: MutableMapping[str, Any], status: int) -> str:
    """Return the order that an answer is about; '' if the id may be the caller's invention."""
    if status >= HTTPStatus.BAD_REQUEST and status not in _OF_AN_ORDER:
        return ""
    named = scope.get("order") or scope.get("path_params", {}).get("order_id", "")
    return str(named) if _ORDER.fullmatch(str(named)) else ""


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the caller's X-Request-Id if it is 1 to 64 harmless characters without a phone number; else a new one."""
    ids = [value for name, value in headers if name.lower() == b"x-request-id"]
    sound = len(ids) == 1 and _REQUEST_ID.fullmatch(ids[0])
    return (
        ids[0].decode("ascii")
        if sound and not contains_number(ids[0].decode("ascii"))
        else f"{_DRAWN.getrandbits(64):016x}"
    )


class _Answer:
    """An answer on its way out: our headers are added to it, and its status is remembered."""

    def __init__(self, send: Send, request: str) -> None:
        self._send = send
        self._request = request
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            named = {name for name, _ in headers}
            security = _RAW if named.isdisjoint(_NAMES) else [each for each in _RAW if each[0] not in named]
            own = [pair for pair in headers if pair[0] != _REQUEST] if _REQUEST in named else headers
            message["headers"] = [*own, *security, (_REQUEST, self._request.encode("latin-1"))]
        await self._send(message)
