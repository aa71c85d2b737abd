"""Ours and a stack as people build it, end to end over HTTP: `python -m benchmarks.http.stack`.

The stack is FastAPI on uvicorn, Dramatiq behind it, and order records with the same promises as far as its users would
write them (`benchmarks/peers/careful`). Both have a Redis of their own that syncs its file before it answers, get the
same requests (order, report, yes, report) from the same closed loop, and call the same stub (question, activation,
notification). They stand all the time and are loaded in turn, the order reversed each round; a ratio is the median of
the rounds' ratios. The stack's packages are installed into `.bench` when they are missing.
"""

import argparse
import asyncio
import logging
import os
import re
import secrets
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.http.floor import PATIENT, Race, Side
from benchmarks.http.house import Stub, house, in_one_line, new_file, positive, published, running, stub, wait_for
from benchmarks.http.load import Client, Requests
from benchmarks.machine import load
from benchmarks.peers.contenders import HERE, prepare, python, requirements
from benchmarks.peers.report import doubt, machine
from benchmarks.pictures import amount, table
from benchmarks.ports import free_ports
from consent_engine.adapters.redis.embedded.server import EmbeddedServer

OURS = "ours"
APP = "peers.careful.dramatiq_app"
SWEEP = ("1 x 16", "1 x 32", "2 x 8", "2 x 16", "2 x 32")
"""Worker processes and threads of the stack that `--sweep` tries, each with one API process and with two."""


@contextmanager
def stack(folder: Path, outside: Stub, *, apis: int, workers: int, threads: int) -> Iterator[Side]:
    """Run the stack; yield it as a side of the race."""
    folder.mkdir()
    key = secrets.token_urlsafe(24)
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}}
    [port] = free_ports(1)
    program = str(python("stack"))
    with EmbeddedServer.start(folder / "data", "strict") as server:
        environ = {
            **kept, "PYTHONPATH": str(HERE), "BENCH_REDIS_URL": server.url, "BENCH_OUTSIDE": outside.url,
            "BENCH_OUTSIDE_SECRET": outside.secret, "BENCH_KEY_SHA256": sha256(key.encode()).hexdigest(),
        }  # fmt: skip
        web = ["-m", "uvicorn", "peers.careful.web:app", "--port", str(port), "--workers", str(apis), "--no-access-log"]
        web += ["--timeout-keep-alive", "75"]  # longer than the load's client keeps a connection
        work = ["-m", "dramatiq", APP, "--processes", str(workers), "--threads", str(threads)]
        sweep = ["-m", "peers.careful.sweep", "dramatiq_app"]
        with running([[program, *each] for each in (web, work, sweep)], environ, folder) as pids:
            wait_for(f"http://127.0.0.1:{port}/healthz", folder)
            name = f"{apis} x uvicorn, {workers} x {threads} threads"
            yield Side(name, Client(port), Requests(key, outside.secret), pids, [server.pid], whole=True)


@contextmanager
def sides(folder: Path, outside: Stub, args: argparse.Namespace) -> Iterator[dict[str, Side]]:
    """Run ours and the stack; with --sweep the stack in all its sizes, without ours."""
    sizes = [f"{apis} x {each}" for apis in (1, 2) for each in SWEEP] if args.sweep else [args.stack]
    found: dict[str, Side] = {}
    with ExitStack() as kept:
        if not args.sweep:
            print(f"{OURS}: starting", flush=True)
            (folder / OURS).mkdir()
            made = kept.enter_context(
                house(folder / OURS, outside, durability="strict", workers=args.workers, rq_apart=False, more=PATIENT)
            )
            requests = Requests(made.key, outside.secret)
            found[OURS] = Side(OURS, Client(made.port), requests, made.python, made.servers, whole=True)
        for size in sizes:
            apis, workers, threads = (int(n) for n in size.split(" x "))
            at = folder / size.replace(" ", "")
            side = kept.enter_context(stack(at, outside, apis=apis, workers=workers, threads=threads))
            found[side.name] = side
            print(f"{side.name}: starting", flush=True)
        yield found


