"""What `kill -9` costs: orders over HTTP while workers, API and server are killed. `python benchmarks/kills.py`.

Every subscriber says yes as soon as the question stands on the handset. The ledger is kept by the simulated outside in
this process, which nobody kills. Printed at the end: what settled how, activations without consent or done twice
(must be 0), and how many were asked twice, with the reason each history gives.
"""

import argparse
import asyncio
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from consent_engine.domain.effects import Purpose
from consent_engine.keys import Role
from consent_engine.settings import Settings
from consent_engine.simulator.case import Case
from consent_engine.simulator.outside import Outside
from consent_engine.simulator.scripts import Hop, Script
from consent_engine.simulator.wire import Unreachable
from consent_engine.wiring import installation

BOUND_S = 240
SLOW = Script("slow and silent", "yes", gateway={Purpose.CONFIRMATION: (Hop(delay=0.3, reports=()),) * 9})
"""A gateway that takes 0.3 s and never reports: calls are in flight when their worker dies; nothing settles doubt."""
SETTINGS = {
    "CONSENT_REPLY_WINDOW": "10m",
    "CONSENT_CONFIRM_WITHIN": "5m",
    "CONSENT_UNCERTAIN_HOLD": "2s",
    "CONSENT_CALL_TIMEOUT": "1s",
    "CONSENT_LEASE": "2s",
    "CONSENT_RETRY_BASE": "100ms",
    "CONSENT_RETRY_MAX": "1s",
    "CONSENT_GATEWAY": "http_json",
    "CONSENT_BSS": "http",
}
"""Short leases, so that what a dead worker held is noticed within the run."""


