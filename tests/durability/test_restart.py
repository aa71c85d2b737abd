"""A start with orders under way, the short form of `benchmarks/growth/restart.py`: all are there, and work goes on."""

import re
import subprocess
import sys
from pathlib import Path

from tests import needs
from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[2]


def test_after_kill_9_every_order_is_there_with_something_due_and_the_engine_goes_on():
    needs.server()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth.restart", "--orders", "1000"],
        cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "orders there: 1000 of 1000" in done.stdout, done.stdout
    assert re.search(r"ready after \d+\.\d s, somebody was asked after \d+\.\d s", done.stdout), done.stdout
    print(done.stdout)  # noqa: T201 - the figures are the purpose
