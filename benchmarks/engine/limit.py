"""The limit: the rate of Redis when it is asked nothing but our scripts. `python -m benchmarks.engine.limit`.

A run of our engine in this process is recorded: every script with its arguments, which were sent together, and where a
proof (WAITAOF) was asked for. The instants are in the arguments, so a replay on a fresh server gives the very same
answers; that is checked, answer by answer. Then the bytes, made ready beforehand, are replayed by one client and by
two, each with the next batch on its way while the last one is answered, with the same durability at the same places.
Two clients replay the recording twice, in key spaces of their own. In the same rounds our engine runs for real: the
ratio of the two is the share of the server's time that is not lost.
"""

import argparse
import json
import logging
import os
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.engine import rates as engine
from benchmarks.engine.tape import Batch, made, other_space, record, replay
from benchmarks.machine import load, quiet
from benchmarks.peers.report import doubt
from benchmarks.pictures import DOCS, OUT, amount, between, table


def rounds(args: argparse.Namespace, batches: Sequence[Batch], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run the rounds: in each, per profile, one client, two clients, our engine."""
    names = {str(row[1]) for batch in batches for row in batch.rows}
    rows: list[dict[str, Any]] = []
    for durability in engine.PROFILES:
        tape, differing = made(batches, durability)
        told = sum(len(batch.answers) for batch in batches)
        say(f"{durability}: {told - differing} of {told} answers of a replay are the recorded ones")
        if differing:
            raise SystemExit("a replay that does something else measures something else")
        for _ in range(args.runs):
            quiet(args.patience)
            one = replay([tape], names, durability, args.orders)
            two = replay([tape, other_space(tape)], names, durability, args.orders)
            mine = engine.run(durability, args.orders)
            limit = max(one.rate, two.rate)
            rows.append({
                "durability": durability, "orders": args.orders, "one_client": one.rate, "two_clients": two.rate,
                "ours": mine.rate, "part": mine.rate / limit, "redis_us": min(one.redis_us, two.redis_us),
                "our_redis_us": mine.redis_us, "commands": one.commands, "our_commands": mine.commands,
                "load": load(), "others": mine.others,
            })  # fmt: skip
            say("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in rows[-1].items()))
    return rows


def summary(rows: Sequence[dict[str, Any]], per_order: float, per_batch: float) -> str:
    """Return the results as Markdown."""
    lines = []
    for durability in engine.PROFILES:
        mine = [row for row in rows if row["durability"] == durability]

        def middle(key: str, mine: Sequence[dict[str, Any]] = mine) -> float:
            return float(statistics.median(row[key] for row in mine))

        lines.append((
            durability, str(len(mine)), amount(middle("one_client")), amount(middle("two_clients")),
            amount(middle("ours")), f"{middle('part'):.0%}",
            f"{middle('redis_us'):.0f}", f"{middle('our_redis_us'):.0f}",
            f"{middle('commands'):.1f}", f"{max(row['others'] for row in mine):.0%}",
        ))  # fmt: skip
    head = (
        "durability", "rounds", "one client, orders/s", "two clients", "ours", "ours of the limit",
        "Redis us an order, replayed", "ours", "inner commands an order", "busy with others",
    )  # fmt: skip
    told = f"{per_order:.2f} scripts an order, {per_batch:.0f} scripts a batch as recorded."
    return f"{table(head, lines)}\n{told}\n\n{doubt(rows)}"


def main() -> None:
    """Record, replay, run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--patience", type=float, default=0, metavar="S", help="wait for a quiet machine before a round"
    )
    parser.add_argument("--write", action="store_true", help="into docs/performance")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    logging.disable(logging.ERROR)
    batches = record(args.orders)
    scripts = sum(len(batch.rows) for batch in batches)
    per_order, per_batch = scripts / args.orders, scripts / len(batches)
    print(f"recorded: {args.orders} orders, {scripts} scripts in {len(batches)} batches, {os.cpu_count()} cores")
    rows = rounds(args, batches, lambda text: print(text, flush=True))
    told = summary(rows, per_order, per_batch)
    print(f"\n{told}")
    if args.write:
        OUT.mkdir(exist_ok=True)
        (OUT / "limit.json").write_text(json.dumps({"scripts_per_order": per_order, "rows": rows}, indent=1) + "\n")
        between(DOCS / "performance.md", "limit", told)


if __name__ == "__main__":
    main()
