"""Our share of the rate that HTTP alone allows: orders end to end, and placing. `python -m benchmarks.http.floor`.

An order is four requests in (order, report, yes, report) and three out (question, activation, notification). The floor
makes and takes the same requests through the same Starlette, uvicorn and `http_exchange`, in as many processes, to the
same stub, and does nothing else: answers are constants, as long as ours; no signature, no key, no check, no store
(`floor_app.py`; its API tells its callers by a pipe what to call). As ours does, it opens a connection a call.
Placing alone is also held against a floor that runs one script that does nothing, once an order, on the same server.
Both stand all the time and are loaded in turn by the same closed loop, the order reversed each round; a share is the
median of the rounds' shares: by rate, and by CPU an order (driver and stub left out), which a busy machine moves less.
"""

import argparse
import asyncio
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.http.floor_app import ANSWER, CALLERS, OUTSIDE, REDIS
from benchmarks.http.house import (
    ROOT,
    Spending,
    Stub,
    house,
    in_one_line,
    new_file,
    positive,
    published,
    running,
    stub,
    wait_for,
)
from benchmarks.http.load import CREATED, Client, Ears, Requests, orders_alone, whole_roads
from benchmarks.machine import load, quiet
from benchmarks.peers.report import doubt, machine
from benchmarks.pictures import amount, table
from benchmarks.ports import free_ports

