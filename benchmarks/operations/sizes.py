"""The sizes of the operators' page, on one machine: `python -m benchmarks.operations.sizes`. About five minutes.

Real processes: `consent api`, two workers, an embedded server that proves its writes, RQ in a Redis of its own;
gateway and BSS are a stub. First nothing for a while, then orders at 1, 5 and 10 a second with their reports and
replies, then as many as it can. Of each: CPU an order, of which little is the order's own where there are few. At the
end: memory of each process, bytes of Redis and of its AOF an order that was notified, of RQ, of the log; and of a
number that refused.
"""

import argparse
import asyncio
import logging
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.http.house import House, Spending, Stub, house, in_one_line, positive, stub
from benchmarks.http.latency import MARGIN_S, Generator, generator
from benchmarks.http.open_load import DRAIN_S
from benchmarks.machine import families
from consent_engine.adapters.redis.client import connect
from consent_engine.domain.msisdn import parse
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out

RATES = (1, 5, 10)
AT_ONCE = 48
REFUSED = 2_000
Say = Callable[[str, str], None]


def say(what: str, figure: str) -> None:
    """Print a line of the page."""
    print(f"{what:48} {figure}", flush=True)


def kilobytes(pid: int, field: str) -> int:
    """Return a figure of a process' memory: `VmRSS` now, `VmHWM` at most."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) if found else 0


def info(url: str, name: str) -> int:
    """Return a figure of a server. AOF: what was written since it began, as no rewrite is that small"""
    with connect(url) as client:
        client.execute_command("MEMORY", "PURGE")
        found: dict[str, int] = client.info()
    return found[name]


async def loaded(made: House, outside: Stub, load_of: Generator, args: argparse.Namespace) -> int:
    """Take orders at each rate, then at capacity; return how many."""
    job = {"port": made.port, "key": made.key, "secret": outside.secret}
    began = families(made.python)
    await asyncio.sleep(args.seconds)
    share = (families(made.python) - began) / args.seconds / len(made.python)
    say("idle: CPU of a process", f"{share:.1%} of a core")
    first = 0
    for rate in RATES:
        meter = Spending(made.python, made.servers, [load_of.pid, outside.pid])
        asked = {"do": "level", "first": first, "rate": rate, "seconds": args.seconds, "seed": rate, "told": ""}
        found = await load_of.do(job | asked, args.seconds + DRAIN_S + MARGIN_S)
        first += found["orders"] + 1
        told(f"{rate} orders/s", meter.spent(found["orders"]))
    meter = Spending(made.python, made.servers, [load_of.pid, outside.pid])
    asked = {"do": "capacity", "first": first, "orders": args.orders, "at_once": AT_ONCE, "told": ""}
    found = await load_of.do(job | asked, MARGIN_S + args.orders)
    if found["failed"]:
        sys.exit(f"{found['failed']} of {args.orders} orders failed")
    told(f"capacity ({found['rate']:.0f} orders/s)", meter.spent(args.orders))
    orders: int = first + args.orders
    return orders


def told(level: str, spent: dict[str, float]) -> None:
    """Print the CPU of a level."""
    others = f"; the machine was {spent['others']:.0%} busy with others"
    say(f"{level}: CPU an order", f"{spent['python_ms']:.1f} ms, Redis {spent['redis_ms']:.1f} ms{others}")


def kept(made: House, folder: Path, before: dict[str, int], orders: int) -> None:
    """Print the sizes of what was kept of so many orders, and the memory of processes."""
    write_out(made.engine.store, "benchmark")
    url = made.found.redis_url
    say("Redis, an order until it leaves", f"{(info(url, 'used_memory') - before['used_memory']) / orders:.0f} bytes")
    grown = info(url, "aof_current_size") - before["aof_current_size"]
    say("AOF before a rewrite, an order", f"{grown / orders:.0f} bytes")
    say("RQ's Redis, at most", f"{info(made.found.rq_url, 'used_memory_peak') / 2**20:.0f} MB")
    for name, pid in zip(("API", "worker", "worker"), made.python, strict=True):
        say(f"memory of the {name}", f"{kilobytes(pid, 'VmRSS') >> 10} MB, at most {kilobytes(pid, 'VmHWM') >> 10} MB")
    say("log, an order", f"{(folder / 'log').stat().st_size / orders:.0f} bytes")
    used = info(url, "used_memory")
    for n in range(REFUSED):
        made.engine.refuse(RefusalAsked(parse(f"135{n:08}"), "mobile", "voice", "benchmark"))
    write_out(made.engine.store, "benchmark")
    say("Redis, a number that refused", f"{(info(url, 'used_memory') - used) / REFUSED:.0f} bytes")


async def measured(made: House, outside: Stub, folder: Path, args: argparse.Namespace) -> None:
    """Load the house, and print its figures."""
    before = {name: info(made.found.redis_url, name) for name in ("used_memory", "aof_current_size")}
    async with generator(outside) as load_of:
        orders = await loaded(made, outside, load_of, args)
    kept(made, folder, before, orders)


def main() -> int:
    """Measure and print."""
    logging.disable(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=positive, default=40, help="a level")
    parser.add_argument("--orders", type=positive, default=4000, help="at capacity")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consent-sizes-") as name, stub() as outside:
        folder = Path(name)
        with house(folder, outside, durability="strict", workers=2, rq_apart=True) as made:
            asyncio.run(measured(made, outside, folder, args))
    return 0


if __name__ == "__main__":
    in_one_line(main)
