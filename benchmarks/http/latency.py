"""Latencies at 25, 50 and 75 % of capacity, over HTTP. `python -m benchmarks.http.latency`.

Real processes: `consent api`, workers, an embedded server; gateway and BSS are a stub that reports each call. First a
closed loop finds the capacity: whole roads a second. Then the load is open: orders come as a Poisson process at a
share of it, each with a report, a yes and another report at their own instants, whether or not anything was answered.
Every latency counts from the instant at which its request was *meant* to be sent, so an answer that is slow delays no
later request and hides none (no coordinated omission). The load comes from a process of its own (`open_load.py`) that
watches its own lag: if more than 1 % of its requests left more than 5 ms late, that level is void, and status is 1.
Some subscribers do not reply: their windows close, and how late is read from their orders.

    POST answered       an order, until its 201
    hand-over           an order, until the gateway has its question
    reply to BSS        a yes, until the BSS has the activation
    webhook answered    a yes or a report, until its acknowledgement
    timer late          after a window's end, until `window_closed` was decided

Once with RQ's keys in the same Redis, once with RQ in a Redis of its own without AOF (CONSENT_RQ_URL). The archive is
there, as everywhere: placing asks it; orders that settle here would move to it two days later.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.http.house import ROOT, House, Spending, Stub, house, in_one_line, new_file, positive, published, stub
from benchmarks.http.load import CREATED, OK, shares, ticking
from benchmarks.http.open_load import DRAIN_S, LATE_S, REPLY_AFTER
from benchmarks.machine import load, quiet
from benchmarks.peers.report import doubt, machine
from benchmarks.pictures import table
from consent_engine.domain.lifecycle import Trigger
from consent_engine.engine.engine import Engine

AT_ONCE = 48
SHORTEST_WINDOW_S = 5
MARGIN_S = 120.0
LARGEST_ANSWER = 1 << 24
TARGET_MS, AT = 50.0, 25
"""The target of hand-over and of reply to BSS: their p99 in ms at so many percent of capacity, strict."""
ROWS = {
    "answer": "POST answered", "hand_over": "hand-over", "to_bss": "reply to BSS", "webhook": "webhook answered",
    "timer": "timer late", "sender": "sender late",
}  # fmt: skip


class Generator:
    """The process that makes the load."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def do(self, job: dict[str, Any], bound_s: float) -> dict[str, Any]:
        """Do a job; return its result."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - as asked for
        assert stdout is not None  # noqa: S101 - the same
        stdin.write(json.dumps(job).encode() + b"\n")
        try:
            line = await asyncio.wait_for(stdout.readline(), bound_s)
        except TimeoutError:
            sys.exit(f"the load did not end within {bound_s:.0f} s")
        if not line:
            sys.exit("the process that makes the load died")
        found: dict[str, Any] = json.loads(line)
        return found


@asynccontextmanager
async def generator(outside: Stub) -> AsyncIterator[Generator]:
    """Run a process that makes loads, and reads from the stub what that received."""
    fd = outside.told.fileno()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.http.open_load", str(fd), pass_fds=[fd], limit=LARGEST_ANSWER,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        yield Generator(process)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def timers(engine: Engine, ids: list[str], window_s: float) -> list[float]:
    """Return how late the windows of these orders closed, in seconds; waits a while until all have."""
    late: dict[str, float] = {}
    deadline = time.monotonic() + window_s + DRAIN_S
    async with ticking(lambda: f"windows: {len(late)} of {len(ids)} closed"):
        while time.monotonic() < deadline:
            still = [each for each in ids if each not in late]
            for n in range(0, len(still), 500):
                for order_id, order in (await asyncio.to_thread(engine.lookup.load, still[n : n + 500]))[1].items():
                    if closed := order.last(Trigger.WINDOW_CLOSED):
                        late[order_id] = (closed.at - order.reply_by) / 1000
            if len(late) == len(ids):
                break
            await asyncio.sleep(1)
    return list(late.values())


async def measured(
    made: House, outside: Stub, load_of: Generator, args: argparse.Namespace, first: int
) -> dict[str, Any]:
    """Measure the capacity, then every share of it, on one house."""
    job = {"port": made.port, "key": made.key, "secret": outside.secret}
    closed: dict[str, Any] = {}
    for told, orders in (("warm", args.warm), ("capacity", args.orders)):
        asked = {"do": "capacity", "first": first, "orders": orders, "at_once": AT_ONCE, "told": told}
        closed = await load_of.do(job | asked, MARGIN_S + orders)
        first += orders
        if closed["failed"]:
            sys.exit(f"{closed['failed']} of {orders} orders failed in the closed loop")
    rate = closed["rate"]
    print(
        f"  capacity {rate:.0f} orders/s ({args.orders} whole roads, {AT_ONCE} at once), load {load():.1f}", flush=True
    )
    levels = []
    for share in args.shares:
        quiet(args.patience)
        meter = Spending(made.python, made.servers, [load_of.pid, outside.pid])
        asked = {"do": "level", "first": first, "rate": rate * share / 100, "seconds": args.seconds, "seed": share}
        found = await load_of.do(job | asked | {"told": f"{share} %"}, args.seconds + DRAIN_S + MARGIN_S)
        first += found["orders"] + 1
        spent, silent = meter.spent(found["orders"]), found.pop("silent")
        late = await timers(made.engine, silent, args.window)
        found["ms"]["timer"] = shares(late)
        found["odd"]["no window_closed at all"] = len(silent) - len(late)
        found["odd"] = {what: count for what, count in found["odd"].items() if count}
        about = {"share": share, "rate": round(rate * share / 100, 1), "seconds": args.seconds}
        levels.append({**about, **found, "load": round(load(), 2), "spent": spent})
        tell(levels[-1])
    return {"capacity": round(rate, 1), "levels": levels}


def tell(level: dict[str, Any]) -> None:
    """Print one level for people."""
    print(
        f"  {level['share']} %: {level['rate']:.0f} orders/s for {level['seconds']:g} s, {level['orders']} orders; "
        f"load {level['load']}, others {level['spent']['others']:.0%}; "
        f"{level['sent_late']} of {level['sent']} requests sent more than {LATE_S * 1000:.0f} ms late"
        f"{': VOID' if level['void'] else ''}"
    )
    for name, told in ROWS.items():
        found = level["ms"][name]
        values = "  ".join(f"{share} {found.get(share, 0):9.1f}" for share in ("p50", "p99", "p99.9", "max"))
        print(f"    {told:17} {found['count']:7}   {values} ms")
    wrong = {what: count for what, count in level["answers"].items() if not what.endswith((f" {OK}", f" {CREATED}"))}
    for what, count in {**wrong, **level["odd"]}.items():
        print(f"    {what}: {count}")
    if level["share"] == AT:
        for name in ("hand_over", "to_bss"):
            p99 = level["ms"][name].get("p99", 0)
            print(
                f"    {ROWS[name]}: p99 {p99:.1f} ms, wanted {TARGET_MS:.0f}: {'met' if p99 <= TARGET_MS else 'missed'}"
            )
    sys.stdout.flush()


def markdown(found: dict[str, Any]) -> str:
    """Return the figures as a table."""
    rows, spent = [], []
    for where, house_ in found["rq"].items():
        for level in house_["levels"]:
            each = [level["ms"][name] for name in ROWS if name != "sender"]
            values = [
                " / ".join(f"{ms[share]:.0f}" for share in ("p50", "p99", "p99.9")) if ms["count"] else "-"
                for ms in each
            ]
            rows.append((
                f"{level['share']} % of {house_['capacity']:.0f}{', VOID' if level['void'] else ''}", where, *values,
                f"{level['sent_late'] / level['sent']:.1%}", f"{level['spent']['others']:.0%}",
            ))  # fmt: skip
            spent.append(level["spent"])
    names = [told for name, told in ROWS.items() if name != "sender"]
    told = table(("load, orders/s", "RQ's keys", *names, "sent late", "busy with others"), rows)
    about = f"p50 / p99 / p99.9 in ms. {found['durability']}, {found['workers']} workers, outside calls of "
    return f"{told}\n{about}{found['ms_a_call']:g} ms.\n\n{doubt(spent)}"


async def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure both places of RQ's keys."""
    found: dict[str, Any] = {"machine": machine(), "durability": args.durability, "workers": args.workers}
    found |= {"ms_a_call": args.ms, "window_s": args.window, "at_once": AT_ONCE, "rq": {}}
    with stub(args.ms) as outside:
        async with generator(outside) as load_of:
            for number, where in enumerate(args.rq):
                window = {"CONSENT_REPLY_WINDOW": f"{args.window}s", "CONSENT_REMINDER_AFTER": "off"}
                with tempfile.TemporaryDirectory(prefix="consent-latency-") as made:
                    about = f"{args.durability}, {args.workers} workers, RQ's keys: {where}, {args.ms:g} ms a call"
                    print(f"{about}; starting", flush=True)
                    with house(
                        Path(made), outside, durability=args.durability, workers=args.workers,
                        rq_apart=where == "apart", more=window,
                    ) as built:  # fmt: skip
                        found["rq"][where] = await measured(built, outside, load_of, args, number * 10_000_000)
    return found


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works; writes nothing by itself")
    parser.add_argument("--seconds", type=positive, default=40, help="how long each open load lasts")
    parser.add_argument("--orders", type=positive, default=3000, help="of the closed loop that finds the capacity")
    parser.add_argument("--warm", type=positive, default=500, help="orders before any clock starts")
    parser.add_argument("--shares", type=positive, nargs="+", default=[25, 50, 75], help="of the capacity, in percent")
    parser.add_argument("--window", type=int, default=10, help="seconds a subscriber has: the silent ones' timers")
    parser.add_argument("--ms", type=float, default=0, help="how long gateway and BSS take to answer")
    parser.add_argument("--workers", type=positive, default=2)
    parser.add_argument("--durability", choices=["strict", "everysec"], default="strict")
    parser.add_argument("--rq", nargs="+", choices=["same", "apart"], default=["same", "apart"])
    parser.add_argument(
        "--patience", type=float, default=0, metavar="S", help="wait for a quiet machine before a level"
    )
    parser.add_argument("--json", type=new_file, help="write the figures there (else to docs/performance)")
    args = parser.parse_args()
    if args.window < max(SHORTEST_WINDOW_S, REPLY_AFTER * 2):
        parser.error(f"--window: {SHORTEST_WINDOW_S} at least, or yeses come too late")
    if args.quick:
        args.seconds, args.orders, args.warm, args.shares = 4, 300, 50, [25]
    return args


def main() -> int:
    """Run and print; return status 1 when something that was asked for never came, or a load was void."""
    logging.disable(logging.INFO)
    args = options()
    found = asyncio.run(run(args))
    levels = [level for rq in found["rq"].values() for level in rq["levels"]]
    void = any(level["void"] for level in levels)
    if void:
        print("void: the load was not made as it was meant; this machine has too much else to do")
    if args.json or not (args.quick or void):
        published("latency", found, markdown(found), args.json)
    return int(void or any("at all" in what for level in levels for what in level["odd"]))


if __name__ == "__main__":
    in_one_line(main)
