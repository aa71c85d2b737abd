"""A TCP proxy that breaks the traffic through it, exactly where a plan says, or at random from a seed.

A *request* begins with the first bytes a client sends after the server answered (or after connecting), however many
chunks it comes in; so a whole Redis pipeline is one request, and so is one HTTP call. At its beginning the *plan*
chooses the fault:

    drop          not forwarded, connection closed            drop-silent     not forwarded, kept open in silence
    cut           `after` bytes of it forwarded, closed       delay           both ways later: `seconds`, or at `let_go`
    hold          kept back until `let_go`, then forwarded, even if the client is gone: a request that arrives late
    swallow       forwarded and answered, answer lost, closed swallow-silent  the same, kept open in silence
    truncate      answer[:after] relayed, closed              delay-answer    forwarded, answer later, as `delay`
    reset         RST instead of forwarding                   reset-after     forwarded and answered, RST instead
    twice         the answer, and after `seconds` (0: in one write) the same answer again, unasked

New connections are refused after `refuse(no=True)`: nothing listens then. In a test, on a thread of its own:

    with FaultProxy("127.0.0.1:6379") as proxy:
        proxy.plan(nth(3, Fault(Kind.SWALLOW)))
        ... proxy.port, proxy.counts, proxy.requests

As a process, with one JSON object per line on the control port, each answered with the counts (see `control`):

    python -m tests.fault_proxy --to HOST:PORT --port P --control C [--seed N] [--rates swallow=0.01,reset=0.005]
    {"rates": {"drop": 0.01}, "seed": 3}   {"calm": true}   {"refuse": true}   {"refuse": false}   {"let_go": true}   {}
"""

import argparse
import asyncio
import json
import random
import signal
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.waiting import HANGS_S

SIZE = 1 << 20
SETTLE_S = 0.005
"""How long after the first bytes of an answer the server counts as finished with the request."""
LAST_WORD_S = 5.0
"""How long a server may still work on a request whose client has gone."""
RST = struct.pack("ii", 1, 0)


