"""The far side of the contract tests: a loopback server that behaves or misbehaves, and texts that no log may show."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from consent_engine.adapters.http_exchange import MOST_BODY

NUMBER = "13800138000"
MSISDN = "+86" + NUMBER
TEXT = "贵妃醉酒 MAGPIE-BRIDGE 是"
TELLTALES = (NUMBER, "贵妃醉酒", "MAGPIE", TEXT.encode().decode("latin-1"), ascii(TEXT)[1:-1], str(TEXT.encode())[2:-1])
ECHO = f"{MSISDN} {TEXT}".encode()
"""Personal data that a far side echoes, in case they end up in a log."""

KEPT_SECRET = "a secret between us"
NOW_S = 1_754_013_600


def discreet(shown: str) -> str:
    """Return `shown`, which must contain no personal data and no secret."""
    assert not [telltale for telltale in (*TELLTALES, KEPT_SECRET) if telltale in shown], "somebody is in there"
    return shown


@dataclass
class Request:
    """One request, as received on the wire."""

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self):
        return json.loads(self.body)


@dataclass
class Wire:
    """One connection, seen from the far side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, written: bytes) -> None:
        self.writer.write(written)
        await self.writer.drain()

    async def wait_until_they_give_up(self) -> None:
        await self.reader.read()


Behaviour = Callable[[Request, Wire], Awaitable[None]]


