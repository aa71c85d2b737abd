"""Where the time of an order goes, phase by phase. `python -m benchmarks.engine.phases`.

One process, a server of its own, one phase after the other, each over all orders in full batches: place, confirm,
receive, read, activate, notify. Measured per order: CPU of our Python and of Redis, the commands run (those inside
scripts counted), the scripts. No RQ, no HTTP, no waiting for calls: only the work of the engine itself is left. CPU is
counted by thread and process, so a busy machine moves it less than rates. The garbage collector is set as an API's and
a worker's is (`process.py`).
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.engine import rates as engine
from benchmarks.engine.tape import NoQueue
from benchmarks.pictures import DOCS, bars, between, table
from consent_engine import wiring
from consent_engine.adapters.redis.client import connect
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from consent_engine.process import freeze_objects

WARM = 1_000
COLUMNS = ("python_us", "redis_us", "commands", "scripts")
TOTAL = "an order"
FROM_BEFORE = "before"


def phases(ours: Any, runner: asyncio.Runner, first: int, count: int) -> Iterator[tuple[str, Callable[[], object]]]:  # noqa: ANN401 - an Engine
    """Yield the phases that so many orders go through, in turn."""
    wanted = engine.requests(first, count)
    parts = range(0, count, engine.BATCH)
    numbers = range(engine.FIRST_NUMBER + first, engine.FIRST_NUMBER + first + count)
    replies = [Reply("simulated", f"m{number}", Msisdn(f"+86{number}"), "10085", "是") for number in numbers]
    yield "place", lambda: [ours.place_many(wanted[n : n + engine.BATCH]) for n in parts]
    yield "confirm", lambda: runner.run(lane(ours, Lane.SMS))
    yield "receive", lambda: [ours.receive(replies[n : n + engine.BATCH]) for n in parts]
    yield "read", lambda: runner.run(lane(ours, Lane.INBOUND))
    yield "activate", lambda: runner.run(lane(ours, Lane.ACTIVATION))
    yield "notify", lambda: runner.run(lane(ours, Lane.SMS))


async def lane(ours: Any, which: Lane) -> None:  # noqa: ANN401 - an Engine
    """Perform a lane until nothing is due."""
    deadline = time.monotonic() + engine.BOUND_S
    while time.monotonic() < deadline:
        await ours.performer.perform(which, 5.0)
        await ours.performer.land(5.0)
        if not ours.store.lanes.depths()[which].due:
            return
    sys.exit(f"{which}: not done after {engine.BOUND_S} s")


class Look:
    """Counters of a run: our thread's CPU, the server's, its commands, its scripts."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - redis-py's
        self._client = client
        pid = client.info("server")["process_id"]
        self._spent = Path(f"/proc/{pid}/schedstat")

    def now(self) -> tuple[float, float, float, float]:
        """Return the counters so far, in microseconds and counts."""
        stats = self._client.info("commandstats")
        scripts = stats.get("cmdstat_evalsha", {"calls": 0})["calls"]
        commands = sum(row["calls"] for name, row in stats.items() if name != "cmdstat_info") - scripts
        server = int(self._spent.read_text().split()[0]) / 1_000
        return time.thread_time() * 1e6, server, commands, scripts


def measured(durability: str, count: int) -> dict[str, dict[str, float]]:
    """Make one run; return what each phase cost per order."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "CONSENT_READING_SPEED": "1000000",
            "CONSENT_DATA_DIR": str(Path(folder) / "data"),
            "CONSENT_DURABILITY": durability,
        }
        settings = Settings.load({**environ, "CONSENT_IN_FLIGHT": str(engine.IN_FLIGHT)}, env_file=None)
        with wiring.installation(settings, own=True) as place_of_work:

            def work() -> None:  # not in the main thread, as in production: the main thread does not use hiredis
                with asyncio.Runner() as runner:
                    ours, look = place_of_work.engine(), Look(connect(place_of_work.redis_url))
                    for _, act in phases(ours, runner, 0, WARM):
                        act()
                    freeze_objects()
                    for name, act in phases(ours, runner, WARM, count):
                        before = look.now()
                        act()
                        spent = [(b - a) / count for a, b in zip(before, look.now(), strict=True)]
                        found[name] = dict(zip(COLUMNS, spent, strict=True))

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    if len(found) < 6:  # noqa: PLR2004 - the phases
        sys.exit("a phase failed")
    found[TOTAL] = {column: sum(row[column] for row in found.values()) for column in COLUMNS}
    return found


def medians(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median of each figure."""
    return {
        name: {column: round(statistics.median(run[name][column] for run in runs), 2) for column in COLUMNS}
        for name in runs[0]
    }


def told(found: dict[str, dict[str, float]], before: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table, with those of an earlier run beside them, where there are some."""
    head = ["phase", "", "Python us", "Redis us", "commands", "scripts"]
    rows = []
    for name, row in found.items():
        old = before.get(name, {})
        cells = [f"{row[c]:.0f}" if c.endswith("us") else f"{row[c]:.1f}" for c in COLUMNS]
        was = [f" (was {old[c]:.0f})" if c in old and c.endswith("us") else "" for c in COLUMNS]
        rows.append([name, "", *(cell + then for cell, then in zip(cells, was, strict=True))])
    return table(head, rows)


def pictured(found: dict[str, dict[str, float]], before: dict[str, dict[str, float]]) -> str:
    """Return a picture of Python and Redis, phase by phase, the earlier run in grey."""
    rows = []
    for name in found:
        for which, data, mine in (("before", before, False), ("now", found, True)):
            if name in data:
                for column, kind in (("python_us", "Python"), ("redis_us", "Redis")):
                    rows.append((f"{name}, {kind}, {which}", data[name][column], mine))
    return bars("Microseconds of CPU an order", "us", rows)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=6_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--durability", choices=["strict", "everysec"], default="everysec")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--before", type=Path, help="figures of an earlier run, to stand beside these")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md and docs/performance")
    args = parser.parse_args()
    logging.basicConfig(filename=os.devnull, level=logging.INFO)  # log lines are written, as in production
    wiring.RqQueue = NoQueue  # type: ignore[attr-defined, assignment] # one loop does everything, in turn
    runs = []
    for n in range(args.runs):
        runs.append(measured(args.durability, args.orders))
        last = runs[-1][TOTAL]
        print(
            f"run {n + 1} of {args.runs}: Python {last['python_us']:.0f}, Redis {last['redis_us']:.0f} us",
            file=sys.stderr,
        )
    found = medians(runs)
    before = json.loads(args.before.read_text())["phases"] if args.before else {}
    print(told(found, before))
    data = {"durability": args.durability, "orders": args.orders, "runs": args.runs, "phases": found}
    if args.json:
        args.json.write_text(json.dumps(data, indent=1) + "\n")
    if args.write:
        out = DOCS / "performance"
        (out / "phases.json").write_text(json.dumps(data | ({FROM_BEFORE: before} if before else {}), indent=1) + "\n")
        (out / "phases.svg").write_text(pictured(found, before), encoding="utf-8")
        between(DOCS / "performance.md", "phases", told(found, before))


if __name__ == "__main__":
    main()
