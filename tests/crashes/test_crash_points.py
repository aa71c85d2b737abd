"""Wherever a process dies, and wherever the server does: what was acknowledged is there, and all promises hold.

Every point of every operation, not a sample: `python -m tests.crashes` is run once, and each operation is a test.
TESTS_DEEP=1 kills the server at every point of every operation, too.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.crashes.operations import WITH_SERVER, every

pytestmark = needs.linux

ROOT = Path(__file__).parents[2]
DEEP = os.environ.get("TESTS_DEEP", "0") != "0"
SERVER = " (the server dies)"
OPERATIONS = [op.name for op in every()]
LIVES = OPERATIONS + [name + SERVER for name in OPERATIONS if DEEP or name in WITH_SERVER]
LEAST_POINTS = 900
WAIT_S = 1_800 if DEEP else 1_200


@pytest.fixture(scope="module")
def verdicts():
    needs.server()
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.crashes"], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    try:
        said, _ = run.communicate(timeout=WAIT_S)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    assert run.returncode == 0
    *rows, count = said.splitlines()
    sys.stderr.write(f"{count}\n")  # the figure is the purpose of the run
    return {row["operation"]: row for row in map(json.loads, rows)}


@pytest.mark.parametrize("life", LIVES)
def test_wherever_it_dies_every_promise_holds(life, verdicts):
    verdict = verdicts[life]
    assert not verdict["broken"], "\n\n".join(verdict["broken"])
    assert verdict["points"] >= verdict["least"], "the enumeration no longer sees what happens"


def test_the_enumeration_is_as_large_as_it_was(verdicts):
    points = sum(row["points"] for row in verdicts.values())
    kinds = {name.rpartition(", ")[2].split(" ")[0] for row in verdicts.values() for name in row["names"]}
    assert kinds == {"before", "cut", "sent", "heard", "taken"}
    assert len(verdicts) == len(LIVES)
    assert points >= LEAST_POINTS
