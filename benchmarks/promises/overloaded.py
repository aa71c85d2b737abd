"""An engine with a gateway that takes few SMS a second, under open load: every request has an instant of its own."""

import asyncio
import contextlib
import json
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.ports import free_port
from consent_engine.api.service.door import most_waiting
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.domain.hashing import HEADER, sign
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.wiring import installation

OK, PUT_OFF = 200, frozenset({429, 503})
FIRST_NUMBER = 13_700_000_000
STRANGERS = 13_600_000_000
SETTINGS = {
    "CONSENT_CONFIRM_WITHIN": "60s",
    "CONSENT_REPLY_WINDOW": "10m",
    "CONSENT_REMINDER_AFTER": "off",
    "CONSENT_CALL_TIMEOUT": "2s",
    "CONSENT_LEASE": "5s",
    "CONSENT_RETRY_BASE": "200ms",
    "CONSENT_RETRY_MAX": "1s",
    "CONSENT_IN_FLIGHT": "8",
    "CONSENT_GATEWAY": "http_json",
    "CONSENT_BSS": "http",
}
"""A short time to ask in and few places in flight, so that the bound is reached within a run of seconds."""


def outside(port: int, delay: float) -> None:
    """Play gateway and BSS in a process of its own: each SMS takes `delay` seconds."""

    async def sms(request: web.Request) -> web.Response:
        ref = (await request.json())["ref"]
        await asyncio.sleep(delay)
        return web.json_response({"message_id": f"m-{ref}"}, status=201)

    async def activate(request: web.Request) -> web.Response:
        return web.json_response({"activation_id": (await request.json())["order_id"], "active_from": ""}, status=201)

    app = web.Application()
    app.router.add_post("/sms", sms)
    app.router.add_post("/bss/activations", activate)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None, handle_signals=True)


@dataclass(frozen=True, slots=True)
class Load:
    """The load: how long, and how many a second of each kind."""

    seconds: float
    posts: float
    orders: float


@dataclass(slots=True)
class Seen:
    """The answers. Latencies in seconds from the intended instant."""

    posts: list[float] = field(default_factory=list)
    orders: list[float] = field(default_factory=list)
    put_off: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    no_hint: int = 0
    """orders put off without Retry-After"""
    taken: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    depths: list[tuple[float, dict[str, int]]] = field(default_factory=list)