def below(pid: int) -> list[int]:
    """The processes under `pid`."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        todo.extend(children := parents.get(todo.pop(), []))
        found.extend(children)
    return found


class Run:
    """One run against one engine."""

    def __init__(self, api: str, key: str, outside: Outside, session: aiohttp.ClientSession) -> None:
        self.api, self.key, self.outside, self.session = api, key, outside, session
        self.kills: Counter[str] = Counter()
        self.orders: dict[str, Any] = {}

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - JSON
        """Ask until the engine answers: it is being killed all the while."""
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        for _ in range(600):
            try:
                async with self.session.request(method, self.api + path, headers=headers, **more) as answer:
                    if answer.status not in {429, 503}:
                        return answer.status, await answer.json(content_type=None)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                pass
            await asyncio.sleep(0.2)
        raise SystemExit("the engine does not come back")

    async def place(self, n: int) -> str:
        """Place one order; the same key again until it is answered."""
        number = f"+86{13_900_000_000 + n}"
        self.outside.handsets.cases[number] = Case(SLOW, number, [])
        now = datetime.now(UTC)
        call = {
            "caller_number": "10085",
            "recording_id": "rec-1",
            "started_at": (now - timedelta(minutes=1)).isoformat(),
        }
        call["agreed_at"] = (now - timedelta(seconds=30)).isoformat()
        body = {"msisdn": str(13_900_000_000 + n), "plan": "5g-smart-199", "agent": "A1", "call": call}
        _, order = await self.ask("POST", "/v1/orders", json=body, headers={"Idempotency-Key": f"kill-{n}"})
        return str(order["id"])

    async def answer(self, n: int, order: str) -> None:
        """Say yes once the question is recorded as handed over, and follow the order to its end."""
        for _ in range(BOUND_S * 5):
            _, shown = await self.ask("GET", f"/v1/orders/{order}")
            if shown["state"] == "awaiting_reply":
                await self.say(n)
            if shown["state"] in {"notified", "expired", "declined", "undeliverable", "cancelled", "activation_failed"}:
                self.orders[order] = shown
                return
            await asyncio.sleep(0.2)

    async def say(self, n: int) -> None:
        """One yes; a gateway repeats until it is acknowledged, and so does this."""
        for _ in range(300):
            try:
                reply = await self.outside.handsets.write(f"+86{13_900_000_000 + n}", "10085", "是")
            except Unreachable:
                continue
            if reply.status == 200:  # noqa: PLR2004 - stored
                return
            await asyncio.sleep(0.2)

    async def kill(self, engine: int, count: int, rng: random.Random) -> None:
        """Kill a child of the engine every half second or so."""
        for _ in range(count):
            await asyncio.sleep(rng.uniform(0.3, 0.8))
            pids = below(engine)
            if not pids:
                continue
            victim = rng.choice(pids)
            try:
                command = Path(f"/proc/{victim}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                os.kill(victim, signal.SIGKILL)
            except OSError:
                continue
            kind = "worker" if "workers" in command else "api" if " api " in command else "server"
            self.kills[kind] += 1


async def run(orders: int, kills: int, seed: int) -> int:
    """Run it; 0 when no promise was broken."""
    outside = Outside(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    with tempfile.TemporaryDirectory(prefix="consent-kills-") as folder:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        environ |= SETTINGS | {"CONSENT_DATA_DIR": f"{folder}/data", "CONSENT_HTTP_JSON__URL": outside.gateway_url}
        environ |= {"CONSENT_HTTP_JSON__SECRET": outside.secret, "CONSENT_BSS_HTTP__URL": outside.bss_url}
        environ |= {"CONSENT_BSS_HTTP__SECRET": outside.bss_secret, "PYTHONPATH": str(Path(__file__).parents[1])}
        with installation(Settings.load(environ, env_file=None)) as found:
            key = found.engine().keys.add("kills", Role.AGENT)
        port = 20_000 + os.getpid() % 20_000
        with open(f"{folder}/engine.log", "wb") as log:
            command = [sys.executable, "-m", "consent_engine", "serve", "--port", str(port)]
            engine = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log)
        try:
            api = f"http://127.0.0.1:{port}"
            timeout = aiohttp.ClientTimeout(total=5)
            async with aiohttp.ClientSession(timeout=timeout) as session, outside.serving(api):
                made = Run(api, key, outside, session)
                await made.ask("GET", "/readyz")
                return await _walk(made, engine.pid, orders, kills, seed)
        finally:
            engine.terminate()
            engine.wait(60)
            outside.close()


async def _walk(made: Run, engine: int, orders: int, kills: int, seed: int) -> int:
    began = time.monotonic()
    killer = asyncio.create_task(made.kill(engine, kills, random.Random(seed)))  # noqa: S311 - a seeded run
    slots = asyncio.Semaphore(40)

    async def one(n: int) -> None:
        async with slots:
            await made.answer(n, await made.place(n))

    await asyncio.wait_for(asyncio.gather(*(one(n) for n in range(orders))), BOUND_S)
    await killer
    return _tell(made, orders, time.monotonic() - began)


def _tell(made: Run, orders: int, seconds: float) -> int:
    ledger = made.outside.ledger
    states = Counter(shown["state"] for shown in made.orders.values())
    twice = [s for s in ledger.sms.values() if s.purpose == "confirmation" and len(s.attempts) > 1]
    double = [a for a in ledger.activations.values() if a.switched_on > 1 or len({str(b) for b in a.bodies}) > 1]
    yes = {order for order, shown in made.orders.items() if any(e["trigger"] == "said_yes" for e in shown["timeline"])}
    unconsented = [a for a in ledger.activations if a not in yes]
    print(f"{orders} orders placed and acknowledged, {dict(made.kills)} killed with -9, {seconds:.0f} s")
    print(f"settled: {dict(states)}; lost: {orders - len(made.orders)}")
    print(f"activated without a yes: {len(unconsented)}; activated twice or under two bodies: {len(double)}")
    print(f"asked twice under the same ref: {len(twice)}; doubts in their histories: {_doubts(made, twice)}")
    print(f"the outside's complaints: {ledger.errors or 'none'}")
    return int(bool(unconsented or double or ledger.errors or len(made.orders) < orders))


def _doubts(made: Run, twice: list[Any]) -> dict[str, int]:
    """Why: what the event that recorded the hand-over says of the attempts before it."""
    told: Counter[str] = Counter()
    for sms in twice:
        shown = made.orders[sms.ref.split(".")[0]]
        accepted = next(e for e in shown["timeline"] if e["trigger"] == "confirmation_accepted")
        told[f"{accepted['detail']['may_have'] - 1} attempt(s) whose end was never recorded"] += 1
    return dict(told)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    sys.exit(asyncio.run(run(args.orders, args.kills, args.seed)))


if __name__ == "__main__":
    main()