def result(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return medians for each side, and how many times as fast ours was."""
    found = []
    mine = {row["round"]: row for row in rows if row["side"] == OURS}
    for side in dict.fromkeys(row["side"] for row in rows):
        theirs = [row for row in rows if row["side"] == side]
        cpu = [row["python_ms"] + row["redis_ms"] for row in theirs]
        pairs = [(mine[row["round"]], row) for row in theirs if row["round"] in mine]
        found.append({
            "side": side, "rate": statistics.median(row["rate"] for row in theirs),
            "least": min(row["rate"] for row in theirs), "most": max(row["rate"] for row in theirs),
            "cpu_ms": round(statistics.median(cpu), 3),
            "ratio": round(statistics.median(a["rate"] / b["rate"] for a, b in pairs), 3) if pairs else None,
            "others": max(row["others"] for row in theirs),
        })  # fmt: skip
    return sorted(found, key=lambda each: -each["rate"])


def markdown(found: list[dict[str, Any]], rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """Return the results as a table."""
    lines = [
        (
            "**ours**" if x["side"] == OURS else f"FastAPI and Dramatiq, {x['side']}",
            f"{amount(x['rate'])} ({amount(x['least'])} - {amount(x['most'])})",
            f"{x['ratio']:.2f}" if x["ratio"] else "-", f"{x['cpu_ms']:.2f}", f"{x['others']:.0%}",
        )
        for x in found
    ]  # fmt: skip
    head = ("run", "orders/s (least - most)", "ours / it", "CPU ms an order, with Redis", "busy with others")
    packages = ", ".join(requirements("stack").read_text().split())
    about = f"strict, ours with {args.workers} workers, {args.at_once} at once, {args.rounds} rounds; {packages}."
    return f"{table(head, lines)}\n{about}\n\n{doubt(rows)}"


def size(text: str) -> str:
    """Read the option that is three whole numbers above 0: `1 x 2 x 16`."""
    if not re.fullmatch(r"[1-9][0-9]*( x [1-9][0-9]*){2}", text):
        raise ValueError
    return text


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works; writes nothing by itself")
    parser.add_argument("--orders", type=positive, default=2000, help="a run")
    parser.add_argument("--warm", type=positive, default=300)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--at-once", type=positive, default=64)
    parser.add_argument("--workers", type=positive, default=2, help="ours")
    parser.add_argument("--stack", type=size, default="1 x 2 x 16", help="its API processes, workers and their threads")
    parser.add_argument("--sweep", action="store_true", help="try the stack in several sizes; writes nothing")
    parser.add_argument("--patience", type=float, default=0, metavar="S", help="wait for a quiet machine before a run")
    parser.add_argument("--json", type=new_file, help="write the figures there (else to docs/performance)")
    args = parser.parse_args()
    if args.quick:
        args.orders, args.warm, args.rounds = 300, 50, 1
    return args


def main() -> int:
    """Run and print."""
    logging.disable(logging.INFO)
    args = options()
    if why := prepare("stack"):
        sys.exit(f"the stack's packages cannot be had here: {why}")
    with (
        tempfile.TemporaryDirectory(prefix="consent-stack-") as made,
        stub() as outside,
        sides(Path(made), outside, args) as found,
    ):
        race = Race(found, outside, args)
        asyncio.run(race.go())
    told = result(race.rows)
    print(f"\n{markdown(told, race.rows, args)}load {load():.1f}")
    if args.json or not (args.quick or args.sweep):
        settings = {name: value for name, value in vars(args).items() if name not in {"json", "quick", "patience"}}
        kept = {"machine": machine(), "settings": settings, "sides": told, "rows": race.rows}
        published("stack", kept, markdown(told, race.rows, args), args.json)
    return 0


if __name__ == "__main__":
    in_one_line(main)
