"""Chaos in short: orders over HTTP while everything is killed and wires break. Long: `benchmarks/promises/chaos.py`."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests import needs
from tests.acceptance.house import HOME
from tests.waiting import HANGS_S

BENCHMARK = ["-m", "benchmarks.promises.chaos"]
ORDERS, KILLS = 120, 8
SHORT = ["--orders", str(ORDERS), "--kills", str(KILLS), "--gap", "1.2", "--window", "6", "--faults", "--json"]
NEVER = (
    "lost",
    "orders that no desk was answered for",
    "two orders under one key",
    "chains that do not replay",
    "handed out heads that are on no chain",
    "unsettled with nothing due, in flight or parked",
    "unsettled at the end",
    "unconsented",
    "double",
    "a yes without its activation, or the other way round",
    "asked twice without a doubt in the history",
    "acknowledged messages that are nowhere",
    "unread messages at the end",
    "a valid yes that counted for nothing",
    "refusals that do not stand",
    "placed after a refusal",
)


@pytest.fixture(scope="module")
def figures():
    needs.server()
    environ = os.environ | {"PYTHONPATH": HOME}
    running = subprocess.Popen(
        [sys.executable, *BENCHMARK, *SHORT],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, start_new_session=True,
    )  # fmt: skip
    try:
        out, told = running.communicate(timeout=HANGS_S)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    assert out, told[-8_000:]
    return json.loads(out)


def test_no_promise_broke(figures):
    assert figures["broken"] == []
    assert {name: figures[name] for name in NEVER} == dict.fromkeys(NEVER, 0)


def test_whatever_was_acknowledged_has_settled_and_its_chain_is_whole(figures):
    assert figures["acknowledged"] == figures["settled"] == figures["chains verified"]
    assert figures["acknowledged"] + figures["turned away: a STOP came before the second order"] == ORDERS


def test_there_are_as_many_activations_as_valid_yeses(figures):
    assert figures["activations"] + figures["refused by the BSS"] == figures["valid yeses"] > 0


def test_who_refused_was_turned_away_ever_after(figures):
    assert figures["refusals"] > 0
    assert figures["refused numbers tried again, all turned away"] >= figures["refusals"]


def test_it_was_chaos(figures):
    """A run in which nothing was killed, and nothing broke on the wire, proves nothing."""
    assert figures["kills"] >= KILLS - 1
    assert {"redis", "outside"} == set(figures["faults"])
    assert all(figures["faults"].values())
    assert figures["open orders looked at while it ran"] > ORDERS
