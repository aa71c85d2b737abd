"""The promises, against random events in any order: a machine plays the world, a small model judges.

`make search DEEP=500` tries that many stories instead of the few that fit a normal run; -rP shows how many stories and
steps there were, and on which store.
"""

import sys
from collections import Counter

from hypothesis.stateful import run_state_machine_as_test

from tests.integration.promises.machine import Promises, stories
from tests.memory import a_store

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


def test_promises_hold_whatever_happens():
    client = a_store()

    def story():
        client.flushdb()
        return Promises(client)

    tell(type(client).__name__, story, 16)