class Run:
    """One run against one engine."""

    def __init__(self, api: str, key: str, secret: str, engine: Engine, bound: int) -> None:
        self.api, self.key, self.secret, self.engine, self.bound = api, key, secret, engine, bound
        self.seen = Seen()
        self._said = 0

    async def order(self, session: aiohttp.ClientSession, n: int, meant: float) -> None:
        """Send one desk's order, once: an order that is put off is not repeated."""
        now = datetime.now(UTC)
        call = {
            "caller_number": "10085",
            "recording_id": f"rec-{n}",
            "started_at": (now - timedelta(minutes=1)).isoformat(),
            "agreed_at": (now - timedelta(seconds=5)).isoformat(),
        }
        number = FIRST_NUMBER + n
        body = {"msisdn": str(number), "plan": "5g-smart-199", "agent": "A1", "call": call}
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": f"overload-{n}"}
        status, said, hint = await self._send(session, "/v1/orders", json.dumps(body).encode(), headers)
        took = time.monotonic() - meant
        self.seen.answers[f"order {status} {said.get('code', '')}".strip()] += 1
        if status in PUT_OFF:
            self.seen.put_off.append(took)
            self.seen.no_hint += not hint
            return
        self.seen.orders.append(took)
        if status in {200, 201}:
            self.seen.taken.append(said["id"])
            self.seen.numbers.append(number)

    async def post(self, session: aiohttp.ClientSession, n: int, meant: float) -> None:
        """Send one webhook: a report on an order that was taken, a yes of its subscriber, or an SMS of a stranger."""
        path, said = self._message(n)
        body = json.dumps(said, ensure_ascii=False).encode()
        headers = {HEADER: sign(self.secret, body, int(time.time()))}
        status, _, _ = await self._send(session, f"/v1/gateways/http_json/{path}", body, headers)
        self.seen.posts.append(time.monotonic() - meant)
        self.seen.answers[f"webhook {status}"] += 1

    def _message(self, n: int) -> tuple[str, dict[str, object]]:
        taken = self.seen.taken
        if n % 2 and taken:
            ref = f"{taken[n % len(taken)]}.confirmation.1"
            return "receipts", {"ref": ref, "message_id": f"m-{ref}", "status": "delivered"}
        number = STRANGERS + n
        if n % 20 == 0 and self._said < len(self.seen.numbers) - self.bound:  # the orders before these were asked
            number, self._said = self.seen.numbers[self._said], self._said + 1
        return "inbound", {"message_id": f"mo-{n}", "from": f"+86{number}", "to": "10085", "text": "是"}

    async def _send(
        self, session: aiohttp.ClientSession, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int | str, dict[str, Any], str]:
        headers["Content-Type"] = "application/json"
        try:
            async with session.post(self.api + path, data=body, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None), answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__, {}, ""

    async def watch(self, began: float) -> None:
        """Record the depths of the lanes, twice a second."""
        while True:
            depths = await asyncio.to_thread(self.engine.store.lanes.depths)
            shown = {lane.value: depth.waiting - depth.parked for lane, depth in depths.items()}
            self.seen.depths.append((time.monotonic() - began, shown))
            await asyncio.sleep(0.5)

    async def go(self, load: Load) -> None:
        """Send all requests, and wait for the last answer."""
        timeout = aiohttp.ClientTimeout(total=20)
        tasks: set[asyncio.Task[None]] = set()
        # The gateway and the desks have connections of their own, as they have machines of their own.
        async with contextlib.AsyncExitStack() as stack:
            gateway, desks = [
                await stack.enter_async_context(
                    aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit), timeout=timeout)
                )
                for limit in (400, 400)
            ]
            began = time.monotonic()
            watching = asyncio.create_task(self.watch(began))
            for due, send, session, n in _schedule(load, self.post, gateway, self.order, desks):
                await asyncio.sleep(began + due - time.monotonic())
                task = asyncio.create_task(send(session, n, began + due))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)
            watching.cancel()

    async def drain(self, bound_s: float) -> float:
        """Wait until no lane of SMS or replies has anything waiting; return how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < bound_s:
            depths = await asyncio.to_thread(self.engine.store.lanes.depths)
            if not any(depths[lane].waiting - depths[lane].parked for lane in (Lane.SMS, Lane.INBOUND)):
                break
            await asyncio.sleep(0.2)
        return time.monotonic() - began


Send = Callable[[aiohttp.ClientSession, int, float], Coroutine[Any, Any, None]]


def _schedule(
    load: Load, post: Send, gateway: aiohttp.ClientSession, order: Send, desks: aiohttp.ClientSession
) -> list[tuple[float, Send, aiohttp.ClientSession, int]]:
    posts = [(n / load.posts, post, gateway, n) for n in range(int(load.posts * load.seconds))]
    orders = [(n / load.orders, order, desks, n) for n in range(int(load.orders * load.seconds))]
    return sorted(posts + orders, key=lambda row: row[0])


@contextlib.contextmanager
def engine(delay: float, workers: int) -> Iterator[Run]:
    """Run the engine under `consent serve`, with its slow outside."""
    secret, bss_secret, outside_port, port = secrets.token_urlsafe(24), secrets.token_urlsafe(24), *_two_ports()
    with tempfile.TemporaryDirectory(prefix="consent-overload-") as folder:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        base = f"http://127.0.0.1:{outside_port}"
        environ |= SETTINGS | {
            "CONSENT_READING_SPEED": "1000000",
            "CONSENT_DATA_DIR": f"{folder}/data",
            "CONSENT_HTTP_JSON__URL": f"{base}/sms",
        }
        environ |= {"CONSENT_HTTP_JSON__SECRET": secret, "CONSENT_BSS_HTTP__URL": f"{base}/bss"}
        environ |= {"CONSENT_BSS_HTTP__SECRET": bss_secret, "PYTHONPATH": str(Path(__file__).parents[2])}
        settings = Settings.load(environ, env_file=None)
        slow = multiprocessing.get_context("spawn").Process(target=outside, args=(outside_port, delay), daemon=True)
        slow.start()
        command = [sys.executable, "-m", "consent_engine", "serve", "--port", str(port), "--workers", str(workers)]
        with open(f"{folder}/engine.log", "wb") as log:
            serving = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log)
        try:
            asyncio.run(_ready(f"http://127.0.0.1:{port}", serving))
            with installation(settings) as found:
                made = found.engine()
                key = made.keys.add("overload", Role.AGENT)
                yield Run(f"http://127.0.0.1:{port}", key, secret, made, most_waiting(settings))
        finally:
            serving.terminate()
            serving.wait(60)
            slow.terminate()
            slow.join(10)


def _two_ports() -> tuple[int, int]:
    return free_port(), free_port()


async def _ready(api: str, serving: "subprocess.Popen[bytes]") -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.get(f"{api}/readyz") as answer:
                    if answer.status == OK:
                        return
            if serving.poll() is not None:
                break
            await asyncio.sleep(0.1)
    sys.exit("the engine does not start")
