"""Desks that place orders while something happens to the cluster, and the answers they got, with their instants."""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from consent_engine.adapters.redis.cells import cell_of
from consent_engine.domain.msisdn import Msisdn, slot
from tests.acceptance.house import House
from tests.waiting import HANGS_S, until

TAKEN = {200, 201}
_NOW = datetime.now(UTC)
STARTED, AGREED = (_NOW - timedelta(minutes=4)).isoformat(), _NOW.isoformat()
"""The instants of every call: an order that is asked for again is the same request."""
"""Always the same: an order that is asked for again is the same request."""


def number(n: int) -> int:
    """Spread numbers over all cells: consecutive ones would share a few."""
    return 7_919 * n


def cell(n: int, cells: int) -> int:
    """The cell of a desk's nth subscriber."""
    return cell_of(f"{slot(Msisdn(f'+86138{number(n):08d}')):04x}", cells)


@dataclass(frozen=True)
class Answer:
    """An answer to a desk."""

    at: float
    n: int
    status: int
    took: float


class Desks:
    """Desks that place order after order, and repeat each until it is accepted."""

    def __init__(self, home: House, desks: int = 4) -> None:
        self.home = home
        self.orders: dict[int, str] = {}
        self.answers: list[Answer] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(desk, desks)) for desk in range(desks)]

    def work(self, desk: int, step: int) -> None:
        n = desk
        waiting: list[int] = []
        while not self.stop.is_set():
            # Refused requests are repeated beside new ones: one that waits holds nobody else up.
            for each in [*waiting, n]:
                if self.place(each):
                    waiting = [other for other in waiting if other != each]
                elif each not in waiting:
                    waiting.append(each)
            n += step if len(waiting) < 8 else 0
        for each in waiting:
            until("what was refused is taken in the end", lambda each=each: self.place(each))

    def place(self, n: int) -> bool:
        began = monotonic()
        call = {"caller_number": "10085", "recording_id": f"rec-{n}", "started_at": STARTED, "agreed_at": AGREED}
        status, order = self.home.place(number(n), key=f"desk-{n}", call=call)
        self.answers.append(Answer(began, n, status, monotonic() - began))
        if status in TAKEN:
            self.orders[n] = order["id"]
        return status in TAKEN

    def told(self, since: float = 0.0, until: float = float("inf")) -> Counter:
        return Counter(answer.status for answer in self.answers if since <= answer.at < until)

    def __enter__(self) -> "Desks":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(HANGS_S)
            assert not thread.is_alive(), "a desk still waits"


def finish(home: House, orders: dict[int, str], seconds: float = 60, *, was_down: bool = False) -> None:
    """Let every subscriber say yes, until every acknowledged order is there and at its end."""
    for n in orders:
        until("a yes is taken", lambda n=n: home.say(number(n), "是", f"mo-{n}")[0] == 200)

    def settled() -> bool:
        states = {n: home.state(order) for n, order in orders.items()}
        for n, state in states.items():
            if state == "awaiting_reply":  # a yes from before its question does not count: it is sent again
                home.say(number(n), "是", f"mo-{n}-again")
        return set(states.values()) == {"notified"}

    until("every acknowledged order is there, and goes on to its end", settled)
    assert home.command("stuck").stdout == ""
    activations = home.ledger()["activations"]
    assert sorted(each["order_id"] for each in activations) == sorted(orders.values())
    assert all(each["switched_on"] == 1 for each in activations)
    assert was_down or home.ledger()["errors"] == [], "reports that reached nobody"
