"""Cost of an order in many cells on a Redis Cluster, and how it is spread. `python -m benchmarks.growth.cluster`.

Three masters and three replicas on loopback, RQ's Redis beside them; one process places, performs every lane and plays
the outside (calls of 0 ms), so that its CPU is all the Python there is. With `--single` the same on one server. Rates
of seven servers on a few cores say little; CPU an order, commands, memory and the split by master do.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.states import funnel
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import State
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from consent_engine.engine.engine import Engine
from consent_engine.wiring import installation
from tests.cluster.servers import Cluster, beside
from tests.durability.servers import Server, server

BATCH = 500
BOUND_S = 600


@contextmanager
def redis(folder: Path, *, single: bool) -> Iterator[tuple[str, str, list[Server], list[Server]]]:
    """Run the servers; yield the addresses of the data and of RQ, the masters and their replicas."""
    if single:
        with server(folder / "one", "appendfsync always") as one, server(folder / "rq", "appendonly no") as rq:
            yield one.url, rq.url, [one], []
        return
    with beside(folder) as (cluster, rq):
        yield cluster.url, rq.url, cluster.masters(), _replicas(cluster)


def _replicas(cluster: Cluster) -> list[Server]:
    masters = {node.port for node in cluster.masters()}
    return [node for node in cluster.nodes if node.port not in masters]


def spent(nodes: list[Server]) -> dict[int, tuple[float, int, int]]:
    """Return CPU seconds, commands and bytes of each server."""
    found = {}
    for node in nodes:
        with node.client() as client:
            info: dict[str, Any] = client.info("everything")
        cpu = info["used_cpu_user"] + info["used_cpu_sys"]
        calls = sum(row["calls"] for name, row in info.items() if name.startswith("cmdstat_"))
        found[node.port] = (cpu, calls, info["used_memory"])
    return found


def placings(numbers: list[int]) -> list[Placing]:
    """Return orders of as many subscribers."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    call = {"caller_number": "10085", "started_at": now, "agreed_at": now}
    body = {"plan": "5g-smart-199", "agent": "A1024"}
    told = ((n, {**body, "msisdn": str(n), "call": {**call, "recording_id": f"rec-{n % 10**8}"}}) for n in numbers)
    return [Placing("desk", f"key-{n}", PlaceOrder.read(each)) for n, each in told]


async def work(engine: Engine, state: State, count: int) -> None:
    """Perform every lane until so many orders are in that state."""
    until = time.monotonic() + BOUND_S
    while funnel(engine).get(state, 0) < count:
        for lane in Lane:
            await engine.performer.perform(lane, 1)
        if time.monotonic() > until:
            sys.exit(f"not done after {BOUND_S} s")
    await engine.performer.land(5)


def run(count: int, cells: int, replicas: int, *, single: bool) -> dict[str, Any]:
    """Make one run; return its figures."""
    with tempfile.TemporaryDirectory() as folder, redis(Path(folder), single=single) as (url, rq, masters, others):
        environ = {
            "CONSENT_REDIS_URL": url, "CONSENT_RQ_URL": rq, "CONSENT_SECRET": "a-secret-of-the-benchmark-000000",
            "CONSENT_CELLS": "1" if single else str(cells), "CONSENT_REPLICAS": "0" if single else str(replicas),
            "CONSENT_GATEWAY": "simulated", "CONSENT_BSS": "simulated", "CONSENT_IN_FLIGHT": "500",
            "CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": folder,
        }  # fmt: skip
        with installation(Settings.load(environ, env_file=None)) as found:
            engine = found.engine()
            return asyncio.run(measured(engine, count, masters, others))


async def measured(engine: Engine, count: int, masters: list[Server], replicas: list[Server]) -> dict[str, Any]:
    """Measure an engine: place, ask, reply, activate, notify."""
    numbers = random.Random(1).sample(range(13_800_000_000, 13_900_000_000), count + BATCH)  # noqa: S311 - no secret
    await road(engine, numbers[count:], 0)
    first, before = spent(masters), spent(replicas)
    began, cpu = time.perf_counter(), time.process_time()
    placed = await road(engine, numbers[:count], BATCH, lambda: spent(masters))
    wall, python = time.perf_counter() - began, time.process_time() - cpu
    last, after = spent(masters), spent(replicas)
    waiting = placed["waiting"]
    return {
        "orders": count,
        "orders_s": round(count / wall),
        "python_ms": round(python / count * 1e3, 2),
        "place_ms": round(placed["place"] / count * 1e3, 2),
        "redis_us_by_master": [round((last[p][0] - first[p][0]) / count * 1e6) for p in last],
        "redis_us_replicas": round(sum(after[p][0] - before[p][0] for p in after) / count * 1e6),
        "commands_by_master": [round((last[p][1] - first[p][1]) / count, 1) for p in last],
        "bytes_waiting": round(sum(waiting[p][2] - first[p][2] for p in first) / count),
        "bytes_notified": round(sum(last[p][2] - first[p][2] for p in first) / count),
    }


async def road(
    engine: Engine, numbers: list[int], before: int, look: Callable[[], dict[int, tuple[float, int, int]]] = dict
) -> dict[str, Any]:
    """Take all orders from placed to notified; return the CPU of placing, and what the servers hold while all wait."""
    cpu = time.process_time()
    for first in range(0, len(numbers), BATCH):
        bad = [r for r in engine.place_many(placings(numbers[first : first + BATCH])) if isinstance(r, Exception)]
        if bad:
            sys.exit(f"not placed: {bad[0]}")
    place = time.process_time() - cpu
    await work(engine, State.AWAITING_REPLY, len(numbers))
    waiting = look()
    for first in range(0, len(numbers), BATCH):
        some = numbers[first : first + BATCH]
        engine.receive([Reply("simulated", f"mo-{n}", Msisdn(f"+86{n}"), "10085", "是") for n in some])
    await work(engine, State.NOTIFIED, len(numbers) + before)
    return {"place": place, "waiting": waiting}


def main() -> None:
    """Run as asked, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=4_000)
    parser.add_argument("--cells", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--single", action="store_true", help="one server, one cell, as well")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.single:
        print("single", json.dumps(run(options.orders, 1, 0, single=True)), flush=True)
    for cells in options.cells:
        print(f"{cells} cells", json.dumps(run(options.orders, cells, options.replicas, single=False)), flush=True)


if __name__ == "__main__":
    main()
