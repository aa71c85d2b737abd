"""Load over HTTP, cheaply: a client of a few dozen lines, the requests of an order, and a reader of the stub's reports.

The driver shares two cores with what it measures, so it must cost little: one connection a request in flight, bytes
written and read as they are.
"""

import asyncio
import json
import math
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from consent_engine.domain.hashing import HEADER, sign

FIRST_NUMBER = 13_600_000_000
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"
OLD_S = 8.0
"""An idle connection this old is not used again: the server closes its side before long."""
ANSWER_S = 30.0
TICK_S = 2.0
CREATED, OK = 201, 200


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; status 0: there was none."""

    status: int
    body: bytes


NOTHING = Answer(0, b"")


class _Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, idle: "list[_Wire]") -> None:
        self._idle = idle
        self._buffer = b""
        self.transport: Any = None
        self.waiter: asyncio.Future[Answer] | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand the answer over once it is complete."""
        self._buffer += data
        end = self._buffer.find(END)
        length = LENGTH.search(self._buffer, 0, end) if end >= 0 else None
        if length is None or len(self._buffer) < end + len(END) + int(length[1]):
            return
        answer = Answer(int(self._buffer[9:12]), self._buffer[end + len(END) :])
        self._buffer = b""
        self.end(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the idle connections, and end the request without an answer."""
        with suppress(ValueError):
            self._idle.remove(self)
        self.end(NOTHING)

    def end(self, answer: Answer) -> None:
        """Hand the answer to the waiting request."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(answer)


class Client:
    """A client of one server; it opens another connection whenever all others are busy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Wire] = []

    async def post(self, request: bytes) -> Answer:
        """Send the request, and wait for the answer."""
        loop = asyncio.get_running_loop()
        wire = self._idle.pop() if self._idle else None
        if wire is not None and time.monotonic() - wire.since > OLD_S:
            wire.transport.close()
            wire = None
        try:
            if wire is None:
                _, wire = await loop.create_connection(lambda: _Wire(self._idle), "127.0.0.1", self._port)
        except OSError:
            return NOTHING
        wire.waiter = loop.create_future()
        wire.transport.write(request)
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await wire.waiter
        except TimeoutError:
            wire.transport.close()
            return NOTHING
        wire.since = time.monotonic()
        if not wire.transport.is_closing():
            self._idle.append(wire)
        return answer

    def close(self) -> None:
        """Close the connections."""
        for wire in [*self._idle]:
            wire.transport.close()


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of one order, as bytes; each order has a subscriber of its own."""

    key: str
    secret: str

    def order(self, n: int) -> bytes:
        """Return the desk's request that places the order."""
        now = datetime.now(UTC)
        call = {
            "caller_number": "10085",
            "recording_id": f"rec-{n:09d}",
            "started_at": (now - timedelta(minutes=4)).isoformat(timespec="seconds"),
            "agreed_at": (now - timedelta(seconds=5)).isoformat(timespec="seconds"),
        }
        body = {"msisdn": str(FIRST_NUMBER + n), "plan": "5g-smart-199", "agent": "A1024", "call": call}
        return _post("/v1/orders", body, f"Authorization: Bearer {self.key}\r\nIdempotency-Key: load-{n}")

    def reply(self, n: int) -> bytes:
        """Return the subscriber's yes."""
        body = {"message_id": f"mo-{n}", "from": number_of(n), "to": "10085", "text": "是"}
        return self._signed("/v1/gateways/http_json/inbound", body)

    def report(self, ref: str) -> bytes:
        """Return the gateway's report that an SMS was delivered."""
        return self._signed("/v1/gateways/http_json/receipts", {"ref": ref, "message_id": ref, "status": "delivered"})

    def _signed(self, path: str, said: dict[str, str]) -> bytes:
        body = json.dumps(said, ensure_ascii=False).encode()
        return _post(path, body, f"{HEADER}: {sign(self.secret, body, int(time.time()))}")


def number_of(n: int) -> str:
    """Return the n-th subscriber's number, as the outside sees it."""
    return f"+86{FIRST_NUMBER + n}"


def _post(path: str, said: dict[str, Any] | bytes, more: str) -> bytes:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{more}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(slots=True)
class Ears:
    """When the outside received what, by kind and number. The first of each counts; repeats are counted."""

    heard: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    repeats: int = 0
    _waiting: dict[tuple[str, str], "asyncio.Future[str]"] = field(default_factory=dict)

    async def listen(self, told: IO[bytes]) -> None:
        """Read the stub's lines until they end."""
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=1 << 20)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), told)
        while line := await reader.readline():
            kind, number, ref, at = line.decode().split()
            if (kind, number) in self.heard:
                self.repeats += 1
                continue
            self.heard[kind, number] = float(at), ref
            if waiting := self._waiting.pop((kind, number), None):
                waiting.set_result(ref)

    async def ref(self, kind: str, n: int) -> str:
        """Return the ref under which the n-th subscriber's SMS (or activation) came; waits for it."""
        asked = kind, number_of(n)
        if asked in self.heard:
            return self.heard[asked][1]
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[asked] = future
        async with asyncio.timeout(ANSWER_S * 2):
            return await future

    def at(self, kind: str, n: int) -> float | None:
        """Return the instant at which it came; None if it has not."""
        found = self.heard.get((kind, number_of(n)))
        return found[0] if found else None


SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def shares(seconds: Sequence[float]) -> dict[str, float]:
    """Return milliseconds at each share, by the nearest rank; and the number of values."""
    ranked = sorted(seconds)
    if not ranked:
        return {"count": 0}
    found = {name: ranked[max(0, math.ceil(len(ranked) * share) - 1)] * 1000 for name, share in SHARES.items()}
    return {"count": len(ranked)} | {name: round(value, 2) for name, value in found.items()}


# Closed loops: so many at once, the next when one has ended -----------------------------------------------------------


@dataclass(slots=True)
class Closed:
    """The result of a closed loop."""

    orders: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.seconds if self.seconds else 0.0


async def whole_roads(
    client: Client, requests: Requests, ears: Ears, numbers: range, at_once: int, told: str = ""
) -> Closed:
    """Complete orders, each four requests in and three out: order, report, yes, report. told: names the progress"""

    async def road(n: int) -> bool:
        placed = await client.post(requests.order(n))
        if placed.status != CREATED:
            return False
        ref = await ears.ref("confirmation", n)
        said = [*await asyncio.gather(client.post(requests.report(ref)), client.post(requests.reply(n)))]
        ref = await ears.ref("notification", n)
        said.append(await client.post(requests.report(ref)))
        return all(answer.status == OK for answer in said)

    return await _closed(road, numbers, at_once, told)


async def orders_alone(client: Client, requests: Requests, numbers: range, at_once: int, told: str = "") -> Closed:
    """Place orders, and do nothing else."""

    async def place(n: int) -> bool:
        return (await client.post(requests.order(n))).status == CREATED

    return await _closed(place, numbers, at_once, told)


async def _closed(one: Any, numbers: range, at_once: int, told: str) -> Closed:  # noqa: ANN401 - a coroutine function
    """Run the loop; the first failure ends it, because there is nothing to measure then."""
    found, left = Closed(), iter(numbers)

    async def some() -> None:
        for n in left:
            try:
                good = await one(n)
            except TimeoutError:
                good = False
            found.orders += good
            found.failed += not good
            if found.failed:
                return

    began = time.monotonic()
    async with ticking(lambda: f"{told}: {found.orders} of {len(numbers)} orders", wanted=bool(told)):
        await asyncio.gather(*(some() for _ in range(at_once)))
    found.seconds = time.monotonic() - began
    return found


@asynccontextmanager
async def ticking(how_far: Callable[[], str], *, wanted: bool = True) -> AsyncIterator[None]:
    """Print the progress on standard error while the block runs."""

    async def tick() -> None:
        while wanted:
            await asyncio.sleep(TICK_S)
            print(f"  {how_far()}", file=sys.stderr, flush=True)

    ticks = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticks.cancel()
