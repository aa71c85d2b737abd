"""One run of one peer: a server of its own, its workers, a driver in the peer's own environment, and the costs."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import postgres
from benchmarks.machine import Meter, load
from benchmarks.peers.contenders import HERE, Config, Peer, environ
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer

BATCH = 500
END_S = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one run of an engine."""

    engine: str
    config: str
    durability: str
    ms: int
    orders: int
    seconds: float
    python_cpu: float
    server_cpu: float
    commands: float | None
    """Redis commands an order; None for PostgreSQL."""
    transactions: float | None
    load: float
    others: float

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.seconds

    @property
    def cpu(self) -> float:
        """CPU seconds an order, the server's among them."""
        return (self.python_cpu + self.server_cpu) / self.orders

    def told(self) -> dict[str, Any]:
        """Return the row as JSON."""
        return {**asdict(self), "orders_per_s": round(self.rate, 1), "cpu_ms_per_order": round(self.cpu * 1000, 3)}


class RunFailed(Exception):
    """A run did not finish."""


class Database:
    """The database of a peer's work: its address, its process, its durability, and counters of requests."""

    def __init__(self, url: dict[str, str], pid: int, promise: str, counts: "dict[str, Any]") -> None:
        self.url, self.pid, self.promise, self._counts = url, pid, promise, counts

    def asked(self) -> dict[str, float]:
        """Return the commands or transactions so far."""
        return {name: count() for name, count in self._counts.items()}


@contextmanager
def database(peer: Peer, config: Config, folder: Path) -> Iterator[Database]:
    """Start the peer's database, and end it with the block."""
    promise = config.fsync or peer.usual
    if peer.server == "postgres":
        with postgres.server(promise) as found:
            counts = {"transactions": lambda: float(postgres.transactions(found))}
            yield Database({"BENCH_PG_URL": found.url}, found.pid, found.told(), counts)
        return
    with EmbeddedServer.start(folder / "data", "strict" if promise == "always" else promise) as server:
        client = connect(server.url)

        def commands() -> float:
            return float(sum(row["calls"] for row in client.info("commandstats").values()))

        told = f"appendonly yes, appendfsync {promise}"
        yield Database(
            {"BENCH_REDIS_URL": server.url, "RQ_REDIS_URL": server.url}, server.pid, told, {"commands": commands}
        )


@contextmanager
def processes(commands: Sequence[Sequence[str]], env: dict[str, str], log: Path) -> Iterator[list[int]]:
    """Run worker processes, each in a group of its own; at the end, end them and everything they started."""
    with log.open("ab") as out:
        started = [
            subprocess.Popen(command, env=env, cwd=HERE, stdout=out, stderr=out, start_new_session=True)
            for command in commands
        ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run(peer: Peer, config: Config, ms: int, orders: int) -> Row:
    """Make one run. Raises RunFailed when it does not finish."""
    python = str(peer.python())
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with database(peer, config, folder) as found:
            env = environ(found.url, config, ms)
            commands = [(python, *command) for command in config.commands]
            with processes(commands, env, folder / "workers.log") as pids:
                drive = [python, "-m", "peers.drive", peer.module, str(orders), str(BATCH)]
                with (folder / "driver.log").open("wb") as log:
                    driver = subprocess.Popen(
                        drive, env=env, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
                    )
                try:
                    return measured(peer, config, found, driver, (ms, orders, pids))
                except RunFailed as error:
                    raise RunFailed(f"{error}; {last_words(folder)}") from None
                finally:
                    driver.kill()
                    driver.communicate()


def last_words(folder: Path) -> str:
    """Return the last lines of its logs."""
    logs = (folder / "driver.log", folder / "workers.log")
    return " / ".join((log.read_text(errors="replace").strip().splitlines() or ["-"])[-1][:300] for log in logs)


def measured(
    peer: Peer, config: Config, found: Database, driver: "subprocess.Popen[str]", what: tuple[int, int, list[int]]
) -> Row:
    """Wait for the warm-up, then measure the run."""
    ms, orders, pids = what
    if driver.stdin is None or driver.stdout is None:
        raise AssertionError("no pipes")
    if driver.stdout.readline().strip() != "warm":
        raise RunFailed(f"{peer.name}: it did not warm up")
    before = found.asked()
    meter = Meter([*pids, driver.pid], [found.pid], own=False)
    driver.stdin.write("\n")
    driver.stdin.flush()
    answer = driver.stdout.readline()
    if not answer.startswith("{"):
        raise RunFailed(f"{peer.name}: it did not come to an end")
    spent, after = meter.spent(), found.asked()
    parts = json.loads(answer)
    seconds = parts["ask_s"] + parts["notify_s"]
    asked = {name: (after[name] - before[name]) / orders for name in after}
    others = spent.others / (seconds * (os.cpu_count() or 1))
    return Row(
        peer.name, config.told, found.promise, ms, orders, seconds, spent.python, spent.server,
        asked.get("commands"), asked.get("transactions"), load(), others,
    )  # fmt: skip
