"""Die at points of every operation: `python -m tests.crashes [operation ...]`; at each of them with TESTS_DEEP=1.

Operations are shared out among processes, one per core, each with a server of its own. Each operation prints one line
of JSON when it is done; the last line is the total.
"""

import gc
import json
import logging
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

from tests.crashes.dying import Told, born, lines
from tests.crashes.operations import WITH_SERVER, Operation, every
from tests.crashes.server import Server, die_with_parent, running
from tests.crashes.town import Town
from tests.tiers import DEEP

MOST_TOLD = 5
MOST_MISSES = 5
SAMPLE = 29
"""A usual run dies at every 29th point: kinds of points take turns by fours and fives, so each is met."""
SERVER = " (the server dies)"


@dataclass
class Verdict:
    """The result of one operation: its points, and the promises that were broken."""

    operation: str
    least: int
    points: int = 0
    judged: int = 0
    """the number of distinct states in which the lives ended"""
    seconds: float = 0.0
    names: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def enumerate_points(server: Server, op: Operation, *, server_dies: bool) -> Verdict:
    """Run the operation once to its end, then die at each of its points."""
    verdict = Verdict(op.name + SERVER * server_dies, op.least)
    began = monotonic()
    try:
        with closing(Town(server, op)) as town:
            op.before(town)
            town.judge()
            lives = Lives(town, verdict, server_dies=server_dies)
            lives.one(None)
            if DEEP:
                lives.every()
            else:
                lives.some()
    except Exception:  # noqa: BLE001 - any exception is the finding
        verdict.broken.append(f"the enumeration failed: {traceback.format_exc(limit=-6)}")
    verdict.seconds = round(monotonic() - began, 2)
    return verdict


class Lives:
    """The lives of one operation, all of them started from the same state."""

    def __init__(self, town: Town, verdict: Verdict, *, server_dies: bool) -> None:
        self._town = town
        self._verdict = verdict
        self._server_dies = server_dies
        self._was = town.snapshot()
        self._judged: list[tuple[dict[bytes, bytes], list[dict[str, Any]]]] = []

    def one(self, at: int | None) -> str | None:
        """Return the point where the life ended, or None if it survived; record whatever is broken afterwards."""
        town, verdict = self._town, self._verdict
        town.restore(self._was)
        life = town.live(at, server_dies=self._server_dies)
        verdict.names = life.names if at is None else verdict.names
        left = (town.stands(), [row for row in life.told if "ended" not in row])
        if left in self._judged:
            return life.ended  # byte for byte a state that was judged already
        self._judged.append(left)
        verdict.judged += 1
        try:
            town.recover(life)
        except Exception:  # noqa: BLE001 - any exception is the finding
            where = "no crash" if at is None else f"point {at}, {life.ended}"
            verdict.broken.append(f"{where}: {traceback.format_exc(limit=-4)}")
        return life.ended

    def some(self) -> None:
        """Die at every n-th point of those that the first life had, the first of them in the middle."""
        self._verdict.points = len(self._verdict.names)
        for at in range(min(SAMPLE, self._verdict.points) // 2, self._verdict.points, SAMPLE):
            self.one(at)

    def every(self) -> None:
        """Die at every point, until a life reaches its end and the first life had no more points either.

        The order of things may vary, and a life then has fewer points than the first one: such a life is repeated.
        """
        verdict, misses = self._verdict, 0
        while misses < MOST_MISSES and (misses == 0 or verdict.points < len(verdict.names)):
            if self.one(verdict.points):
                verdict.points, misses = verdict.points + 1, 0
            else:
                misses += 1


def work(todo: list[tuple[Operation, bool]], names: int, told: Told) -> None:
    """Take one operation after another from the pipe that all workers share, and report each one's verdict."""
    die_with_parent()
    logging.disable(logging.CRITICAL)
    gc.freeze()  # children share these pages; no collection writes into them
    with running() as server:
        while taken := os.read(names, 1):
            op, server_dies = todo[taken[0]]
            verdict = enumerate_points(server, op, server_dies=server_dies)
            more = len(verdict.broken) - MOST_TOLD
            verdict.broken[MOST_TOLD:] = [f"and {more} more"] if more > 0 else []
            told(**asdict(verdict))


def pass_on(reads: int) -> list[dict[str, Any]]:
    """Pass a worker's messages on as they come; return all but the last, which says it lived to the end."""
    rows = []
    for row in lines(reads):
        rows.append(row)
        if "operation" in row:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    if "alive" not in rows.pop():
        raise SystemExit("a worker died")
    return rows


def main(wanted: list[str]) -> None:
    """Share the operations out, pass their results on, and count."""
    die_with_parent()
    ops = [op for op in every() if not wanted or op.name in wanted]
    todo = [(op, True) for op in ops if DEEP or op.name in WITH_SERVER] + [(op, False) for op in ops]
    names, writes = os.pipe()
    os.write(writes, bytes(range(len(todo))))
    os.close(writes)
    workers = [born(lambda told: work(todo, names, told)) for _ in range(min(os.cpu_count() or 1, len(todo)))]
    with ThreadPoolExecutor(len(workers)) as readers:
        rows = [row for some in readers.map(pass_on, [reads for _, reads in workers]) for row in some]
    for pid, _ in workers:
        os.waitpid(pid, 0)
    points, judged = sum(row["points"] for row in rows), sum(row["judged"] for row in rows)
    broken = sum(len(row["broken"]) for row in rows)
    sys.stdout.write(f"crash points: {points} in {len(rows)} operations, {judged} different ends, {broken} broken\n")


if __name__ == "__main__":
    main(sys.argv[1:])
