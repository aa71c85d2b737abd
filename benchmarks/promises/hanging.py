"""What one gateway that hangs costs the carriers of the other two: `python -m benchmarks.promises.hanging`.

A real server, real worker processes, three gateways of the kind `http_json` at an HTTP stub of its own process. Orders
of two carriers are placed at a steady pace, each at its own instant; measured is how long it takes from the answer of
`place` until the stub has read the question. First alone; then from the moment in which `--due` questions of the third
carrier are due, whose gateway takes every request and never answers; then once more, while it goes on. The promise: the
others' p99 is at most 1.5 times that of alone.

With `--outage SECONDS` the gateway of one carrier hangs for so long while its orders are placed at a steady pace, and
then answers again, but not what it has taken before. Measured is how long after its return the questions of the outage
are asked, and how many of them are left in doubt. The promise: half within 10 s, 90 % within 30 s.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from socket import create_connection
from statistics import quantiles
from urllib.request import urlopen

from aiohttp import web

from benchmarks.machine import load
from benchmarks.ports import free_port
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Lane
from consent_engine.engine.engine import Engine
from consent_engine.ports import Endpoint
from consent_engine.ports.registry import LANE
from consent_engine.wiring import Installation, installation

PLANS = {"mobile": "5g-smart-199", "telecom": "fibre-duo-129", "unicom": "5g-wo-159"}
HANGS, *OTHERS = PLANS
FIRST_NUMBER = 13_500_000_000
BATCH = 250
TAKES_S = 0.02
"""How long the gateways that answer take."""
BOUND_S = 120
LEADS_S, WAITS_S = 10, 45
"""How long the gateway answers before an outage, and is watched after it."""


def stub(port: int) -> None:
    """Play the gateways, in a process of its own: the one of HANGS never answers."""
    read: dict[str, float] = {}
    answered: dict[str, float] = {}
    open_now, hangs = 0, True

    async def sms(request: web.Request) -> web.Response:
        nonlocal open_now
        ref = (await request.json())["ref"]
        read.setdefault(ref.partition(".")[0], time.time())
        open_now += 1
        try:
            if hangs and request.match_info["carrier"] == HANGS:
                await asyncio.sleep(3600)
            await asyncio.sleep(TAKES_S)
        finally:
            open_now -= 1
        answered.setdefault(ref.partition(".")[0], time.time())
        return web.json_response({"message_id": f"m-{ref}"}, status=201)

    async def seen(_: web.Request) -> web.Response:
        return web.json_response({"read": read, "answered": answered, "open": open_now})

    async def hang(request: web.Request) -> web.Response:
        nonlocal hangs
        hangs = request.match_info["whether"] == "on"
        return web.Response()

    app = web.Application()
    app.router.add_post("/{carrier}", sms)
    app.router.add_get("/seen", seen)
    app.router.add_get("/hang/{whether}", hang)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None, handle_signals=True)


class Town:
    """An installation with its stub."""

    def __init__(self, found: Installation, port: int, environ: Mapping[str, str]) -> None:
        self.engine: Engine = found.engine()
        self.environ = {**environ, **found.environ()}
        self._stub = f"http://127.0.0.1:{port}"
        self._placed = 0

    def place(self, carrier: str, count: int = 1) -> list[str]:
        """Place orders of a carrier; return their ids."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        wanted = []
        for n in range(self._placed, self._placed + count):
            call = {"caller_number": CARRIERS[carrier].outbound, "started_at": now, "agreed_at": now}
            call["recording_id"] = f"rec-{n}"
            body = {"plan": PLANS[carrier], "agent": "A1024", "msisdn": str(FIRST_NUMBER + n), "call": call}
            wanted.append(Placing("desk", f"key-{n}", PlaceOrder.read(body)))
        self._placed += count
        ids = []
        for each in self.engine.place_many(wanted):
            if isinstance(each, Exception):
                raise each
            ids.append(each.order.id)
        self.engine.queue.wake(Lane.SMS, count)
        return ids

    def seen(self) -> tuple[dict[str, float], int]:
        """Return when the stub read each order's first SMS, and how many requests are open."""
        said = json.loads(self.stub("seen"))
        return said["read"], said["open"]

    def stub(self, path: str) -> bytes:
        """Ask the stub."""
        with urlopen(f"{self._stub}/{path}", timeout=30) as answer:  # noqa: S310 - our own
            said: bytes = answer.read()
        return said

    def due(self, carrier: str, count: int) -> list[str]:
        """Make so many questions due, all at one moment, with no other work left of them; return their orders."""
        lane, ids = Endpoint(LANE, Lane.SMS), list[str]()
        self.engine.pauses.pause(lane, "ops", "they are placed first")
        for _ in range(0, count, BATCH):
            ids += self.place(carrier, BATCH)
        end = time.monotonic() + BOUND_S
        while self.engine.store.journal.waiting().count:
            if time.monotonic() > end:
                sys.exit("SQL never had all of them")
            time.sleep(0.2)
        self.engine.pauses.resume(lane, "ops", "they are due")
        return ids

    def crowd(self, due: int) -> None:
        """Make so many questions due at the gateway that hangs."""
        self.due(HANGS, due)
        end = time.monotonic() + BOUND_S
        while self.seen()[1] == 0:
            if time.monotonic() > end:
                sys.exit("the gateway that hangs was never asked")
            time.sleep(0.1)

    def handed_over(self, orders: int, pace: float) -> list[float]:
        """Place orders of the others at a steady pace; return how many ms each question took to its gateway."""
        began, placed = time.monotonic(), dict[str, float]()
        for n in range(orders):
            time.sleep(max(0.0, began + n / pace - time.monotonic()))
            for order in self.place(OTHERS[n % len(OTHERS)]):
                placed[order] = time.time()
        end = time.monotonic() + BOUND_S
        while not placed.keys() <= (read := self.seen()[0]).keys():
            if time.monotonic() > end:
                sys.exit(f"{len(placed.keys() - read.keys())} of the others' questions were never handed over")
            time.sleep(0.2)
        return [max(0.0, read[order] - at) * 1000 for order, at in placed.items()]

    def outage(self, seconds: float, pace: float) -> tuple[list[float], int, int]:
        """Let the gateway hang for so long, while orders come in. Return of those that came meanwhile how many seconds
        after its return each was asked, how many were not in time, and how many it took and never answered.
        """
        placed: dict[str, float] = {}
        switched = iter([(LEADS_S, "on"), (LEADS_S + seconds, "off")])
        self.stub("hang/off")
        first, end = set(self.place(HANGS, 20)), time.monotonic() + BOUND_S
        while not first <= self.seen()[0].keys() and time.monotonic() < end:
            time.sleep(0.2)  # the workers begin
        began, (then, what) = time.monotonic(), next(switched)
        back = hung = time.time()
        for n in range(int((LEADS_S + seconds + WAITS_S) * pace)):
            time.sleep(max(0.0, began + n / pace - time.monotonic()))
            if n / pace >= then:
                self.stub(f"hang/{what}")
                hung, back = (time.time(), back) if what == "on" else (hung, time.time())
                then, what = next(switched, (inf, ""))
            for order in self.place(HANGS):
                placed[order] = time.time()
        said = json.loads(self.stub("seen"))
        of = [order for order, at in placed.items() if hung <= at < back]
        asked = [max(0.0, said["answered"][order] - back) for order in of if order in said["answered"]]
        return sorted(asked), len(of) - len(asked), len([order for order in of if said["read"].get(order, back) < back])


