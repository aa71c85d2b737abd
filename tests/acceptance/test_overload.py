"""Overload in short: more orders than a slow gateway takes, and webhooks. Long: `benchmarks/promises/overload.py`."""

import json
import os
import subprocess
import sys

import pytest

from tests import needs
from tests.acceptance.house import HOME
from tests.waiting import HANGS_S

BENCHMARK = ["-m", "benchmarks.promises.overload"]


@pytest.fixture(scope="module")
def figures():
    """Twice what is needed to fill the lane, and fewer posts than in the long form. How soon they are answered is
    measured there, on a machine of its own: here other processes are running.
    """
    needs.server()
    load = ["--seconds", "5", "--posts", "150", "--orders", "90", "--p99", "inf", "--json"]
    done = subprocess.run(
        [sys.executable, *BENCHMARK, *load],
        capture_output=True, text=True, timeout=HANGS_S, check=False, env=os.environ | {"PYTHONPATH": HOME},
    )  # fmt: skip
    assert done.stdout, done.stderr[-2_000:]
    return json.loads(done.stdout)


def test_under_overload_every_promise_is_kept(figures):
    assert figures["broken"] == []


def test_orders_are_put_off_and_webhooks_are_not(figures):
    assert figures["answers"]["order 503 busy"] > 0
    assert figures["put_off_without_retry_after"] == 0
    assert figures["answers"]["webhook 200"] == 5 * 150


def test_whatever_was_taken_was_asked(figures):
    assert figures["taken"] == figures["answers"]["order 201"] > 0
    assert set(figures["states"]) <= {"awaiting_reply", "confirmed", "activated", "notified"}
