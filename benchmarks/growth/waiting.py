"""The cost of many waiting orders: it should stay flat. `python -m benchmarks.growth.waiting`.

Servers with 1,000 to 1,000,000 orders waiting for a reply, filled by copying one that was placed and asked
(`stock.py`; the smallest is checked in full, and some of its copies are taken to their end). Shown for each, as a ratio
to the smallest:

    new orders/s    placed, asked, answered, activated, notified, while the others wait; rounds over all sizes in turn
    bytes           of Redis an order, all keys counted (`used_memory`)
    restart         killed with -9: until the server has read its file back, until `consent serve` is ready, and until
                    it has asked somebody
    timers late     of the smallest and the largest: so many windows close in so many seconds: after each, until its end
                    is committed (orders matched by rank: the n-th that closes with the n-th that is due), and until it
                    was decided (its own event)

The archive is there, as everywhere: placing asks it, and settled orders are due to move there. They do so two days
later: so no order leaves while this runs, and those that settled stay in memory beside those that wait.
A million waiting take about 2 GB.
"""

import argparse
import logging
import os
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.engine import rates as bench
from benchmarks.growth import restart
from benchmarks.growth.stock import CHECKED, ORIGINALS, TELL_S, Copies, Site, original, rewritten, site, sound
from benchmarks.http.house import in_one_line, new_file, positive, published
from benchmarks.http.load import shares
from benchmarks.machine import Meter, load, quiet
from benchmarks.peers.report import doubt, machine
from benchmarks.pictures import amount, table
from benchmarks.states import funnel
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.engine.engine import Engine
from consent_engine.wiring import installation

FIRST_CLOSING = 150_000_000
"""The first number of the subscribers whose windows close, counted as in `stock`."""
MARGINS = (3.0, 8.0, 20.0)
"""By which factor later copies may take longer than the first ones, on a machine that became busier."""
LOOK_S = 0.02
TARGETS = {"bytes": 2_048, "late_ms": 1_500, "rate_ratio": 0.9}
"""Targets of the largest: most bytes an order, most p99 of timers late, least new orders/s relative to the smallest."""
SAMPLE = 5_000


def throughput(made: Site, orders: int, warm: int, workers: int) -> None:
    """Measure new orders, from placed to notified."""
    server = made.found.server
    assert isinstance(server, EmbeddedServer)  # noqa: S101 - `own` says so
    with bench.workers(made.found, workers) as pids:
        bench.road(made.engine, made.found, made.next, warm, f"{made.size} waiting, warm")
        made.next += warm
        meter, began = Meter(pids, [server.pid], own=True), time.monotonic()
        parts, _ = bench.road(made.engine, made.found, made.next, orders, f"{made.size} waiting")
        made.next += orders
        spent, seconds = meter.spent(), parts[1] + parts[3]
        others = spent.others / ((time.monotonic() - began) * (os.cpu_count() or 1))
    made.rates.append(orders / seconds)
    cpu = (spent.python + spent.server) / orders * 1000
    made.told.setdefault("cpu_ms", []).append(round(cpu, 3))
    made.told["others"] = max(made.told.get("others", 0.0), round(others, 3))
    print(
        f"{made.size:9,} waiting  {orders / seconds:8.0f} new orders/s  {cpu:6.3f} ms CPU an order  "
        f"load {load():4.1f}  others {others:4.0%}",
        flush=True,
    )


