"""The promises, against whatever may happen in whatever order: a machine plays the world, a model of few words judges.

On fakeredis for breadth, on a real server for truth. TESTS_DEEP=500 looks at that many stories instead of the few that
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
"""What must become of suspicions in some story."""


def tell(where, make, most):
    """Run the stories, and say how many there were."""
    told = []

    def story():
        made = make()
        told.append(made.done)
        return made

    run_state_machine_as_test(story, settings=stories(most))
    counts = sum(told, Counter())
    # One step of each story is the look before anything has happened.
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
