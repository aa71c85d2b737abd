"""`consent doctor` as it is typed, during a run: does its exit status agree with the rules?"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.promises.processes import HOME
from consent_engine.doctor import Level

NOBODY = "no worker was heard from"
"""A finding that is true where only the doctor runs, and no sign of a loss."""
PATIENCE_S = 120
SHARED = "shared-with-nobody-0123456789-abcdef"
OUTSIDE = {
    "GATEWAY": "http_json", "HTTP_JSON__URL": "http://127.0.0.1:9/sms", "HTTP_JSON__SECRET": SHARED, "BSS": "http",
    "BSS_HTTP__URL": "http://127.0.0.1:9/bss", "BSS_HTTP__SECRET": SHARED,
}  # fmt: skip
"""A gateway and a BSS that are not simulated, which doctor calls bad on a Redis of one's own; neither is called."""


@dataclass(frozen=True)
class Said:
    """The doctor's answer. status: its exit status · bad: the findings it calls bad."""

    status: int
    bad: tuple[str, ...]

    @property
    def content(self) -> bool:
        """Whether it found nothing bad, except that no worker is running."""
        return all(NOBODY in each for each in self.bad)


def environ(named: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command with these settings (without `CONSENT_`) and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    return clean | {"PYTHONPATH": str(HOME)} | {f"CONSENT_{name}": value for name, value in named.items()}


def doctor(named: Mapping[str, str], folder: Path) -> Said:
    """Type `consent doctor --all`. Raises AssertionError where its status contradicts its findings."""
    command = [sys.executable, "-m", "consent_engine", "doctor", "--all"]
    run = subprocess.run(
        command, env=environ(named), cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    rows = [row.split("\t") for row in run.stdout.splitlines()]
    bad = tuple(what for level, what, *_ in rows if level == Level.BAD)
    if run.returncode != int(bool(bad)):
        raise AssertionError(f"status {run.returncode}: {run.stdout}{run.stderr}")
    return Said(run.returncode, bad)
