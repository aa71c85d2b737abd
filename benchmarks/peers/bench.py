"""`make bench`: our engine against plain RQ, Celery, Dramatiq and DBOS. Same work, same machine, same run, alternating.

    python -m benchmarks.peers.bench              the table, at 0 and 50 ms a call; written to docs/performance
    python -m benchmarks.peers.bench --sweep      first every configuration of every peer; the best is used from then on
    python -m benchmarks.peers.bench --quick      small, to see that it works; writes nothing

Each peer has an environment of its own under .bench/, made when it is missing; a peer that cannot be had here is
skipped, and the table says so. Every run has fresh servers of its own, and leaves nothing running.
"""

import argparse
import json
import logging
import random
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks import postgres
from benchmarks.engine import rates as engine
from benchmarks.machine import quiet
from benchmarks.peers.contenders import ENVIRONMENTS, LACKS, PEERS, Config, Peer
from benchmarks.peers.one_run import Row, RunFailed, run
from benchmarks.peers.report import OURS, kept, machine, medians, summary, table_of, versions_of_servers, write
from benchmarks.pictures import amount

OUR_ORDERS = {0: 10_000, 50: 10_000}
QUICK = 10
"""The part of everything that --quick takes: one in so many."""
NAMES = [*(peer.name for peer in PEERS), "ours"]


@dataclass(frozen=True, slots=True)
class Wish:
    """Options of a run, from the command line."""

    ms: Sequence[int]
    runs: int
    scale: float
    only: frozenset[str]
    patience: float = 0.0

    def orders(self, usual: int) -> int:
        """Return the number of orders, scaled from the usual one."""
        return max(50, round(usual * self.scale))


WORKERS = {0: 4, 50: 8}
"""Our worker processes, by the length of a call: 2, 4, 6 and 8 were tried."""


def ours(durability: str, ms: int, wish: Wish) -> Row:
    """Make one run of our engine, in the form of the peers' runs."""
    orders = wish.orders(OUR_ORDERS[ms])
    quiet(wish.patience)
    f = engine.run(durability, orders, WORKERS[ms], ms)
    row = Row(
        OURS[durability], f.settings.partition(";")[0], f.settings.partition("; ")[2], ms, orders, f.seconds,
        f.spent.python, f.spent.server, f.commands, None, f.load, f.others,
    )  # fmt: skip
    say(row)
    return row


def say(row: Row) -> None:
    """Print a line for a run, as soon as it is over."""
    asked = f"{row.commands:6.1f} commands" if row.commands is not None else f"{row.transactions:6.1f} transactions"
    print(
        f"{row.ms:2} ms  {row.engine:15}  {row.config:46}  {row.orders:6} orders  {amount(row.rate):>7} orders/s  "
        f"{row.cpu * 1000:7.2f} ms CPU  {asked:19}  load {row.load:4.1f}  others {row.others:4.0%}",
        flush=True,
    )


def tried(peer: Peer, config: Config, ms: int, wish: Wish) -> Row | None:
    """Make a run of a peer; print a failure, and return None."""
    quiet(wish.patience)
    try:
        row = run(peer, config, ms, wish.orders(round(peer.orders[ms] * config.share)))
    except (RunFailed, postgres.NoPostgres) as error:
        print(f"{ms:2} ms  {peer.name:15}  {config.told:46}  failed: {error}", flush=True)
        return None
    say(row)
    return row


def available(only: frozenset[str]) -> tuple[list[Peer], dict[str, str]]:
    """Return the peers that can be run here, and why the others cannot."""
    there, missing = [], {}
    for peer in PEERS:
        if peer.name not in only:
            continue
        why = peer.prepare()
        if not why and peer.server == "postgres":
            try:
                postgres.program("initdb")
            except postgres.NoPostgres as error:
                why = str(error)
        if why:
            missing[peer.name] = why
            print(f"{peer.name}: skipped: {why}", flush=True)
        else:
            there.append(peer)
    return there, missing


