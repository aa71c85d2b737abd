"""Processes that stood still while all data were moved, by the rules of `benchmarks/promises/rules.py`."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.promises.rules import UNDER_WAY_S, Notes
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from tests import needs
from tests.acceptance.house import until
from tests.cluster.one_server import LEASE_S, engine_at, move, working
from tests.cluster.still import Outer
from tests.durability.servers import server

pytestmark = needs.linux
ROOT = Path(__file__).parents[2]
ROUNDS = 8 if os.environ.get("TESTS_DEEP") else 2
DAY_S = LEASE_S + 4
AT_ONCE = 3
"""The number of orders that wait for their answer beside the first."""


class Process:
    """A process that works on a server until it is told that the data have moved. said: its acts, by instant."""

    def __init__(self, kind, port, folder):
        command = [sys.executable, "-m", "tests.cluster.still", kind, str(port), str(folder)]
        self.run = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = defaultdict(dict)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.run.stdout:
            what, *about, at = line.split()
            self.said[what].setdefault(tuple(about), float(at))

    @property
    def stands(self):
        return Path(f"/proc/{self.run.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def stand(self):
        self.run.send_signal(signal.SIGSTOP)
        until("it stands still", lambda: self.stands)

    def go_on(self):
        self.run.send_signal(signal.SIGCONT)

    def another(self, count=1):
        """Have the worker look, or the desk place an order, so many times more. Few orders are without an answer."""
        self.run.stdin.write("\n" * count)
        self.run.stdin.flush()

    def ended(self):
        self.run.stdin.close()
        assert self.run.wait(30) == 0
        self.reader.join(10)
        return "away" in self.said

    def close(self):
        self.run.kill()
        self.run.wait(10)
        self.run.stdin.close()
        self.run.stdout.close()


@contextmanager
def at_work(port, folder):
    made = [Process(kind, port, folder) for kind in ("worker", "desk")]
    try:
        yield made
    finally:
        for each in made:
            each.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("still")
    with server(folder / "old", "appendfsync no") as old, server(folder / "new", "appendfsync no") as new:
        yield old, new


def says(engine, text, number, name):
    engine.receive([Reply("simulated", name, Msisdn(number), "10085", text)])


@pytest.mark.parametrize("n", range(ROUNDS))
def test_who_stood_still_while_the_data_moved_calls_nobody_after_a_stop_and_takes_no_order(servers, tmp_path, n):
    old, new = servers
    for each in servers:
        each.do("FLUSHALL")
    with at_work(old.port, tmp_path) as (worker, desk):
        subscriber, answered = engine_at(old.port, tmp_path), set()

        def holds():
            """Let every asked subscriber say yes, until the worker stands still with activations leased."""
            for order, number in list(worker.said["asked"]):
                if order not in answered:
                    says(subscriber, "是", number, f"yes-{order}")
                    answered.add(order)
                    desk.another()
            worker.another()
            return worker.stands

        desk.another(AT_ONCE)
        until("the worker stands still", holds, 60)
        desk.stand()
        held = {order for (order,) in worker.said["leased"]} - {order for (order,) in worker.said["called"]}
        assert held, "it stands with calls that it has not made"
        old.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        move(old, new)
        there, numbers = engine_at(new.port, tmp_path), dict(worker.said["asked"].keys())
        notes = Notes()
        for order in held:
            says(there, "TD", numbers[order], f"stop-{order}")
            notes.stops[numbers[order]] = notes.refused[numbers[order]] = time.monotonic()
        until("no call is under way any more", lambda: time.monotonic() > max(notes.stops.values()) + UNDER_WAY_S)
        for each in (worker, desk):
            each.go_on()
        assert worker.ended()
        assert desk.ended(), "told that the data are elsewhere"
        notes.orders |= {order: Msisdn(number) for order, number in desk.said["placed"]}
        notes.called |= {order: at for (order,), at in worker.said["called"].items()}
        assert notes.broken(there) == {}
        for order in goes_on(there, set(notes.called), held) - set(notes.called):
            notes.called[order] = time.monotonic()
        assert notes.broken(there) == {}


def goes_on(there, called, held):
    """Perform on the new server: lost leases are in doubt, the BSS is asked, and the STOPs count. Return the orders
    that the BSS was called for by then.
    """
    outer = Outer(called)
    engine = working(there, outer)

    async def settled():
        for _ in range(100 * DAY_S):
            for lane in Lane:
                await engine.performer.perform(lane, 0.1)
            if all(there.show(order).state.settled for order in held):
                return
            await asyncio.sleep(0.01)

    asyncio.run(settled())
    assert {there.show(order).state.value for order in held - called} <= {"declined"}
    return outer.called
