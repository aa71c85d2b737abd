"""One HTTP/1.1 request on a connection of its own, and its answer, read to its end: llhttp on asyncio's sockets.

A client of many uses pays for what no call here has: pools, redirects, cookies, tracing. A call is a connection, a head
and a body that were made before it, and one answer. What it cost before: decision 36.
"""

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import ip_address
from time import monotonic
from typing import cast

import httptools
from yarl import URL

from consent_engine.ports.outside import NotSent

MOST_BODY = 64 * 1024
MOST_BYTES = 4 * MOST_BODY
"""Of a whole answer, with its head and whatever frames its body."""
MOST_HEAD, PIECE = 32 * 1024, 64 * 1024
"""So much of an answer is taken at a time."""
NAMES_KEPT_S = 10.0
"""How long an address that answered is used again for its name; one that cannot be reached is looked up at once."""
RACE_S = 0.25
"""After so long the next address of a name is tried as well (RFC 8305)."""


class BrokenAnswer(Exception):
    """What came is no answer: no HTTP, cut off, or longer than any that we know how to read. It quotes nothing."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its body as it stood on the wire, and the one header that is read."""

    status: int
    body: bytes
    retry_after: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes. start: of its head, from the target to the host · is_address: its host needs no look-up"""

    host: str
    port: int
    tls: bool
    start: str
    is_address: bool


@lru_cache(64)
def target_of(url: str) -> Target:
    """Read an absolute URL; raises ValueError for one that is none. A user in it becomes Basic credentials."""
    read = URL(url)
    if read.scheme not in {"http", "https"} or not read.raw_host or not read.port:
        raise ValueError("no absolute http:// or https:// address")
    start = f"{read.raw_path_qs} HTTP/1.1\r\nHost: {read.host_port_subcomponent}\r\n"
    if read.user is not None:
        known = b64encode(f"{read.user}:{read.password or ''}".encode()).decode()
        start += f"Authorization: Basic {known}\r\n"
    return Target(read.raw_host, read.port, read.scheme == "https", start, _is_address(read.raw_host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def request(method: str, target: Target, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A whole request. Raises ValueError for a header that would be two."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise ValueError("a header holds the end of a line")
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    return f"{method} {target.start}Connection: close\r\n{lines}{length}\r\n".encode() + (body or b"")


async def call(target: Target, written: bytes, in_hand: Callable[[], None]) -> Said:
    """Connect, write, and read the answer.

    in_hand: called when a connection stands, right before the first byte goes out; it may raise NotSent. Raises OSError
    and ValueError where no connection is to be had: surely not sent; OSError and BrokenAnswer where no answer came.
    """
    if (plain := await _plainly(target)) is not None:
        return await _asked(plain, written, in_hand)
    loop = asyncio.get_running_loop()
    wire = await _connected(target, lambda: _Wire(written, in_hand, loop.create_future()))
    try:
        return await wire.answer
    finally:
        wire.let_go()


async def _asked(plain: socket.socket, written: bytes, in_hand: Callable[[], None]) -> Said:
    """Ask on a socket, with nothing between: a transport would cost as much again as all the rest of a call."""
    loop, reading = asyncio.get_running_loop(), _Reading()
    try:
        in_hand()
        await loop.sock_sendall(plain, written)
        while reading.said is None:
            came = await loop.sock_recv(plain, PIECE)
            reading.feed(came) if came else reading.end()
            if reading.broken:
                raise BrokenAnswer(reading.broken)
        return reading.said
    finally:
        plain.close()


class _Reading:
    """An answer as it comes: `said` once it is there whole, `broken` with the reason once it can be none."""

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
            self._whole()  # they speak something else from here on: what they said before that is the answer
        except httptools.HttpParserError:
            self._break("no HTTP")
        if self._came > (MOST_BYTES if self._headed else MOST_HEAD):
            self._break("too long")

    def end(self) -> None:
        """They say no more: the end of a body that nothing measures, or the middle of an answer."""
        if self._headed and not self._measured:
            self._whole()
        else:
            self._break("cut off")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or one of a trailer."""
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
        """An answer is whole; one of 1xx says that another follows, but for 101."""
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
    """A connection of asyncio's: writes the request as soon as it stands, and hands the whole answer over."""

    def __init__(self, written: bytes, in_hand: Callable[[], None], answer: "asyncio.Future[Said]") -> None:
        self.answer = answer
        self._written = written
        self._in_hand = in_hand
        self._reading = _Reading()
        self._transport: asyncio.Transport | None = None

    def let_go(self) -> None:
        """Nothing more is said, or heard, here."""
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


# Where a name is --------------------------------------------------------------------------------------------------

_known: dict[tuple[str, int], tuple[str, float]] = {}
"""Of each name and port: the address that answered, and until when it is believed. As many as there are settings."""


def known_addresses() -> dict[tuple[str, int], tuple[str, float]]:
    """Of each name and port: the address that answered last, and until when it is used again without a look-up."""
    return _known


async def _plainly(target: Target) -> socket.socket | None:
    """A connection to an address that is one, or that answered last for its name; None with TLS, and for a look-up."""
    name = target.host, target.port
    address, until = _known.get(name, ("", 0.0))
    if target.tls or not (target.is_address or monotonic() < until):
        return None
    address = target.host if target.is_address else address
    plain = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)  # noqa: FBT003 - the standard library's
        await asyncio.get_running_loop().sock_connect(plain, (address, target.port))
    except OSError:  # before anything was sent
        plain.close()
        if target.is_address:
            raise
        _known.pop(name, None)
        return None
    except BaseException:
        plain.close()
        raise
    return plain


async def _connected(target: Target, make: Callable[[], _Wire]) -> _Wire:
    loop, tls = asyncio.get_running_loop(), _tls() if target.tls else None
    name = target.host if target.tls else None
    address, until = _known.get((target.host, target.port), ("", 0.0))
    if monotonic() < until:
        try:
            return (await loop.create_connection(make, address, target.port, ssl=tls, server_hostname=name))[1]
        except OSError:  # before anything was sent
            _known.pop((target.host, target.port), None)
            if address == target.host:
                raise
    transport, wire = await loop.create_connection(
        make, target.host, target.port, ssl=tls, server_hostname=name, happy_eyeballs_delay=RACE_S, interleave=1
    )
    if peer := transport.get_extra_info("peername"):
        _known[target.host, target.port] = peer[0], monotonic() + NAMES_KEPT_S
    return wire


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