class Kind(StrEnum):
    """The kinds of fault; the module's docstring describes them."""

    DROP = "drop"
    DROP_SILENT = "drop-silent"
    CUT = "cut"
    DELAY = "delay"
    HOLD = "hold"
    SWALLOW = "swallow"
    SWALLOW_SILENT = "swallow-silent"
    TRUNCATE = "truncate"
    DELAY_ANSWER = "delay-answer"
    RESET = "reset"
    RESET_AFTER = "reset-after"
    TWICE = "twice"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. after: bytes, counted from the end if negative."""

    kind: Kind
    after: int = 1
    seconds: float = 0.05


Plan = Callable[[int, bytes], Fault | None]
"""The choice of a fault: number of the request since the plan was made (from 1), its first bytes -> a fault or None."""


def calm(_n: int, _request: bytes) -> None:
    """Let every request pass."""


def nth(k: int, fault: Fault) -> Plan:
    """Choose the fault for the k-th request (from 1) alone."""
    return lambda n, _request: fault if n == k else None


def first_with(words: bytes, fault: Fault, times: int = 1) -> Plan:
    """Choose the fault for the first `times` requests whose first bytes contain `words`."""
    left = [times]

    def choose(_n: int, request: bytes) -> Fault | None:
        if left[0] <= 0 or words not in request:
            return None
        left[0] -= 1
        return fault

    return choose


def always(fault: Fault) -> Plan:
    """Choose the fault for every request."""
    return lambda _n, _request: fault


def at_random(rates: Mapping[str, float], seed: int, seconds: float = 0.2) -> Plan:
    """Choose a fault of each kind at its rate; the same seed makes the same choices, request by request."""
    kinds, weights = [Kind(kind) for kind in rates], list(rates.values())
    if sum(weights) > 1 or Kind.HOLD in kinds:
        raise ValueError("rates add up to at most 1, and what is held must be let go: a long delay does the same")
    dice = random.Random(seed)  # noqa: S311 - no secret

    def choose(_n: int, _request: bytes) -> Fault | None:
        roll = dice.random()
        for kind, weight in zip(kinds, weights, strict=True):
            roll -= weight
            if roll < 0:
                return Fault(kind, after=dice.randrange(1, 40), seconds=dice.random() * seconds)
        return None

    return choose


class _Link:
    """One client's connection, and the proxy's own to the server behind it."""

    def __init__(self, proxy: "FaultProxy", client: tuple[Any, Any], server: tuple[Any, Any]) -> None:
        self.proxy = proxy
        self.client_in, self.client_out = client
        self.server_in, self.server_out = server
        self.asked = False
        self.answered = asyncio.Event()
        self.fault: Fault | None = None
        self.mute = False
        self.waits = False
        """whether the client waits for an answer that does not come, or comes late"""
        self.closing = False

    @property
    def under_way(self) -> bool:
        """Whether the server still owes an answer to a forwarded request."""
        return self.asked and not self.mute and not self.closing

    async def run(self) -> None:
        """Relay both ways, until one side or a fault ends it."""
        self.proxy.links.add(self)
        ways = [asyncio.create_task(self.requests()), asyncio.create_task(self.answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.close()
            self.proxy.links.discard(self)

    def close(self) -> None:
        self.closing = True
        for writer in (self.client_out, self.server_out):
            writer.close()

    def mutes(self) -> None:
        self.silent()
        self.mute = True

    def silent(self) -> None:
        """Count the silence that begins; one for each request."""
        self.proxy.silences += not self.waits
        self.waits = True

    async def late(self, seconds: float | None) -> None:
        """Wait until what is held is let go, or for so many seconds."""
        self.silent()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.proxy.gate.wait(), seconds)

    def reset(self) -> None:
        self.client_out.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        self.client_out.transport.abort()
        self.close()

    async def requests(self) -> None:
        while not self.closing and (chunk := await self.client_in.read(SIZE)):
            if not self.asked:
                self.asked, self.waits = True, False
                self.answered.clear()
                self.fault = self.proxy.choose(chunk)
            await self.forward(chunk)
        if self.under_way:  # the client has gone; the server completes the request all the same
            await asyncio.wait_for(self.answered.wait(), LAST_WORD_S)

    async def forward(self, chunk: bytes) -> None:
        fault = self.fault
        kind = fault.kind if fault else None
        if self.mute or kind is Kind.DROP_SILENT:
            self.mutes()
        elif kind is Kind.DROP:
            self.close()
        elif kind is Kind.RESET:
            self.reset()
        elif fault is not None and kind is Kind.CUT:
            self.server_out.write(chunk[: fault.after])
            await self.server_out.drain()
            self.close()
        else:
            if fault is not None and kind is Kind.DELAY:
                await self.late(fault.seconds)
            elif kind is Kind.HOLD:
                await self.late(None)
            self.server_out.write(chunk)
            await self.server_out.drain()

    async def answers(self) -> None:
        while not self.closing and (chunk := await self.server_in.read(SIZE)):
            self.asked = False
            self.answered.set()
            await self.relay(chunk)
        if self.mute and not self.closing:
            await asyncio.Event().wait()  # the server hung up; on a silent connection the client must not notice

    async def relay(self, chunk: bytes) -> None:
        fault = self.fault
        kind = fault.kind if fault else None
        if self.mute or kind is Kind.SWALLOW_SILENT:
            self.mutes()
        elif kind in {Kind.SWALLOW, Kind.RESET_AFTER}:
            await asyncio.sleep(SETTLE_S)
            self.reset() if kind is Kind.RESET_AFTER else self.close()
        elif fault is not None and kind is Kind.TRUNCATE:
            self.client_out.write(chunk[: fault.after])
            await self.client_out.drain()
            await asyncio.sleep(SETTLE_S)
            self.close()
        else:
            if fault is not None and kind in {Kind.DELAY, Kind.DELAY_ANSWER}:
                await self.late(fault.seconds)
            at_once = fault is not None and kind is Kind.TWICE and not fault.seconds
            self.client_out.write(chunk * 2 if at_once else chunk)
            await self.client_out.drain()
            if fault is not None and kind is Kind.TWICE and not at_once:
                try:
                    await asyncio.sleep(fault.seconds)
                    self.client_out.write(chunk)
                    await self.client_out.drain()
                finally:
                    self.proxy.unasked += 1


class FaultProxy:
    """The proxy. `to` is HOST:PORT or unix:PATH; it listens on a loopback port. Use it as a context manager."""

    def __init__(self, to: str, port: int = 0) -> None:
        self.to = to
        self.port = port
        self.counts: Counter[str] = Counter()
        self.requests = 0
        self.connections = 0
        self.silences = 0
        """how often a client began to wait for an answer that does not come, or comes late"""
        self.unasked = 0
        """how many answers came a second time, or found the client gone"""
        self.gate = asyncio.Event()
        self._plan: Plan = calm
        self._server: asyncio.Server | None = None
        self.links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # -- what tests say, from their own thread -------------------------------------------------------------------

    def __enter__(self) -> "FaultProxy":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self.listen())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._call(self.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(HANGS_S)
        self._loop.close()

    def plan(self, plan: Plan) -> None:
        """Use this plan from the next request on; requests are counted from 1 again, and faults from 0."""
        self._plan, self.requests, self.counts = plan, 0, Counter()

    def calm(self) -> None:
        """Let everything pass, held requests too."""
        self.spare()
        self.refuse(no=False)
        self.let_go()

    def spare(self) -> None:
        """Make no more faults; held requests stay held, and the counts stay."""
        self._plan = calm

    def fired(self) -> int:
        """Return the number of faults since the plan was made."""
        return sum(self.counts.values())

    def refuse(self, *, no: bool) -> None:
        """Refuse new connections, or accept them again."""
        self._call(self.unlisten() if no else self.listen())

    def let_go(self) -> None:
        """Forward what is held or late, in the order it came; requests held from now on wait for the next call."""
        self._call(self.open_gate())

    def settle(self) -> None:
        """Wait until every forwarded request, however late, is answered."""
        self._call(self.until_quiet())

    def cut_off(self) -> None:
        """End every open connection."""
        self._call(self.end_links())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    # -- what happens in its event loop --------------------------------------------------------------------------

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=512)
            self.port = self._server.sockets[0].getsockname()[1]

    async def unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def open_gate(self) -> None:
        self.gate.set()
        await asyncio.sleep(0)
        self.gate = asyncio.Event()

    async def until_quiet(self) -> None:
        while any(link.under_way for link in self.links):
            await asyncio.sleep(0.001)

    async def end_links(self) -> None:
        ended = list(self.links)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(link.client_out.wait_closed() for link in ended), return_exceptions=True)

    async def stop(self) -> None:
        await self.unlisten()
        await self.end_links()

    def choose(self, request: bytes) -> Fault | None:
        self.requests += 1
        fault = self._plan(self.requests, request)
        if fault is not None:
            self.counts[fault.kind.value] += 1
        return fault

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            path = self.to.removeprefix("unix:")
            host, _, port = self.to.rpartition(":")
            opened = asyncio.open_unix_connection(path) if path != self.to else asyncio.open_connection(host, int(port))
            await _Link(self, (reader, writer), await opened).run()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the server is away, or the proxy is being stopped: the client sees a closed connection
        finally:
            writer.close()
            self._tasks.discard(task)


# -- as a process ----------------------------------------------------------------------------------------------------


def control(port: int, **asked: object) -> dict[str, Any]:
    """Send a command to a proxy process; return its counts."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS_S) as wire, wire.makefile("rwb") as lines:
        lines.write(json.dumps(asked).encode() + b"\n")
        lines.flush()
        told: dict[str, Any] = json.loads(lines.readline())
        return told