def _until_it_listens(port: int) -> None:
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        with suppress(OSError), create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit("the stub does not listen")


@contextmanager
def town(workers: int, **settings: str) -> Iterator[Town]:
    """Run an installation with its workers and its stub. settings: further ones"""
    port = free_port()
    playing = multiprocessing.get_context("spawn").Process(target=stub, args=(port,), daemon=True)
    playing.start()
    _until_it_listens(port)
    with tempfile.TemporaryDirectory(prefix="consent-hanging-") as folder:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        environ |= {
            "CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": f"{folder}/data", "CONSENT_BSS": "simulated",
        }  # fmt: skip
        for carrier in PLANS:
            environ[f"CONSENT_GATEWAY_{carrier.upper()}"] = f"http_json:{carrier}"
            environ[f"CONSENT_HTTP_JSON_{carrier.upper()}__URL"] = f"http://127.0.0.1:{port}/{carrier}"
            environ[f"CONSENT_HTTP_JSON_{carrier.upper()}__SECRET"] = secrets.token_urlsafe(24)
        environ |= settings
        with installation(Settings.load(environ, env_file=None), own=True) as found, open(f"{folder}/log", "wb") as log:
            command = [sys.executable, "-m", "workers"]
            env = environ | found.environ() | {"PYTHONPATH": str(Path(__file__).parents[2])}
            working = [subprocess.Popen(command, env=env, stdout=log, stderr=log) for _ in range(workers)]
            try:
                made = Town(found, port, environ)
                yield made
            finally:
                for each in working:
                    each.kill()  # what hangs would hold up an orderly end
                    each.wait(30)
                playing.kill()


def told(name: str, took: list[float]) -> float:
    """Print the figures of one half; return its p99."""
    cut = quantiles(took, n=100)
    print(f"{name:40} n {len(took):5}  p50 {cut[49]:7.1f} ms  p99 {cut[98]:7.1f} ms  max {max(took):7.1f} ms")
    return cut[98]


def returned(seconds: float, pace: float, workers: int) -> int:
    """Measure what follows an outage; return 1 where the promise is not kept."""
    with town(workers) as made:
        asked, never, hung = made.outage(seconds, pace)
    asked += [inf] * never
    half, most = (asked[int(len(asked) * share)] for share in (0.5, 0.9))
    print(
        f"hung {seconds:g} s at {pace:g} orders/s, {workers} workers: {len(asked)} questions, half asked {half:.1f} s "
        f"after its return, 90 % {most:.1f} s; {hung} were taken and never answered ({hung / len(asked):.1%}), "
        f"{never} not asked {WAITS_S} s later; load {load():.1f}"
    )
    return int(half > 10 or most > 30)  # noqa: PLR2004 - the promise


def main() -> int:
    """Run both halves; return 1 where the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--due", type=int, default=10_000, help="questions due at the gateway that hangs")
    parser.add_argument("--orders", type=int, default=600, help="orders of the others, in each half")
    parser.add_argument("--pace", type=float, default=20.0, help="orders of the others a second")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--outage", type=float, help="how long one gateway hangs, in seconds; it measures its return")
    asked = parser.parse_args()
    if asked.outage:
        return returned(asked.outage, asked.pace, asked.workers)
    with town(asked.workers) as made:
        made.handed_over(50, asked.pace)  # to warm up
        alone = told("alone", made.handed_over(asked.orders, asked.pace))
        made.crowd(asked.due)
        told(f"{asked.due} due at one that begins to hang", made.handed_over(asked.orders, asked.pace))
        beside = told("while it goes on hanging", made.handed_over(asked.orders, asked.pace))
        due = made.engine.store.lanes.depths()[Lane.SMS].due
    print(f"p99 beside it / alone: {beside / alone:.2f} (at most 1.5); {due} still due; load {load():.1f}")
    return int(beside > 1.5 * alone)


if __name__ == "__main__":
    sys.exit(main())
