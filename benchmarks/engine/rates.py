"""How many orders a second are completed: real server, real workers. `python -m benchmarks.engine.rates`.

Two phases, each with nothing else going on: place until every question is handed over; reply until every notification
is. The rate is orders over the sum of both. A few orders are completed before the clock starts. Calls to the outside
take `--ms` (0 or 50, say) inside the worker's process (`outside_stub.py`). Round trips are what the server read
(`total_reads_processed`); commands are what it ran, those inside scripts and RQ's included. `others` is the part of
the machine's CPU that went to processes outside the run: it should be next to nothing.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import outside_stub
from benchmarks.machine import Meter, Spent, load
from benchmarks.states import funnel
from consent_engine.adapters.redis.client import connect
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from consent_engine.engine.engine import Engine
from consent_engine.wiring import Installation, installation

BATCH = 500
DOORS = 2
BOUND_S = 600
WARM = 400
FIRST_NUMBER = 13_800_000_000
IN_FLIGHT = 500
PROFILES = ("strict", "everysec")


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one run."""

    durability: str
    ms: int
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
    spent: Spent
    load: float
    settings: str

    @property
    def rate(self) -> float:
        """Orders a second from placed to notified."""
        return self.orders / self.seconds

    @property
    def seconds(self) -> float:
        """The seconds of both phases."""
        return self.ask_s + self.notify_s

    @property
    def others(self) -> float:
        """The share of the machine's CPU that other processes used, 0 to 1."""
        return self.spent.others / (self.seconds * (os.cpu_count() or 1))


@contextmanager
def workers(found: Installation, count: int, ms: int = 0) -> Iterator[list[int]]:
    """Run worker processes within the block; yield their pids."""
    env = {**os.environ, **found.environ(), "CONSENT_DURABILITY": found.settings.durability}
    env |= {"CONSENT_IN_FLIGHT": str(found.settings.in_flight), outside_stub.MS: str(ms)}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), env.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = [sys.executable, "-m", "benchmarks.engine.workers"]
    with (found.settings.data_dir / "workers.log").open("ab") as told:  # a log line for each event, as in production
        started = [subprocess.Popen(command, env=env, stdout=told, stderr=told) for _ in range(count)]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def requests(first: int, count: int) -> list[Placing]:
    """Return orders of as many subscribers."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    call = {"caller_number": "10085", "started_at": now, "agreed_at": now}
    body = {"plan": "5g-smart-199", "agent": "A1024"}
    told = (
        {**body, "msisdn": str(FIRST_NUMBER + n), "call": {**call, "recording_id": f"rec-{n}"}}
        for n in range(first, first + count)
    )
    return [Placing("desk", f"key-{n}", PlaceOrder.read(each)) for n, each in enumerate(told, first)]


class Doors:
    """Threads that place and receive, each with an engine of its own, as two API processes would.

    The peers place from one thread: two made Dramatiq slower.
    """

    def __init__(self, found: Installation) -> None:
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(DOORS, initializer=lambda: setattr(self._own, "engine", found.engine()))

    def all(self, act: Callable[[Engine, int], object], count: int) -> None:
        """Call `act` for every batch, with the number of its first order."""
        list(self._pool.map(lambda n: act(self._own.engine, n), range(0, count, BATCH)))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def until(engine: Engine, state: State, count: int, told: str) -> None:
    """Wait until `count` of today's orders are in `state`."""
    deadline = time.monotonic() + BOUND_S
    while time.monotonic() < deadline:
        time.sleep(0.02)
        if any(engine.store.lanes.next(lane, 1) for lane in (Lane.SMS, Lane.INBOUND, Lane.ACTIVATION)):
            continue  # due, or under way; each count brings all to SQL, and is most of the work fifty times a second
        there = funnel(engine).get(state, 0)
        if sys.stderr.isatty():
            print(f"\r{told}: {there}/{count}   ", end="", file=sys.stderr, flush=True)
        if there >= count:
            return
    sys.exit(f"{told}: not done after {BOUND_S} s")