def swept(peers: Sequence[Peer], wish: Wish) -> list[Row]:
    """Run every configuration of every peer, `runs` times, in a new order each time."""
    rows = []
    for ms in wish.ms:
        each = [(peer, config) for peer in peers for config in peer.sweep[ms]]
        for _ in range(wish.runs):
            for peer, config in random.sample(each, len(each)):
                row = tried(peer, config, ms, wish)
                rows += [row] if row else []
    return rows


def best(peer: Peer, ms: int, sweep: Sequence[dict[str, Any]]) -> Config:
    """Return the fastest of the sweep at the peer's usual durability; without a sweep, the known one."""
    rates = {config: rate for (at, name, config, _), rate in medians(sweep).items() if (at, name) == (ms, peer.name)}
    usual = [config for config in peer.sweep[ms] if not config.fsync and config.told in rates]
    return max(usual, key=lambda config: rates[config.told]) if usual else peer.config(ms)


def raced(peers: Sequence[Peer], sweep: Sequence[dict[str, Any]], wish: Wish) -> list[list[Row]]:
    """Run rounds: in each, every engine runs once, ours first in one and last in the next."""
    rounds = []
    for ms in wish.ms:
        turns: list[Callable[[], Row | None]] = []
        if "ours" in wish.only:
            turns += [partial(ours, durability, ms, wish) for durability in OURS]
        turns += [partial(tried, peer, best(peer, ms, sweep), ms, wish) for peer in peers]
        for n in range(wish.runs):
            done = [turn() for turn in (turns if n % 2 == 0 else turns[::-1])]
            rounds.append([row for row in done if row is not None])
    return rounds


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run; writes nothing")
    parser.add_argument("--orders", type=int, help="orders of ours a run; the peers' in proportion")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default=",".join(NAMES), metavar="NAMES", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--ms", type=int, choices=sorted(OUR_ORDERS), help="only this length of a call")
    parser.add_argument("--sweep", action="store_true", help="try every configuration of the peers first")
    parser.add_argument("--patience", type=float, default=0, metavar="S", help="wait for a quiet machine before a run")
    parser.add_argument("--no-race", action="store_true", help="the sweep alone")
    return parser.parse_args()


def main() -> None:
    """Sweep, race, and print."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers and workers are ended
    logging.disable(logging.INFO)
    args = options()
    only = frozenset(args.only.split(","))
    if unknown := only - {*NAMES}:
        sys.exit(f"--only: unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    scale = args.orders / OUR_ORDERS[0] if args.orders else 1 / QUICK if args.quick else 1.0
    lengths = [args.ms] if args.ms is not None else sorted(OUR_ORDERS)
    wish = Wish(lengths, 1 if args.quick else args.runs, scale, only, args.patience)
    peers, missing = available(only)
    data = kept()
    if args.sweep:
        rows = [row.told() for row in swept(peers, wish)]
        again = {(row["ms"], row["engine"]) for row in rows}
        data["sweep"] = [row for row in data["sweep"] if (row["ms"], row["engine"]) not in again] + rows
    rounds = [] if args.no_race else raced(peers, data["sweep"], wish)
    lines = [line for ms in wish.ms for line in summary(rounds, ms)]
    for ms in wish.ms:
        print(f"\n{ms} ms a call\n\n{table_of([line for line in lines if line['ms'] == ms])}")
    print(LACKS)
    for peer in PEERS:
        print(f"{peer.name}: {peer.lacks}")
    if not args.no_race:
        data["table"] = [line for line in data["table"] if line["ms"] not in wish.ms] + lines
        data["rows"] = [row for row in data["rows"] if row["ms"] not in wish.ms]
        data["rows"] += [{"round": n, **row.told()} for n, rows in enumerate(rounds) for row in rows]
    data |= {"machine": machine(), "versions": {p.name: p.versions() for p in PEERS}, "skipped": missing}
    data |= versions_of_servers()
    if args.quick or only != {*NAMES}:
        ENVIRONMENTS.mkdir(exist_ok=True)
        (ENVIRONMENTS / "last.json").write_text(json.dumps(data, indent=1) + "\n")
        print("not everything, or not at its size: docs/performance is left as it was (.bench/last.json has it)")
        return
    write(data)


if __name__ == "__main__":
    main()
