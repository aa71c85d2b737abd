"""Costs of a run on this machine: CPU of a family of processes, of all others, and the load."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
QUIET = 0.1
"""The share of the machine that may be busy while it counts as quiet."""


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and of its children that have ended; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS


def below(pid: int) -> list[int]:
    """Return the living processes under `pid`."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        todo.extend(children := parents.get(todo.pop(), []))
        found.extend(children)
    return found


def families(pids: Sequence[int]) -> float:
    """Return the CPU seconds of processes and of everything under them, dead or alive."""
    return sum(cpu_of(each) for pid in pids for each in {pid, *below(pid)})


def all_cpu() -> float:
    """Return the CPU seconds that this machine has spent on all processes."""
    user, nice, system, _, _, irq, soft = (int(n) for n in Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + soft) / TICKS


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds between two looks."""

    python: float
    server: float
    others: float
    """CPU seconds of processes that have no part in the run: a quiet machine has next to none."""


class Meter:
    """A measurement of CPU. python: the workers; server: Redis or PostgreSQL; `own` adds this process as the driver."""

    def __init__(self, python: Sequence[int], server: Sequence[int], *, own: bool) -> None:
        self._python, self._server = [*python], [*server]
        self._own = [os.getpid()] if own else []
        self._began = self._look()

    def _look(self) -> tuple[float, float, float]:
        python = families(self._python) + sum(cpu_of(pid) for pid in self._own)
        return python, families(self._server), all_cpu()

    def spent(self) -> Spent:
        """Return the CPU spent since the meter was made."""
        python, server, everybody = (b - a for a, b in zip(self._began, self._look(), strict=True))
        return Spent(python, server, max(0.0, everybody - python - server))


def load() -> float:
    """Return the load of the last minute."""
    return os.getloadavg()[0]


def quiet(patience_s: float) -> None:
    """Wait for a second in which nothing else needs the machine, or until patience ends. This process must be idle."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        before = all_cpu()
        time.sleep(1)
        if all_cpu() - before < QUIET * (os.cpu_count() or 1):
            return
