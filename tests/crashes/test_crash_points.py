"""Wherever a process dies, and wherever the server does: what was acknowledged is there, and all promises hold.

`python -m tests.crashes` is run once: every 29th point of every operation, and of some with the server, too.
`make search` dies at each point of each, with and without the server.
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
from tests.tiers import DEEP
from tests.waiting import HANGS_S

pytestmark = needs.linux

ROOT = Path(__file__).parents[2]
SERVER = " (the server dies)"
OPERATIONS = [op.name for op in every()]
LIVES = OPERATIONS + [name + SERVER for name in OPERATIONS if DEEP or name in WITH_SERVER]
LEAST_POINTS = 900


@pytest.fixture(scope="module")
def verdicts():
    needs.server()
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.crashes"], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    try:
        said, _ = run.communicate(timeout=HANGS_S)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    assert run.returncode == 0
    *rows, count = said.splitlines()
    sys.stderr.write(f"{count}\n")  # the figure is the purpose of the run
    return {row["operation"]: row for row in map(json.loads, rows)}


def test_wherever_it_dies_every_promise_holds(verdicts):
    assert verdicts.keys() == set(LIVES)
    broken = [f"{life}: {each}" for life in LIVES for each in verdicts[life]["broken"]]
    assert not broken, "\n\n".join(broken)
    seldom = [life for life in LIVES if verdicts[life]["points"] < verdicts[life]["least"]]
    assert seldom == [], "the enumeration no longer sees what happens"


def test_the_enumeration_is_as_large_as_it_was(verdicts):
    points = sum(row["points"] for row in verdicts.values())
    kinds = {name.rpartition(", ")[2].split(" ")[0] for row in verdicts.values() for name in row["names"]}
    assert kinds == {"before", "cut", "sent", "heard", "taken"}
    assert len(verdicts) == len(LIVES)
    assert points >= LEAST_POINTS
