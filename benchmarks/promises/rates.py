"""How exactly a gateway's rate is kept by many workers: `python -m benchmarks.promises.rates`.

A real server, real worker processes, and a gateway at an HTTP stub of its own process, with CONSENT_..__RATE. More
questions are due than it may get. The promise: no second has more leases than the rate, by the server's clock, and on
average a second has at least 97 % of it. Beside it, when the stub read the requests: a busy machine delays some.

With `--bare` so many processes do nothing but lease, and wait as they are told: what the rate alone makes possible.
"""

import argparse
import multiprocessing
import sys
import time
from bisect import bisect_left
from queue import Queue

from benchmarks.machine import load
from benchmarks.promises.hanging import BATCH, BOUND_S, OTHERS, town
from consent_engine.config.settings import Settings
from consent_engine.domain.order.history import asked
from consent_engine.wiring import installation

CARRIER, LATER_MS = OTHERS[0], 20


def told(name: str, instants: list[int]) -> tuple[float, int]:
    """Print how many SMS a second there were on average, and in the busiest second; return both. instants: in ms"""
    at = sorted(instants)
    going = at[bisect_left(at, at[0] + 1_000) :]  # once all processes have begun
    even = (len(going) - 1) * 1000 / (going[-1] - going[0])
    most = max(n + 1 - bisect_left(at, instant - 999) for n, instant in enumerate(at))
    print(f"{name:20} n {len(at):5}  {even:6.1f} a second  {most:4} in the busiest second")
    return even, most


def bare(environ: dict[str, str], told_to: "Queue[list[int]]") -> None:
    """Lease until nothing is due; tell the instants of all leases."""
    with installation(Settings.load(environ, env_file=None)) as found:
        engine = found.engine()
        route, at, wait = engine.outside.route(CARRIER), list[int](), 1
        while wait:
            leased = engine.lanes.lease_each({route: BATCH})
            at += [each.at for each in leased[route]]
            wait = leased.waits.get(route, 0)
            time.sleep((wait + (0 if leased[route] else LATER_MS)) / 1000)
        told_to.put(at)


def main() -> int:
    """Measure; return 1 where the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100, help="SMS a second at most")
    parser.add_argument("--seconds", type=int, default=20, help="for how long more is due")
    parser.add_argument("--workers", type=int, default=8, help="worker processes")
    parser.add_argument("--bare", action="store_true", help="processes that only lease")
    wanted = parser.parse_args()
    count = -(-wanted.rate * wanted.seconds // BATCH) * BATCH
    with town(
        0 if wanted.bare else wanted.workers, **{f"CONSENT_HTTP_JSON_{CARRIER.upper()}__RATE": str(wanted.rate)}
    ) as made:
        stats = made.engine.store.lanes._wire.client  # type: ignore[attr-defined]  # noqa: SLF001 - how often it is asked
        if wanted.bare:
            for _ in range(0, count, BATCH):
                made.place(CARRIER, BATCH)
            with multiprocessing.get_context("spawn").Manager() as manager:
                heard: Queue[list[int]] = manager.Queue()
                with multiprocessing.get_context("spawn").Pool(wanted.workers) as pool:
                    pool.starmap(bare, [(made.environ, heard)] * wanted.workers, 1)
                even, most = told("leased", [at for _ in range(wanted.workers) for at in heard.get()])
            return int(not (0.97 * wanted.rate <= even and most <= wanted.rate))
        orders = made.due(CARRIER, count)
        before, end = stats.info("commandstats"), time.monotonic() + BOUND_S
        while not set(orders) <= (read := made.seen()[0]).keys():
            if time.monotonic() > end:
                sys.exit(f"{len(set(orders) - read.keys())} were never handed over")
            time.sleep(0.5)
        leases = stats.info("commandstats")
        leased = [said.last for order in orders if (said := asked(made.engine.show(order))) is not None]
    even, most = told("leased", leased)
    told("read by the stub", [int(read[order] * 1000) for order in orders])
    scripts = leases["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"]
    print(f"rate {wanted.rate}, {wanted.workers} workers; scripts an SMS: {scripts / count:.2f}; load {load():.1f}")
    return int(not (0.97 * wanted.rate <= even and most <= wanted.rate))


if __name__ == "__main__":
    sys.exit(main())
