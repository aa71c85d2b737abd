"""How many orders a second go the whole road: real server, real workers, calls of 0 ms. `python benchmarks/engine.py`.

Two phases, each with nothing else going on: place until every question is handed over; reply until every notification
is. The rate is orders over the sum of both. Round trips are what the server read (`total_reads_processed`); commands
are what it ran, those inside scripts and RQ's included.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consent_engine.adapters.redis_client import connect
from consent_engine.domain.admit import PlaceOrder, Placing
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from consent_engine.engine import Engine
from consent_engine.settings import Settings
from consent_engine.wiring import Installation, installation

BATCH = 500
BOUND_S = 600
FIRST_NUMBER = 13_800_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave."""

    durability: str
    orders: int
    place_s: float
    ask_s: float
    reply_s: float
    notify_s: float
    commands: float
    scripts: float
    reads: float
    redis_us: float
    bytes_waiting: float

    @property
    def rate(self) -> float:
        """Orders a second from placed to notified."""
        return self.orders / (self.ask_s + self.notify_s)


@contextmanager
def workers(found: Installation, count: int) -> Iterator[None]:
    """Worker processes, ended at the end."""
    env = {**os.environ, **found.environ(), "CONSENT_DURABILITY": found.settings.durability}
    env |= {"CONSENT_IN_FLIGHT": str(found.settings.in_flight)}
    command = [sys.executable, "-m", "workers"]
    started = [subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def requests(count: int) -> list[Placing]:
    """Orders of as many subscribers."""
    call = {"caller_number": "10085", "recording_id": "rec-000123"}
    call |= {"started_at": "2025-11-25T10:00:00+08:00", "agreed_at": "2025-11-25T10:04:31+08:00"}
    body = {"plan": "5g-smart-199", "agent": "A1024", "call": call}
    return [
        Placing("desk", f"key-{n}", PlaceOrder.read({**body, "msisdn": str(FIRST_NUMBER + n)})) for n in range(count)
    ]


def until(engine: Engine, state: State, count: int, told: str) -> None:
    """Wait until `count` of today's orders are in `state`."""
    day = datetime.fromtimestamp(engine.registry.now() / 1000, UTC).strftime("%Y-%m-%d")
    deadline = time.monotonic() + BOUND_S
    while time.monotonic() < deadline:
        there = engine.store.funnel(day).get(state, 0)
        print(f"\r{told}: {there}/{count}   ", end="", file=sys.stderr, flush=True)
        if there >= count:
            print(file=sys.stderr)
            return
        time.sleep(0.02)
    sys.exit(f"{told}: not done after {BOUND_S} s")


def run(durability: str, count: int, worker_count: int) -> Figures:
    """One run on a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"CONSENT_DATA_DIR": str(Path(folder) / "data"), "CONSENT_DURABILITY": durability}
        settings = Settings.load({**environ, "CONSENT_IN_FLIGHT": "500"}, env_file=None)
        with installation(settings, own=True) as found, workers(found, worker_count):
            return measure(found, durability, count)


def measure(found: Installation, durability: str, count: int) -> Figures:
    """Place, reply, and look at the server before and after."""
    engine, client = found.engine(), connect(found.redis_url)
    wanted = requests(count)
    before, empty = _server(client), client.info("memory")["used_memory"]
    start = time.monotonic()
    for n in range(0, count, BATCH):
        engine.place_many(wanted[n : n + BATCH])
    placed = time.monotonic()
    until(engine, State.AWAITING_REPLY, count, f"{durability}: asked")
    asked = time.monotonic()
    waiting = (client.info("memory")["used_memory"] - empty) / count
    carrier_number = found.settings.senders()["mobile"]
    for n in range(0, count, BATCH):
        numbers = range(FIRST_NUMBER + n, FIRST_NUMBER + min(n + BATCH, count))
        engine.receive([Reply("simulated", f"m{x}", Msisdn(f"+86{x}"), carrier_number, "是") for x in numbers])
    replied = time.monotonic()
    until(engine, State.NOTIFIED, count, f"{durability}: notified")
    done = time.monotonic()
    after = _server(client)
    commands, scripts, reads, cpu = ((b - a) / count for a, b in zip(before, after, strict=True))
    return Figures(
        durability, count, placed - start, asked - start, replied - asked, done - asked,
        commands, scripts, reads, cpu * 1e6, waiting,
    )  # fmt: skip


def _server(client: Any) -> tuple[float, float, float, float]:  # noqa: ANN401 - redis-py's answers
    stats, cpu = client.info("commandstats"), client.info("cpu")
    calls = sum(row["calls"] for row in stats.values())
    scripts = stats.get("cmdstat_evalsha", {"calls": 0})["calls"]
    reads = client.info("stats")["total_reads_processed"]
    return calls, scripts, reads, cpu["used_cpu_user"] + cpu["used_cpu_sys"]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    print(f"{args.orders} orders, {args.workers} workers, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(
        "durability  orders/s  placed/s  asked/s  notified/s  commands  scripts  round trips  redis us  bytes waiting"
    )
    for _ in range(args.runs):
        for durability in ("strict", "everysec"):
            f = run(durability, args.orders, args.workers)
            print(
                f"{f.durability:10}  {f.rate:8.0f}  {f.orders / f.place_s:8.0f}  {f.orders / f.ask_s:7.0f}  "
                f"{f.orders / f.notify_s:10.0f}  {f.commands:8.1f}  {f.scripts:7.1f}  {f.reads:11.2f}  "
                f"{f.redis_us:8.0f}  {f.bytes_waiting:13.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