@dataclass
class Far:
    """A server that keeps the requests it receives and behaves as the test says; `mute`: a behaviour below HTTP."""

    behave: Behaviour
    mute: Callable[[Wire], Awaitable[None]] | None = None
    requests: list[Request] = field(default_factory=list)
    conversations: list[asyncio.Task] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_trouble):
        self._server.close()
        for conversation in self.conversations:
            conversation.cancel()
        await asyncio.wait([*self.conversations, asyncio.ensure_future(asyncio.sleep(0))])

    def _accept(self, reader, writer):
        conversation = self._converse(reader, writer, len(self.conversations) + 1)
        self.conversations.append(asyncio.get_running_loop().create_task(conversation))

    async def _converse(self, reader, writer, connection):
        wire = Wire(reader, writer)
        try:
            if self.mute is not None:
                await self.mute(wire)
                return
            while not writer.is_closing():
                self.requests.append(await _read(reader, connection))
                await self.behave(self.requests[-1], wire)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client closed: close as well
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, connection: int) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(connection, method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def answers(status: int, said: object = None, **headers: str) -> Behaviour:
    """Make a behaviour that answers properly, in JSON; `said` in bytes is sent unchanged."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    lines = [f"HTTP/1.1 {status} Sure", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def behave(_request, wire):
        await wire.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    return behave


def says(written: bytes, *, wait: bool = False) -> Behaviour:
    """Make a behaviour that writes just these bytes, then hangs up, or (wait) waits for the client to close."""

    async def behave(_request, wire):
        await wire.write(written)
        if wait:
            await wire.wait_until_they_give_up()
        wire.writer.close()

    return behave


def _reset_after(written: bytes) -> Behaviour:
    async def behave(_request, wire):
        await wire.write(written)
        # Linger 0: the far side's kernel sends RST instead of FIN.
        sock = wire.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.writer.transport.abort()

    return behave


async def _endless(_request, wire):
    await wire.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(10_000):
        await wire.write(b"1000\r\n" + ECHO.ljust(0x1000) + b"\r\n")


_IDS = json.dumps({"message_id": "x", "activation_id": "x"}).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n"
BROKEN: dict[str, Behaviour] = {
    "resets at once": _reset_after(b""),
    "resets amid the answer": _reset_after(_HEAD + b"\r\n" + ECHO),
    "hangs up without a word": says(b""),
    "hangs up amid the head": says(_HEAD + b"X-Echo: " + ECHO),
    "hangs up amid the body": says(_HEAD + b"\r\n" + ECHO),
    "never answers": says(b"", wait=True),
    "stops amid the body": says(_HEAD + b"\r\n" + ECHO, wait=True),
    "speaks no HTTP": says(ECHO + b"\r\n\r\n"),
    "has a broken status line": says(b"HTTP/1.1 " + ECHO + b"\r\n\r\n"),
    "has a broken header": says(b"HTTP/1.1 200 OK\r\n" + ECHO + b"\x00: x\r\n\r\n"),
    "has a broken length": says(b"HTTP/1.1 200 OK\r\nContent-Length: " + ECHO + b"\r\n\r\n"),
    "has a broken chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ECHO + b"\r\n" + ECHO),
    "has a broken second chunk": says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + ECHO + b"\r\n", wait=True
    ),
    "has a header without end": says(b"HTTP/1.1 200 OK\r\nX-Echo: " + ECHO * 9_000, wait=True),
    "never ends": _endless,
    "answers one byte too much": answers(200, _IDS.ljust(MOST_BODY + 1)),
    "bakes bad cookies": answers(200, {}, Set_Cookie=ECHO.decode("latin-1") + "\x07=;;"),
}
"""Far sides whose answer is none: it breaks, is late, or is no HTTP."""
ODD: dict[str, Behaviour] = {
    "says nothing": answers(200, b""),
    "says no JSON": answers(200, ECHO),
    "says no UTF-8": answers(200, b"\xff\xfe" + ECHO),
    "says a list": answers(200, [MSISDN, TEXT]),
    "says an empty object": answers(200, {}),
    "says an id that is none": answers(200, {"message_id": 7.5, "activation_id": True}),
    "says an empty id": answers(200, {"message_id": "", "activation_id": ""}),
    "says an id without end": answers(200, {"message_id": "7" * 201, "activation_id": "7" * 201}),
    "says an id that cannot be shown": answers(200, {"message_id": "a\nb", "activation_id": "a\ud800"}),
    "says two ids": answers(200, b'{"message_id":"1","message_id":"2","activation_id":"1","activation_id":"2"}'),
    "nests without end": answers(200, b"[" * 60_000),
    "counts without end": answers(200, b"9" * 60_000),
    "packs its answer": answers(200, gzip.compress(_IDS), Content_Encoding="gzip"),
    "breaks its pack": answers(200, b"\x1f\x8b" + ECHO, Content_Encoding="gzip"),
    "sends us elsewhere": answers(307, TEXT, Location=f"/{NUMBER}"),
    "changes the protocol": says(b"HTTP/1.1 101 Switching\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n" + ECHO),
    "hands over nothing": answers(204, b""),
    "sees a conflict": answers(409, TEXT),
    "breaks": answers(500, TEXT),
    "stands behind a broken proxy": answers(502, ECHO),
    "is slow behind a proxy": answers(504, ECHO),
}
"""Far sides whose answer is whole, and says neither that the request was taken nor that it was not."""
PATIENT = 60.0
BRIEF = 0.3
"""Seconds a call may take; the brief value is for far sides that hang."""
HANG = ("never answers", "stops amid the body", "has a broken second chunk", "has a header without end")
SAMPLE = ("resets at once", "hangs up amid the body", "never answers", "has a broken chunk")
"""The broken ones that each kind of call meets: the exchange of tests/contract/test_http_exchange.py meets them all."""


def misread(ask: Callable[[Behaviour, float], tuple[object, "Far"]], kind: type) -> dict[str, object]:
    """Call far sides that may have taken the request; return what was not read as this kind, or was asked twice."""
    found = {name: ask(BROKEN[name], BRIEF if name in HANG else PATIENT) for name in SAMPLE}
    found |= {name: ask(behaviour, PATIENT) for name, behaviour in ODD.items()}
    return {name: said for name, (said, far) in found.items() if not isinstance(said, kind) or len(far.requests) != 1}


def bounded(seconds: float) -> asyncio.Timeout:
    """Limit a call of so many seconds, with everything around it: a call that is late fails its test."""
    return asyncio.timeout(3 * seconds + 2)


async def talks_no_tls(wire: Wire) -> None:
    """Answer a TLS greeting as a plain-text server does."""
    await wire.reader.read(1)
    await wire.write(b"HTTP/1.1 400 Bad\r\n\r\n" + ECHO)


async def shakes_no_hand(wire: Wire) -> None:
    """Accept the connection, and never answer the TLS greeting."""
    await wire.wait_until_they_give_up()


async def nobody(_request: Request, _wire: Wire) -> None:
    """Fail: no request may ever arrive."""
    raise AssertionError("a request arrived")
