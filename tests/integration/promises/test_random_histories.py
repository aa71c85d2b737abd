"""The promises, against random events in any order: a machine plays the world, a small model judges.

On fakeredis for breadth, on a real server for truth. TESTS_DEEP=500 tries that many stories instead of the few that
fit a normal run; -rP shows how many stories and steps there were.
"""

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test

from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import connect_or_start
from tests import needs
from tests.integration.promises.machine import Promises, stories

HELD = ("barred, not begun", "yes, but barred", "decided", "decided too late", "lapsed", "went on")
"""Outcomes of suspicions that must each occur in some story."""


def tell(where, make, most):
    """Run the stories, and print how many there were."""
    told = []

    def story():
        made = make()
        told.append(made.done)
        return made

    run_state_machine_as_test(story, settings=stories(most))
    counts = sum(told, Counter())
    # One step of each story is the check before anything has happened.
    sys.stdout.write(f"promises on {where}: {counts['stories']} stories, {counts['steps'] - counts['stories']} steps\n")
    assert counts["stories"] >= most
    held = {what: counts[what] for what in HELD}
    sys.stdout.write(f"of what is held: {held}\n")
    assert all(held.values()), "no story of a kind that matters"


@pytest.fixture(scope="module")
def server():
    needs.server()
    folder = Path(tempfile.mkdtemp(prefix="pr-"))
    with connect_or_start(folder / "data", "everysec") as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def test_promises_hold_whatever_happens():
    tell("fakeredis", Promises, 60)


def test_promises_hold_on_a_real_server(server):
    client = connect(server.url)

    def story():
        client.flushdb()
        return Promises(client)

    tell("a real server", story, 25)
    client.close()
