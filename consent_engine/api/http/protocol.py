"""HTTP/1.1 as uvicorn and llhttp speak it, with the checks that those leave out.

A bound on a head, no reaction to Upgrade and to trailers, one valid Host, and a body that is framed in one way only.
"""

import asyncio
import re
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from consent_engine.api.http.problems import problem

_LENGTH, _CONNECTION = b"content-length", b"connection"
_CONTROLS = bytes([*range(9), *range(10, 32), 127])
_ENDS = 2
"""Control characters in a header line: the two that end it."""


class Exchange(RequestResponseCycle):
    """One request and its answer. A head that names its body's length waits for that body, which follows at once.

    Two writes would be two system calls, at each of which the threads that place and receive take the interpreter from
    the loop.
    """

    _begun: Any = None

    async def send(self, message: Any) -> None:  # noqa: ANN401 - ASGI's
        """Send a piece of the answer."""
        begun, self._begun = self._begun, None  # a second start is another answer: an error's
        begins = message["type"] == "http.response.start" and not self.response_started
        named = {name for name, _ in message["headers"]} if begins else ()
        if _LENGTH in named and _CONNECTION not in named:  # uvicorn reads a Connection header, and acts on it
            self._begun = message
        elif begins or begun is None:
            await super().send(message)
        elif message.get("more_body") or self.flow.write_paused:
            await super().send(begun)
            await super().send(message)
        elif not self.disconnected:
            self._answer(begun, message.get("body", b""))

    def _answer(self, begun: Any, body: bytes) -> None:  # noqa: ANN401 - ASGI's
        headers = [*self.default_headers, *begun["headers"]]
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        head = b"".join([b"%b: %b\r\n" % each for each in headers])
        if len(head) - len(head.translate(None, _CONTROLS)) != _ENDS * len(headers):
            raise RuntimeError("a header that would be two")
        if self.scope["method"] == "HEAD":
            body = b""
        elif int(dict(begun["headers"])[_LENGTH]) != len(body):
            raise RuntimeError("a body of another length than was said")
        self.response_started = self.response_complete = True
        self.transport.write(b"".join([STATUS_LINE[begun["status"]], head, b"\r\n", body]))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


LAST_S = 0.2
"""How long an idle connection waits for a last request, when the API ends."""
MOST_HEAD = 16 * 1024
"""Bytes of a request's line and headers, of a trailer, or of a chunk's extension."""
_OFFERS = frozenset({b"upgrade", b"http2-settings", b"connection"})
_HOST = re.compile(rb"(?:[a-z0-9._~!$&'()*+;=%-]+|\[[0-9a-f:.]+\])(?::[0-9]{0,5})?", re.IGNORECASE)
"""A name or address and a port. A comma, which names may contain, is excluded: it is how a proxy joins two Hosts."""


class Unserved(Exception):
    """A head that cannot be served: the detail and the status of its answer, after which the connection is closed."""


