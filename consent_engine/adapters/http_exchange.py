"""One HTTP/1.1 request on a connection of its own, and its answer, read to its end: llhttp on asyncio's transports.

A general client pays for features that no call here needs: pools, redirects, cookies, tracing. A call here is a
connection, a head and a body made beforehand, and one answer. The costs of the client before this: decision 19.
"""

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from time import monotonic
from typing import cast

import httptools
from aiohappyeyeballs import start_connection
from yarl import URL

from consent_engine.ports.outside import NotSent

MOST_BODY = 64 * 1024
MOST_BYTES = 4 * MOST_BODY
"""The largest size of a whole answer, with its head and the framing of its body."""
MOST_HEAD = 32 * 1024
"""The largest size of an answer's head."""
NAMES_KEPT_S = 10.0
"""How long an address that answered is used again for its name; where it cannot be reached, the name is looked up."""
RACE_S = 0.25
"""The delay after which the next address of a name is tried as well (RFC 8305)."""


class BrokenAnswer(Exception):
    """The answer cannot be read: no HTTP, cut off, or longer than allowed. The error quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its body as received, and the one header that is read."""

    status: int
    body: bytes
    retry_after: str


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a call. start: the start of its head, from path to host"""

    host: str
    port: int
    tls: bool
    start: str


@lru_cache(64)
def target_of(url: str) -> Target:
    """Read an absolute URL. Raises ValueError for anything else. A user in it becomes Basic credentials."""
    read = URL(url)
    if read.scheme not in {"http", "https"} or not read.raw_host or not read.port:
        raise ValueError("no absolute http:// or https:// address")
    start = f"{read.raw_path_qs} HTTP/1.1\r\nHost: {read.host_port_subcomponent}\r\n"
    if read.user is not None:
        known = b64encode(f"{read.user}:{read.password or ''}".encode()).decode()
        start += f"Authorization: Basic {known}\r\n"
    return Target(read.raw_host, read.port, read.scheme == "https", start)


def request(method: str, target: Target, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return a whole request. Raises ValueError for a header that contains the end of a line."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise ValueError("a header holds the end of a line")
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    return f"{method} {target.start}Connection: close\r\n{lines}{length}\r\n".encode() + (body or b"")


async def call(
    target: Target, written: bytes, in_hand: Callable[[], None], tls: ssl.SSLContext | None = None
) -> Said:  # fmt: skip
    """Connect, write, and read the answer.

    in_hand: called when a connection stands, right before the first byte is sent; it may raise NotSent · tls: for an
    https address, if not the usual. Raises OSError and ValueError where no connection can be made: surely not sent;
    OSError and BrokenAnswer where no answer came.
    """
    loop = asyncio.get_running_loop()
    secured = (tls or _tls()) if target.tls else None
    wire = await _connected(target, secured, lambda: _Wire(written, in_hand, loop.create_future()))
    try:
        return await wire.answer
    finally:
        wire.let_go()


class _Reading:
    """An answer being read: `said` holds it once it is whole, `broken` the reason once it cannot be read."""

    def __init__(self) -> None:
        self.said: Said | None = None
        self.broken = ""
        self._parser = httptools.HttpResponseParser(self)
        self._came = self._size = 0
        self._headed = self._measured = False
        self._body: list[bytes] = []
        self._after = ""

    def feed(self, data: bytes) -> None:
        self._came += len(data)
        if self._is_over():
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._whole()  # the other side switches protocols: the answer ends before that
        except httptools.HttpParserError:
            self._break("no HTTP")
        if self._came > (MOST_BYTES if self._headed else MOST_HEAD):
            self._break("too long")

    def end(self) -> None:
        """Take the end of the connection: the end of a body without a length, or a cut-off answer."""
        if self._headed and not self._measured:
            self._whole()
        else:
            self._break("cut off")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; headers of a trailer are ignored."""
        if self._headed:
            return
        lower = name.lower()
        if lower == b"retry-after":
            self._after = value.decode("latin-1")
        elif lower in {b"content-length", b"transfer-encoding"}:
            self._measured = True

    def on_headers_complete(self) -> None:
        self._headed = True

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > MOST_BODY:
            self._break("too long")
        elif not self._is_over():
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Take a whole answer; after one of 1xx another follows, except after 101."""
        if 100 <= self._parser.get_status_code() < 200 and not self._parser.should_upgrade():  # noqa: PLR2004 - HTTP's
            self._headed = self._measured = False
            self._after = ""
            return
        self._whole()

    def _is_over(self) -> bool:
        return self.said is not None or bool(self.broken)

    def _whole(self) -> None:
        if not self._is_over():
            self.said = Said(self._parser.get_status_code(), b"".join(self._body), self._after)

    def _break(self, why: str) -> None:
        if not self._is_over():
            self.broken = why


class _Wire(asyncio.Protocol):
    """An asyncio connection that writes the request as soon as it stands, and delivers the whole answer."""

    def __init__(self, written: bytes, in_hand: Callable[[], None], answer: "asyncio.Future[Said]") -> None:
        self.answer = answer
        self._written = written
        self._in_hand = in_hand
        self._reading = _Reading()
        self._transport: asyncio.Transport | None = None

    def let_go(self) -> None:
        """Drop the connection and cancel the wait for an answer."""
        if self._transport is not None:
            self._transport.abort()
        self.answer.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        try:
            self._in_hand()
            self._transport.write(self._written)
        except NotSent as gone:
            self.answer.set_exception(gone)

    def data_received(self, data: bytes) -> None:
        self._reading.feed(data)
        self._tell()

    def eof_received(self) -> None:
        self._reading.end()
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or BrokenAnswer("cut off"))

    def _tell(self) -> None:
        said, broken = self._reading.said, self._reading.broken
        if said is not None and not self.answer.done():
            self.answer.set_result(said)
        elif broken and not self.answer.done():
            self.answer.set_exception(BrokenAnswer(broken))


# Addresses of names -----------------------------------------------------------------------------------------------

_known: dict[tuple[str, int], tuple[str, float]] = {}
"""For each name and port: the address that answered last, and until when it is used. As many as the settings name."""


def known_addresses() -> dict[tuple[str, int], tuple[str, float]]:
    """Return, for each name and port, the address that answered last, and until when it is used without a look-up."""
    return _known


async def _connected(target: Target, tls: ssl.SSLContext | None, make: Callable[[], _Wire]) -> _Wire:
    loop = asyncio.get_running_loop()
    name = target.host if target.tls else None
    address, until = _known.get((target.host, target.port), ("", 0.0))
    if monotonic() < until:
        try:
            return (await loop.create_connection(make, address, target.port, ssl=tls, server_hostname=name))[1]
        except OSError:  # before anything was sent
            _known.pop((target.host, target.port), None)
            if address == target.host:
                raise
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    sock = await start_connection(found, happy_eyeballs_delay=RACE_S)  # asyncio's own leaves a socket open if cancelled
    transport, wire = await loop.create_connection(make, sock=sock, ssl=tls, server_hostname=name)
    if peer := transport.get_extra_info("peername"):
        _known[target.host, target.port] = peer[0], monotonic() + NAMES_KEPT_S
    return wire


def tls_context(authorities: str | None = None) -> ssl.SSLContext:
    """Make the TLS of calls. authorities: a file of certificates, the system's where None. Raises OSError."""
    context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context


_tls = cache(tls_context)