class _Desk:
    """The control port of a proxy process. Counts continue across changes of the plan."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.faults: Counter[str] = Counter()
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                await self.do(json.loads(line))
                told = self.counts()
            except (ValueError, TypeError, AttributeError) as error:
                told = {"error": str(error)}
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def do(self, asked: Mapping[str, Any]) -> None:
        if "rates" in asked:
            self.change(at_random(asked["rates"], int(asked.get("seed", 0)), float(asked.get("seconds", 0.2))))
        if asked.get("calm"):
            self.change(calm)
            await self.proxy.listen()
            await self.proxy.open_gate()
        if "refuse" in asked:
            await (self.proxy.unlisten() if asked["refuse"] else self.proxy.listen())
        if asked.get("let_go"):
            await self.proxy.open_gate()
        if asked.get("cut_off"):
            await self.proxy.end_links()

    def change(self, plan: Plan) -> None:
        self.requests += self.proxy.requests
        self.faults.update(self.proxy.counts)
        self.proxy.plan(plan)

    def counts(self) -> dict[str, Any]:
        return {
            "connections": self.proxy.connections,
            "requests": self.requests + self.proxy.requests,
            "faults": dict(self.faults + self.proxy.counts),
        }


def _rates(text: str) -> dict[str, float]:
    pairs = (pair.split("=") for pair in text.split(",") if pair)
    return {Kind(kind).value: float(rate) for kind, rate in pairs}


async def _main(args: argparse.Namespace) -> None:
    proxy = FaultProxy(args.to, args.port)
    proxy.plan(at_random(args.rates, args.seed, args.seconds))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await proxy.listen()
    desk = await asyncio.start_server(_Desk(proxy).serve, "127.0.0.1", args.control)
    told = {"port": proxy.port, "control": desk.sockets[0].getsockname()[1]}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    await ended.wait()
    desk.close()
    await proxy.stop()


def main() -> None:
    """Run as a process; the first line of its output is JSON with both ports."""
    parser = argparse.ArgumentParser(description="A TCP proxy that breaks what passes through it.")
    parser.add_argument("--to", required=True, help="HOST:PORT or unix:PATH")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.2, help="longest delay")
    parser.add_argument("--rates", type=_rates, default={}, help="kind=rate,...")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