_NO_HTTP = "this is not valid HTTP"
_TOO_LONG = (f"a request's head must have at most {MOST_HEAD} bytes", 400)
_HOST_UNCLEAR = ("a request must have one Host header with one valid host", 400)
"""No Host, two, or an invalid one (RFC 9112, 3.2)."""
_CODING_UNCLEAR = ("a request of HTTP/1.0 has no transfer coding", 400)
"""A transfer coding in a request of HTTP/1.0, which has none: its framing is faulty (RFC 9112, 6.1)."""
_CODING_UNKNOWN = ("send the body with a Content-Length, or chunked", 501)
"""A transfer coding other than chunked: we could not read the body, and a proxy before us may find another end of it
(RFC 9112, 6.1)."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. Bytes are counted from their arrival until they are used, so that an endless head is never kept.

    A request's headers are those of its head. A trailer comes after the body, where no proxy looks for a key, and is
    counted and dropped (RFC 9110, 6.5.1).

    A client may offer another protocol with any request (Java's does); a server without it treats the request as if the
    offer were not there (RFC 9110, 7.8). llhttp stops at such a head instead, and would take the body for the next
    request: so the head is parsed once more, without the offer.
    """

    _unused = 0
    _head = 0
    _in_head = True
    _offered = False
    _refusal = b""
    _ends = False

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self._refusal:
            return  # their kind is unknown
        self._unused += len(data)
        self._unset_keepalive_if_required()
        rest: bytes | None = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            rest = data[stopped.args[0] :]
        except httptools.HttpParserError as error:
            why = error.__context__  # ours, or none: llhttp's own
            self._refuse(*(why.args if isinstance(why, Unserved) else (_NO_HTTP, 400)))
        else:
            if self._unused > MOST_HEAD:
                self._refuse(*_TOO_LONG)
        if rest is not None:
            self._read_again(rest)  # not while the exception is handled: it would be the context of the next one

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn returns None, which closes the connection
        """Return whether the connection stays open: a client that has sent its request and says that it sends no more
        may still wait for the answer. Nobody else is waited for: the client may have left.
        """
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.more_body or cycle.response_started:
            return False
        cycle.keep_alive = False
        return True

    def _refuse(self, why: str, status: int = 400) -> None:
        """Answer for bytes that are no HTTP, and close the connection: after the answers to the requests before them,
        and instead of an answer to the request whose body they are in.
        """
        if self.transport.is_closing():
            return
        refusal = problem(status, "http_error", why, headers={"Connection": "close"})
        named = b"".join(b"%b: %b\r\n" % each for each in (*self.server_state.default_headers, *refusal.raw_headers))
        self._refusal = b"".join([STATUS_LINE[status], named, b"\r\n", refusal.body])
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._close_refused()
        elif cycle.more_body and self.pipeline:
            self.pipeline.popleft()
        elif cycle.response_started and cycle.more_body:
            self.transport.close()  # its answer is under way, and nobody can tell where its body would have ended
        elif cycle.more_body:
            cycle.disconnected = True
            cycle.message_event.set()
            self._close_refused()

    def _close_refused(self) -> None:
        self.transport.write(self._refusal)
        self.transport.close()

    def _read_again(self, rest: bytes) -> None:
        method = self.scope["method"].encode()
        if not self._offered or method == b"CONNECT":
            self._refuse(_NO_HTTP)
            return
        kept = [(name, value) for name, value in self.headers if name not in _OFFERS]
        words = b",".join(value for name, value in self.headers if name == b"connection").lower().split(b",")
        close = [b"Connection: close\r\n"] if b"close" in [word.strip() for word in words] else []
        line = b"%b %b HTTP/%b\r\n" % (method, self.url, self.scope["http_version"].encode())
        self.parser = httptools.HttpRequestParser(self)
        self._unused, self._offered = 0, False
        self.data_received(b"".join([line, *(b"%b: %b\r\n" % each for each in kept), *close, b"\r\n", rest]))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head, self._in_head = 0, True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request line. Raises Unserved for a head that is too long."""
        self._head += len(url)
        if self._head > MOST_HEAD:
            raise Unserved(*_TOO_LONG)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a whole header, of the head or of a trailer. Raises Unserved for a head that is too long."""
        self._head += len(name) + len(value)
        if self._head > MOST_HEAD:
            raise Unserved(*_TOO_LONG)
        if self._in_head:
            self.headers.append((name := name.lower(), value))
            self.expect_100_continue |= name == b"expect" and value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """End the head: serve the request, unless it must be parsed again. Raises Unserved if it does not name one
        valid host, or the end of its body is not clear.
        """
        self._in_head = False
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and self.parser.get_http_version() == "1.0":
            raise Unserved(*_CODING_UNCLEAR)
        if codings and (len(codings) > 1 or codings[0].strip().lower() != b"chunked"):
            raise Unserved(*_CODING_UNKNOWN)
        self._offered = self.parser.should_upgrade()
        if self._offered:
            self.scope["method"] = self.parser.get_method().decode("ascii")
            self.scope["http_version"] = self.parser.get_http_version()
            return
        hosts = [value for name, value in self.headers if name == b"host"]
        none_is_needed = self.parser.get_http_version() == "1.0" and not hosts
        if not none_is_needed and (len(hosts) != 1 or not _HOST.fullmatch(hosts[0])):
            raise Unserved(*_HOST_UNCLEAR)
        self._begin(self.parser.get_http_version())

    def _begin(self, version: str) -> None:
        """As uvicorn's `on_headers_complete`, with an `Exchange` in place of its cycle."""
        asked = httptools.parse_url(self.url)
        path = asked.path.decode("ascii")
        self.scope["http_version"], self.scope["method"] = version, self.parser.get_method().decode("ascii")
        self.scope["path"], self.scope["raw_path"] = unquote(path) if "%" in path else path, asked.path
        self.scope["query_string"] = asked.query or b""
        before: RequestResponseCycle | None = self.cycle
        self.cycle = Exchange(
            self.scope, self.transport, self.flow, self.logger, self.access_logger, self.access_log,
            self.server_state.default_headers, asyncio.Event(), self.expect_100_continue,
            version != "1.0" and self.parser.should_keep_alive() and not self._ends, self.on_response_complete,
        )  # fmt: skip
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def shutdown(self) -> None:
        """Close the connection once its request is answered. One that waits for the next is kept for a moment: a proxy
        that has just sent it would not know whether it was done, and must not send a POST once more.
        """
        self._ends = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.loop.call_later(LAST_S, super().shutdown)
        else:
            super().shutdown()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request: the next head may begin."""
        if not self._offered:
            self._unused = 0
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the next request, or, after bytes that were no HTTP, answer these and close the connection."""
        others_follow = bool(self.pipeline)
        super().on_response_complete()
        if self._refusal and not others_follow and not self.transport.is_closing():
            self._close_refused()