def closing(made: Site, windows: int, span_s: int, workers: int, pace_s: float) -> None:
    """Have so many windows close within so many seconds, evenly; measure how late. pace_s: how long a copy takes"""
    calm = made.settings.model_copy(update={"reminder_after": None})
    engine = replace(made.found, settings=calm, archive=None).engine()
    copies = Copies(made.found, original(engine, made.found, ORIGINALS + 1))
    rewritten(made.found)
    with bench.workers(made.found, workers):
        first, ids = in_time(engine, copies, windows, span_s, pace_s)
        committed, loads = watched(engine, windows, first, span_s), load()
    copies.close()
    due = [first + span_s * 1000 * n // windows + 1 for n in range(windows)]
    late = [(at - meant) / 1000 for at, meant in zip(committed, due, strict=False)]
    sample = ids[:: max(1, windows // SAMPLE)]
    decided = []
    for n in range(0, len(sample), bench.BATCH):
        for order in engine.lookup.load(sample[n : n + bench.BATCH])[1].values():
            if closed := order.last(Trigger.WINDOW_CLOSED):
                decided.append((closed.at - order.reply_by) / 1000)
    open_still = windows - len(committed)
    made.told |= {"timers_ms": shares(late), "decided_ms": shares(decided), "open": open_still, "timers_load": loads}
    print(
        f"{made.size:9,} waiting  {windows} windows in {span_s} s  committed {told_ms(shares(late))}; "
        f"decided {told_ms(shares(decided))}; still open {open_still}  load {loads:.1f}",
        flush=True,
    )


def in_time(engine: Engine, copies: Copies, windows: int, span_s: int, pace_s: float) -> tuple[int, list[str]]:
    """Make copies before the first of their windows closes; return that instant, and their ids."""
    for n, margin in enumerate(MARGINS):
        before = funnel(engine, 1).get(State.EXPIRED, 0)
        first = engine.registry.now() + int(windows * pace_s * margin * 1000) + 5_000
        ids = [*copies.make(FIRST_CLOSING + n * windows, windows, first, span_s * 1000)]
        if (late := engine.registry.now() - first) <= 0:
            return first, ids
        print(f"  the copies were made {late} ms too late: again once they are gone, with more time", flush=True)
        restart.until(lambda: funnel(engine, 1).get(State.EXPIRED, 0) >= before + windows, "they are gone")  # noqa: B023
    sys.exit("the copies were made too late again and again: this machine is too busy")


def watched(engine: Engine, windows: int, first: int, span_s: int) -> list[int]:
    """Return the instants at which the windows were seen to be closed, one each, in order."""
    before, seen = funnel(engine, 1).get(State.EXPIRED, 0), list[int]()
    deadline, told_at = first + span_s * 1000 + 120_000, time.monotonic()
    while len(seen) < windows and (now := engine.registry.now()) < deadline:
        there = funnel(engine, 1).get(State.EXPIRED, 0) - before
        seen += [now] * (there - len(seen))
        if time.monotonic() - told_at > TELL_S:
            told_at = time.monotonic()
            print(f"  {len(seen):,} of {windows:,} windows closed", file=sys.stderr, flush=True)
        time.sleep(LOOK_S)
    return seen


def restarting(made: Site) -> None:
    """Kill the server twice and time the starts; before windows close, so that no closed orders are there."""
    server = made.found.server
    assert isinstance(server, EmbeddedServer)  # noqa: S101 - `own` says so
    before = restart.asked(made.engine)
    made.engine.place_many(bench.requests(made.next, 1))
    files = (made.folder / "data" / "appendonlydir").iterdir()
    size = sum(file.stat().st_size for file in files)
    os.kill(server.pid, signal.SIGKILL)
    restart.until(lambda: not server.alive(), "the server is dead")
    began = time.monotonic()
    server.restart()
    loaded = time.monotonic() - began
    os.kill(server.pid, signal.SIGKILL)
    made.stack.close()
    ready, went_on = restart.serve(made.environ, made.folder, made.settings, before)
    made.found = made.stack.enter_context(installation(made.settings, own=True))
    made.engine = made.found.engine()
    made.told["restart_s"] = {"loaded": round(loaded, 2), "ready": round(ready, 2), "asked": round(went_on, 2)}
    print(
        f"{made.size:9,} waiting  file {size / 1e6:.0f} MB  read back {loaded:.1f} s  ready {ready:.1f} s  "
        f"somebody asked {went_on:.1f} s after the start  load {load():.1f}",
        flush=True,
    )


def told_ms(found: dict[str, float]) -> str:
    """Return shares in one line."""
    return " ".join(f"{name} {found.get(name, 0):.0f}" for name in ("p50", "p99", "p99.9", "max")) + " ms"


def summary(sites: list[Site]) -> list[dict[str, Any]]:
    """Return a row for each size; ratios are to the smallest."""
    rows = []
    for made in sites:
        # A round is one pass over all sizes: its ratios are between neighbours in time.
        ratios = [rate / least for rate, least in zip(made.rates, sites[0].rates, strict=True)]
        costs = zip(made.told["cpu_ms"], sites[0].told["cpu_ms"], strict=True)
        rows.append({
            "waiting": made.size, "rate": round(statistics.median(made.rates)), "rates": [round(r) for r in made.rates],
            "rate_ratio": round(statistics.median(ratios), 3),
            "cpu_ratio": round(statistics.median(cost / least for cost, least in costs), 3),
            **made.told,
        })  # fmt: skip
    return rows


def tell(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(
        "\n  waiting  new orders/s  to the smallest  CPU  bytes  timers late p99  restart: read, ready, asked  filled"
    )
    for x in rows:
        least = rows[0]
        timers, again = x.get("timers_ms", {}).get("p99"), x.get("restart_s")
        late = f"{timers:9.0f} ms" if timers is not None else "-"
        started = " ".join(f"{x['restart_s'][n]:6.1f}" for n in ("loaded", "ready", "asked")) + " s" if again else "-"
        print(
            f"{x['waiting']:9,}  {x['rate']:12,}  {x['rate_ratio']:15.2f}  {x['cpu_ratio']:4.2f}  {x['bytes']:5}  "
            f"({x['bytes'] / least['bytes']:.2f})  {late:>15}  {started:>27}  {x['filled_s']:6.1f} s"
        )
    most = rows[-1]
    said = [
        ("bytes an order", most["bytes"], "at most", TARGETS["bytes"], most["bytes"] <= TARGETS["bytes"]),
        ("new orders/s to the smallest", most["rate_ratio"], "at least", TARGETS["rate_ratio"],
         most["rate_ratio"] >= TARGETS["rate_ratio"]),
    ]  # fmt: skip
    if "timers_ms" in most:
        late_ms = most["timers_ms"].get("p99", float("inf"))
        said.append(("timers late, p99 ms", late_ms, "at most", TARGETS["late_ms"], late_ms <= TARGETS["late_ms"]))
    for what, value, which, wanted, met in said:
        print(f"{most['waiting']:,} waiting: {what} {value:g}, wanted {which} {wanted:g}: {'met' if met else 'missed'}")


def markdown(rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """Return the rows as a table."""
    lines = []
    for x in rows:
        late, again = x.get("timers_ms"), x.get("restart_s")
        lines.append((
            f"{x['waiting']:,}", f"{x['bytes']:,}", amount(x["rate"]),
            f"{x['rate_ratio']:.2f}", f"{x['cpu_ratio']:.2f}",
            f"{late['p50']:.0f} / {late['p99']:.0f} / {late['max']:.0f}" if late and late["count"] else "-",
            " / ".join(f"{again[name]:.1f}" for name in ("loaded", "ready", "asked")) if again else "-",
            f"{x['others']:.0%}",
        ))  # fmt: skip
    head = (
        "waiting", "bytes an order", "new orders/s", "to the smallest", "CPU to the smallest",
        "timers late, ms: p50 / p99 / most", "restart, s: read / ready / asked", "busy with others",
    )  # fmt: skip
    about = f"{args.durability}, {args.workers} workers; {args.windows:,} windows close in {args.span} s."
    return f"{table(head, lines)}\n{about}\n\n{doubt(rows)}"


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works; writes nothing by itself")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--orders", type=positive, default=4_000, help="new ones, a round and size")
    parser.add_argument("--warm", type=positive, default=400)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--windows", type=int, default=100_000, help="that close; 0: leave it out")
    parser.add_argument("--span", type=positive, default=60, help="in so many seconds")
    parser.add_argument("--workers", type=positive, default=2)
    parser.add_argument("--durability", choices=["strict", "everysec"], default="strict")
    parser.add_argument("--no-restart", action="store_true")
    parser.add_argument("--patience", type=float, default=0, metavar="S", help="wait for a quiet machine before a run")
    parser.add_argument("--json", type=new_file, help="write the figures there (else to docs/performance)")
    args = parser.parse_args()
    if min(args.sizes) < CHECKED:
        parser.error(f"--sizes: {CHECKED} at least")
    if args.quick:
        args.sizes, args.orders, args.warm, args.rounds, args.windows, args.span = [200, 2_000], 400, 100, 1, 600, 3
    return args


def measured(folder: Path, args: argparse.Namespace, stack: ExitStack) -> list[Site]:
    """Fill the servers, then measure."""
    sites: list[Site] = []
    for size in sorted(args.sizes):
        sites.append(made := site(folder / str(size), size, args.durability, stack))
        print(f"{size:9,} waiting  {made.told['bytes']} bytes each, filled in {made.told['filled_s']} s", flush=True)
    sound(sites[0])
    for n in range(args.rounds):
        for made in sites if n % 2 == 0 else sites[::-1]:
            quiet(args.patience)
            throughput(made, args.orders, args.warm, args.workers)
    for made in sites:
        if not args.no_restart:
            restarting(made)
        if args.windows and made.size in {sites[0].size, sites[-1].size}:
            quiet(args.patience)
            closing(made, args.windows, args.span, args.workers, sites[-1].told["filled_s"] / sites[-1].size)
        made.stack.close()
    return sites


def main() -> int:
    """Measure and print; status 1 when a window stayed open."""
    logging.disable(logging.INFO)
    args = options()
    with tempfile.TemporaryDirectory(prefix="consent-growth-") as folder, ExitStack() as stack:
        rows = summary(measured(Path(folder), args, stack))
    tell(rows)
    if args.json or not args.quick:
        about = {"machine": machine(), "durability": args.durability, "workers": args.workers, "orders": args.orders}
        about |= {"windows": args.windows, "span_s": args.span}
        published("growth", {**about, "rows": rows}, markdown(rows, args), args.json)
    return int(any(row.get("open") for row in rows))


if __name__ == "__main__":
    in_one_line(main)
