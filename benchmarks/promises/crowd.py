"""Desks and subscribers, threads of this process: they note what is acknowledged while servers fail (`rules.py`)."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from benchmarks.promises.rules import Notes
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import StoreUnavailable

DESKS, ORDERS_S = 2, 30
PAUSE_S = 0.05
YES_THEN_STOPS, STOPS, REFUSES = 1, 2, 3
"""Three of the four kinds of subscribers; kind 0 says yes only."""


class Door(Protocol):
    """The interface by which people reach the engine. Each method returns once its request is acknowledged, and raises
    StoreUnavailable when it is not.
    """

    def place(self, asks: Placing) -> tuple[str, bool]:
        """Place an order; return its id, and whether it is a new one."""

    def say(self, number: Msisdn, text: str) -> None:
        """Send a subscriber's SMS."""

    def refuse(self, number: Msisdn) -> None:
        """Record a subscriber's refusal by voice."""


class Crowd:
    """The desks and subscribers, until they are closed. door: makes one for the calling thread."""

    def __init__(self, door: Callable[[], Door]) -> None:
        self.door = door
        self.notes = Notes()
        self.questions: queue.SimpleQueue[Msisdn] = queue.SimpleQueue()
        self.stop = threading.Event()
        self.numbers = itertools.count()
        self.asked: list[tuple[Placing, str]] = []
        self.defects: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def start(self, more: Sequence[Callable[[], None]] = ()) -> None:
        """Start the desks and subscribers, and `more` jobs beside them."""
        jobs = [*[lambda: self._desk(self.door())] * DESKS, *[lambda: self._subscriber(self.door())] * 2, *more]
        self.threads = [threading.Thread(target=self._run, args=(job,), daemon=True) for job in jobs]
        for each in self.threads:
            each.start()

    def close(self) -> None:
        """Stop all threads. Raises the error that a thread died of: a defect of the engine, or of this crowd."""
        self.stop.set()
        for each in self.threads:
            each.join(30)
        self.sound()

    def sound(self) -> None:
        """Raise the error that a thread died of."""
        if self.defects:
            raise self.defects[0]

    def stops(self, door: Door, number: Msisdn) -> None:
        """Say STOP for a subscriber until it is acknowledged."""
        if self._told(lambda: door.say(number, "TD")):
            self.notes.stops[number] = self.notes.refused[number] = time.monotonic()

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - any error is the finding
            self.defects.append(error)

    def _told(self, act: Callable[[], None]) -> bool:
        """Repeat an act until it is acknowledged; return whether it was."""
        while not self.stop.is_set():
            try:
                act()
            except StoreUnavailable as error:
                self.notes.answers[error.code] += 1
                self.stop.wait(PAUSE_S)
            else:
                self.notes.answers["ok"] += 1
                return True
        return False

    def _desk(self, door: Door) -> None:
        while not self.stop.is_set():
            began, asks = time.monotonic(), wanted(next(self.numbers))

            def place(asks: Placing = asks) -> None:
                asked = time.monotonic()
                order, _ = door.place(asks)
                self.notes.orders[order] = Msisdn(asks.request.msisdn)
                self.notes.took.append(time.monotonic() - asked)
                self.asked.append((asks, order))

            self._told(place)
            self.stop.wait(max(0.0, DESKS / ORDERS_S - (time.monotonic() - began)))

    def _subscriber(self, door: Door) -> None:
        """Answer as four kinds of subscribers: yes; yes and STOP; STOP; yes and then a refusal by voice."""
        while not self.stop.is_set():
            try:
                number = self.questions.get(timeout=PAUSE_S)
            except queue.Empty:
                continue
            self._answers(door, number, int(number[-2:]) % 4)

    def _answers(self, door: Door, number: Msisdn, kind: int) -> None:
        if kind != STOPS:
            self._told(lambda: door.say(number, "是"))
        if kind in {YES_THEN_STOPS, STOPS}:
            self.stops(door, number)
        if kind == REFUSES and self._told(lambda: door.refuse(number)):
            self.notes.refused[number] = time.monotonic()


def wanted(n: int) -> Placing:
    """Return the request of a desk that has just agreed an order with the n-th subscriber."""
    now = datetime.now(UTC)
    call = {"caller_number": "10085", "recording_id": f"rec-{n}"}
    call |= {"started_at": (now - timedelta(minutes=4)).isoformat(), "agreed_at": now.isoformat()}
    asked = {"msisdn": f"+86138{n:08d}", "plan": "5g-smart-199", "agent": "A1", "call": call}
    return Placing("desk", f"key-{n}", PlaceOrder.read(asked))
