"""What the scribe costs an order: Redis, its own Python, and SQL, by how much of a road falls into one beat.

`python -m benchmarks.growth.scribe [--sql postgresql|sqlite] [--orders 2000]`

Orders go down their road (placed, asked, confirmed, activated, notified) in this process. Between the steps the journal
is written out: *slow* after every step, as where each falls into a beat of its own; *usual* once when they were asked
and once when they are notified, as where a reply is followed by everything else within a second. Printed per order: CPU
of the server, of the scribe and of the database's own processes, rows and bytes in SQL; and bytes in the journal while
SQL is away. The machine's load stands beside: figures of one run are comparable, those of two days are not.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks import machine, postgres
from benchmarks.engine import rates
from benchmarks.engine.tape import NoQueue
from consent_engine import wiring
from consent_engine.adapters.redis.client import connect
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from consent_engine.engine.engine import Engine
from consent_engine.engine.scribe import write_out
from consent_engine.wiring import Installation

SLICE_S = 5.0
TABLES = ("orders", "calls", "lines", "offers", "log")


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """Make a database; yield its address, and a function for the CPU seconds of its own processes."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/scribe.sqlite3", lambda: 0.0
        return
    with postgres.server() as server:
        yield server.url, lambda: machine.families([server.pid])


class Road:
    """Orders on their road, and what was spent on writing them out."""

    def __init__(self, engine: Engine, server: int, sql_cpu: Callable[[], float], runner: asyncio.Runner) -> None:
        self.engine = engine
        self._server, self._sql_cpu = server, sql_cpu
        self._runner = runner
        self.redis = self.python = self.sql = 0.0

    def perform(self, *lanes: Lane) -> None:
        """Perform lanes until they have nothing due."""

        async def all_of() -> None:
            for lane in lanes:
                await self.engine.performer.perform(lane, SLICE_S)
                await self.engine.performer.land(SLICE_S)

        self._runner.run(all_of())

    def write(self) -> None:
        """Write the journal out, and add up what that takes."""
        redis, python, sql = machine.cpu_of(self._server), time.thread_time(), self._sql_cpu()
        write_out(self.engine.store, "benchmark")
        self.redis += machine.cpu_of(self._server) - redis
        self.python += time.thread_time() - python
        self.sql += self._sql_cpu() - sql

    def go(self, first: int, count: int, sender: str, *, often: bool) -> None:
        """Take so many orders down their road. often: write out after each step"""
        beat = self.write if often else lambda: None
        wanted = rates.requests(first, count)
        for n in range(0, count, rates.BATCH):
            self.engine.place_many(wanted[n : n + rates.BATCH])
        beat()
        self.perform(Lane.SMS)
        self.write()
        numbers = range(rates.FIRST_NUMBER + first, rates.FIRST_NUMBER + first + count)
        self.engine.receive([Reply("simulated", f"m{n}", Msisdn(f"+86{n}"), sender, "是") for n in numbers])
        self.perform(Lane.INBOUND)
        beat()
        self.perform(Lane.ACTIVATION)
        beat()
        self.perform(Lane.SMS)
        self.write()


def run(kind: str, count: int) -> None:
    """Measure one database, and print."""
    with tempfile.TemporaryDirectory() as name, database(kind, Path(name)) as (url, sql_cpu):
        environ = {
            "CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": f"{name}/data", "CONSENT_DURABILITY": "strict",
            "CONSENT_ARCHIVE_URL": url, "CONSENT_IN_FLIGHT": str(rates.IN_FLIGHT),
        }  # fmt: skip
        settings = Settings.load(environ, env_file=None)
        setattr(wiring, "RqQueue", NoQueue)  # noqa: B010 - no worker is to be woken
        with wiring.installation(settings, own=True) as found, ThreadPoolExecutor(1) as thread:
            # In a thread, as in a worker: only there hiredis packs and parses.
            thread.submit(measured, kind, count, found, sql_cpu).result()
        with create_engine(url.replace("postgresql://", "postgresql+psycopg://")).connect() as connection:
            rows = {each: connection.execute(text(f"SELECT count(*) FROM {each}")).scalar() for each in TABLES}  # noqa: S608
            print(f"{kind}, rows: {rows}; load {os.getloadavg()[0]:.1f}")


def measured(kind: str, count: int, found: Installation, sql_cpu: Callable[[], float]) -> None:
    """Take orders down their road in both ways, then leave some in the journal; print what each took."""
    with asyncio.Runner() as runner:
        engine, client = found.engine(), connect(found.redis_url)
        server, sender = int(client.info("server")["process_id"]), found.settings.senders()["mobile"]
        Road(engine, server, sql_cpu, runner).go(0, rates.BATCH, sender, often=True)  # warm
        for n, often in enumerate((False, True), 1):
            road = Road(engine, server, sql_cpu, runner)
            road.go(n * 10**6, count, sender, often=often)
            spent = [f"{each / count * 1e6:.0f}" for each in (road.redis, road.python, road.sql)]
            how = "slow: a beat a step" if often else "usual: two beats"
            print(f"{kind}, {how}: Redis {spent[0]}, Python {spent[1]}, the database {spent[2]} us an order")
        before = client.info("memory")["used_memory"]
        journal = client.memory_usage("ce:{0}:journal", samples=0) or 0
        wanted = rates.requests(3 * 10**6, count)
        for at in range(0, count, rates.BATCH):
            engine.place_many(wanted[at : at + rates.BATCH])
        road.perform(Lane.SMS)
        grown = (client.memory_usage("ce:{0}:journal", samples=0) or 0) - journal
        whole = client.info("memory")["used_memory"] - before
        print(f"{kind}, SQL away: {grown / count:.0f} bytes of journal an asked order, of {whole / count:.0f} in all")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sql", choices=["postgresql", "sqlite"], action="append")
    parser.add_argument("--orders", type=int, default=2_000)
    args = parser.parse_args()
    for kind in args.sql or ["sqlite", "postgresql"]:
        run(kind, args.orders)


if __name__ == "__main__":
    main()