PATIENT = {"CONSENT_CONFIRM_WITHIN": "24h"}
"""Without workers no order is asked: the API must go on accepting orders."""
ALONE, SCRIPT = "ours, no workers", "floor, script"
TARGETS = {"end to end": 0.5, "place alone, a script": 0.65}
"""The least share of the floor, by rate, that is wanted."""
ROADS = {
    "end to end": ("ours", "floor"),
    "place alone": (ALONE, "floor, no callers"),
    "place alone, a script": (ALONE, SCRIPT),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the sides that are loaded."""

    name: str
    client: Client
    requests: Requests
    python: list[int]
    servers: list[int]
    whole: bool


@contextmanager
def floor(folder: Path, outside: Stub, answer: int, callers: int, redis: str = "") -> Iterator[tuple[int, list[int]]]:
    """Run the floor's processes; yield its port and their pids. redis: the server on which an order runs a script"""
    folder.mkdir()
    pipes = [os.pipe() for _ in range(callers)]
    environ = {**os.environ, OUTSIDE: outside.url, ANSWER: str(answer), "PYTHONPATH": str(ROOT)}
    environ[REDIS] = redis
    environ[CALLERS] = ",".join(str(write) for _, write in pipes)
    [port] = free_ports(1)
    program = [sys.executable, "-m", "benchmarks.http.floor_app"]
    for fd in (end for pipe in pipes for end in pipe):
        os.set_inheritable(fd, True)  # noqa: FBT003 - positional only
    with ExitStack() as stack:
        pids = stack.enter_context(running([[*program, "api", str(port)]], environ, folder, keep=True))
        for read, _ in pipes:
            pids += stack.enter_context(running([[*program, "caller"]], environ, folder, stdin=read))
        for end in (end for pipe in pipes for end in pipe):
            os.close(end)
        wait_for(f"http://127.0.0.1:{port}/healthz", folder)
        yield port, pids


@contextmanager
def sides(folder: Path, outside: Stub, args: argparse.Namespace) -> Iterator[dict[str, Side]]:
    """Run all sides."""
    found: dict[str, Side] = {}
    with ExitStack() as stack:
        for name, workers in (("ours", args.workers), (ALONE, 0)):
            print(f"{name}: starting", flush=True)
            (at := folder / name.replace(", ", "-").replace(" ", "-")).mkdir()
            made = stack.enter_context(
                house(
                    at, outside, durability=args.durability, workers=workers, rq_apart=args.rq == "apart", more=PATIENT
                )
            )
            requests = Requests(made.key, outside.secret)
            found[name] = Side(name, Client(made.port), requests, made.python, made.servers, bool(workers))
        answer = asyncio.run(_length(found[ALONE]))
        redis = made.found.redis_url  # the server of the house without workers: as durable
        for name, callers, url in (("floor", args.workers, ""), ("floor, no callers", 0, ""), (SCRIPT, 0, redis)):
            at = folder / name.replace(", ", "-").replace(" ", "-")
            port, pids = stack.enter_context(floor(at, outside, answer, callers, url))
            servers = made.servers if url else []
            found[name] = Side(name, Client(port), Requests("key", outside.secret), pids, servers, bool(callers))
        yield found


async def _length(side: Side) -> int:
    """Return the length of our answer to an order."""
    placed = await side.client.post(side.requests.order(99_999_999))
    side.client.close()
    if placed.status != CREATED:
        sys.exit(f"our API answered {placed.status} to an order")
    return len(placed.body)


class Race:
    """The rounds over all sides."""

    def __init__(self, found: dict[str, Side], outside: Stub, args: argparse.Namespace) -> None:
        self._sides, self._outside, self._args = found, outside, args
        self._next = 0
        self.rows: list[dict[str, Any]] = []

    async def go(self) -> None:
        """Warm up every side, then run the rounds."""
        ears = Ears()
        listening = asyncio.create_task(ears.listen(self._outside.told))
        for side in self._sides.values():
            print(f"{side.name}: warm", flush=True)
            await self._load(side, ears, self._args.warm)
        for n in range(self._args.rounds):
            order = [*self._sides.values()]
            for side in order if n % 2 == 0 else order[::-1]:
                quiet(self._args.patience)
                self.rows.append({"round": n, **await self._load(side, ears, self._args.orders)})
                say(self.rows[-1])
        listening.cancel()
        for side in self._sides.values():
            side.client.close()

    async def _load(self, side: Side, ears: Ears, orders: int) -> dict[str, Any]:
        count = orders if side.whole else orders * 2
        numbers = range(self._next, self._next + count)
        self._next += count
        meter = Spending(side.python, side.servers, [os.getpid(), self._outside.pid])
        at_once = self._args.at_once
        if side.whole:
            found = await whole_roads(side.client, side.requests, ears, numbers, at_once, side.name)
        else:
            found = await orders_alone(side.client, side.requests, numbers, at_once, side.name)
        if found.failed:
            sys.exit(f"{side.name}: {found.failed} of {count} orders failed")
        spent = meter.spent(count)
        return {"side": side.name, "orders": count, "rate": round(found.rate, 1), "load": round(load(), 2), **spent}


def say(row: dict[str, Any]) -> None:
    """Print a line for a run, as soon as it is over."""
    print(
        f"{row['side']:18} {row['orders']:6} orders  {row['rate']:8.1f} orders/s  Python {row['python_ms']:6.3f}  "
        f"Redis {row['redis_ms']:6.3f}  driver and stub {row['driver_ms']:6.3f} ms CPU an order  "
        f"load {row['load']:4.1f}  others {row['others']:4.0%}",
        flush=True,
    )


def result(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return our share of the floor, by road: the medians over the rounds."""
    found = {}
    for road, (ours, floor_) in ROADS.items():
        at = {(row["round"], row["side"]): row for row in rows}
        pairs = [(at[n, ours], at[n, floor_]) for n in sorted({row["round"] for row in rows})]
        found[road] = {
            "ours_per_s": statistics.median(a["rate"] for a, _ in pairs),
            "floor_per_s": statistics.median(b["rate"] for _, b in pairs),
            "share": round(statistics.median(a["rate"] / b["rate"] for a, b in pairs), 3),
            "ours_cpu_ms": statistics.median(a["python_ms"] + a["redis_ms"] for a, _ in pairs),
            "floor_cpu_ms": statistics.median(b["python_ms"] + b["redis_ms"] for _, b in pairs),
            "share_by_cpu": round(
                statistics.median(
                    (b["python_ms"] + b["redis_ms"]) / (a["python_ms"] + a["redis_ms"]) for a, b in pairs
                ),
                3,
            ),
        }
    return found


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works; writes nothing by itself")
    parser.add_argument("--orders", type=positive, default=3000, help="a run; placing alone takes twice as many")
    parser.add_argument("--warm", type=positive, default=500)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--at-once", type=positive, default=64)
    parser.add_argument("--workers", type=positive, default=2, help="and as many callers of the floor")
    parser.add_argument("--durability", choices=["strict", "everysec"], default="strict")
    parser.add_argument("--rq", choices=["same", "apart"], default="same", help="where RQ's keys are")
    parser.add_argument("--patience", type=float, default=0, metavar="S", help="wait for a quiet machine before a run")
    parser.add_argument("--json", type=new_file, help="write the figures there (else to docs/performance)")
    args = parser.parse_args()
    if args.quick:
        args.orders, args.warm, args.rounds = 300, 50, 1
    return args


def tell(told: dict[str, dict[str, float]]) -> None:
    """Print each road for people."""
    for road, x in told.items():
        wanted = TARGETS.get(road)
        met = "" if wanted is None else f"; wanted {wanted:.0%}: {'met' if x['share'] >= wanted else 'missed'}"
        print(
            f"{road:21}  ours {x['ours_per_s']:7.0f}/s  floor {x['floor_per_s']:7.0f}/s  share {x['share']:.0%}{met}\n"
            f"{'':21}  CPU an order: ours {x['ours_cpu_ms']:.3f} ms, floor {x['floor_cpu_ms']:.3f} ms, "
            f"share {x['share_by_cpu']:.0%}"
        )


def markdown(told: dict[str, dict[str, float]], rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """Return the results as a table."""
    lines = [
        (road, ROADS[road][1], amount(x["ours_per_s"]), amount(x["floor_per_s"]), f"{x['share']:.0%}",
         f"{x['ours_cpu_ms']:.2f}", f"{x['floor_cpu_ms']:.2f}", f"{x['share_by_cpu']:.0%}")
        for road, x in told.items()
    ]  # fmt: skip
    head = (
        "road", "held against", "ours, orders/s", "the floor", "share", "CPU ms an order, ours", "the floor",
        "share by CPU",
    )  # fmt: skip
    about = f"{args.durability}, {args.workers} workers, {args.at_once} at once, RQ's keys: {args.rq}; median of "
    return f"{table(head, lines)}\n{about}{args.rounds} rounds.\n\n{doubt(rows)}"


def main() -> int:
    """Run and print."""
    logging.disable(logging.INFO)
    args = options()
    with (
        tempfile.TemporaryDirectory(prefix="consent-floor-") as made,
        stub() as outside,
        sides(Path(made), outside, args) as found,
    ):
        race = Race(found, outside, args)
        asyncio.run(race.go())
    told = result(race.rows)
    print(f"\n{args.durability}, {args.workers} workers, RQ's keys: {args.rq}, {args.at_once} at once")
    tell(told)
    if args.json or not args.quick:
        settings = {name: value for name, value in vars(args).items() if name not in {"json", "quick", "patience"}}
        kept = {"machine": machine(), "settings": settings, "roads": told, "rows": race.rows}
        published("floor", kept, markdown(told, race.rows, args), args.json)
    return 0


if __name__ == "__main__":
    in_one_line(main)