def run(durability: str, count: int, worker_count: int = 2, ms: int = 0) -> Figures:
    """Make one run on a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "CONSENT_READING_SPEED": "1000000",
            "CONSENT_DATA_DIR": str(Path(folder) / "data"),
            "CONSENT_DURABILITY": durability,
        }
        settings = Settings.load({**environ, "CONSENT_IN_FLIGHT": str(IN_FLIGHT)}, env_file=None)
        with installation(settings, own=True) as found, workers(found, worker_count, ms) as pids:
            engine, client = found.engine(), connect(found.redis_url)
            road(engine, found, 0, WARM, "warm")
            server = int(client.info("server")["process_id"])
            return measure(found, engine, client, Meter(pids, [server], own=True), (count, ms, worker_count))


def measure(
    found: Installation,
    engine: Engine,
    client: Any,  # noqa: ANN401 - redis-py's
    meter: Meter,
    what: tuple[int, int, int],
) -> Figures:
    """Complete many orders; compare the server before and after."""
    count, ms, worker_count = what
    empty, before = client.info("memory")["used_memory"], _server(client)
    parts, full = road(engine, found, WARM, count, found.settings.durability, client)
    after, spent = _server(client), meter.spent()
    commands, scripts, reads, cpu = ((b - a) / count for a, b in zip(before, after, strict=True))
    disk = client.config_get("append*")
    told = (
        f"{worker_count} worker processes, {found.settings.in_flight} calls in flight each; "
        f"appendonly {disk['appendonly']}, appendfsync {disk['appendfsync']}"
        + (", every answer after WAITAOF" if found.settings.durability == "strict" else "")
    )
    return Figures(
        found.settings.durability, ms, count, *parts,
        commands, scripts, reads, cpu * 1e6, (full - empty) / count, spent, load(), told,
    )  # fmt: skip


def road(
    engine: Engine,
    found: Installation,
    first: int,
    count: int,
    told: str,
    client: Any = None,  # noqa: ANN401 - redis-py's
) -> tuple[tuple[float, float, float, float], int]:
    """Complete orders; return the seconds of place, ask, reply and notify, and the memory while all of them wait."""
    wanted = requests(first, count)
    doors = Doors(found)
    start = time.monotonic()
    doors.all(lambda ours, n: ours.place_many(wanted[n : n + BATCH]), count)
    placed = time.monotonic()
    until(engine, State.AWAITING_REPLY, count, f"{told}: asked")
    asked = time.monotonic()
    full = client.info("memory")["used_memory"] if client else 0
    carrier_number = found.settings.senders()["mobile"]

    def answer(ours: Engine, n: int) -> None:
        numbers = range(FIRST_NUMBER + first + n, FIRST_NUMBER + first + min(n + BATCH, count))
        ours.receive([Reply("simulated", f"m{x}", Msisdn(f"+86{x}"), carrier_number, "是") for x in numbers])

    doors.all(answer, count)
    replied = time.monotonic()
    until(engine, State.NOTIFIED, first + count, f"{told}: notified")
    done = time.monotonic()
    doors.close()
    return (placed - start, asked - start, replied - asked, done - asked), full


def _server(client: Any) -> tuple[float, float, float, float]:  # noqa: ANN401 - redis-py's answers
    stats, cpu = client.info("commandstats"), client.info("cpu")
    calls = sum(row["calls"] for row in stats.values())
    scripts = stats.get("cmdstat_evalsha", {"calls": 0})["calls"]
    reads = client.info("stats")["total_reads_processed"]
    return calls, scripts, reads, cpu["used_cpu_user"] + cpu["used_cpu_sys"]


HEAD = (
    "durability  ms  orders/s  placed/s  asked/s  notified/s  commands  scripts  round trips  redis us  python us  "
    "bytes waiting  load  others"
)


def line(f: Figures) -> str:
    """Return a run as a line under HEAD."""
    return (
        f"{f.durability:10}  {f.ms:2}  {f.rate:8.0f}  {f.orders / f.place_s:8.0f}  {f.orders / f.ask_s:7.0f}  "
        f"{f.orders / f.notify_s:10.0f}  {f.commands:8.1f}  {f.scripts:7.1f}  {f.reads:11.2f}  "
        f"{f.redis_us:8.0f}  {f.spent.python / f.orders * 1e6:9.0f}  {f.bytes_waiting:13.0f}  {f.load:4.1f}  "
        f"{f.others:5.0%}"
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ms", type=int, default=0, help="how long a call to the outside takes")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    print(f"{args.orders} orders, {args.workers} workers, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(HEAD)
    for _ in range(args.runs):
        for durability in PROFILES:
            print(line(run(durability, args.orders, args.workers, args.ms)), flush=True)


if __name__ == "__main__":
    main()
