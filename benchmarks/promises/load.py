"""A crowd and its workers in one process, each with an engine of its own over the strict store, while servers fail."""

import asyncio
import queue
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.promises.crowd import PAUSE_S, Crowd
from benchmarks.promises.rules import Notes
from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Accepted, Lane, Outcome, Untaken
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Reply
from consent_engine.engine.engine import Engine
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.engine.slice import Pace
from consent_engine.errors import ConsentError, StoreUnavailable
from consent_engine.ports import Activation, Outside, Sms

SECRET, SENDERS = "secret-of-the-failovers", {name: each.outbound for name, each in CARRIERS.items()}
A_WEEK_MS = 7 * 24 * 3_600_000


@dataclass
class Outer:
    """A gateway and a BSS that accept everything, and note what they were asked."""

    notes: Notes
    asked: "queue.SimpleQueue[Msisdn]"
    name: str = "test"
    sub_numbers: bool = False
    segments: int = 255
    webhooks: None = None

    async def send(self, sms: Sms) -> Outcome:
        if sms.purpose == "confirmation":
            self.asked.put(Msisdn(sms.to))
        return Accepted(sms.ref)

    async def activate(self, activation: Activation) -> Outcome:
        self.notes.called.setdefault(activation.order_id, time.monotonic())
        return Accepted(f"act-{activation.order_id}", "2025-11-25")

    async def ask(self, order_id: str) -> Outcome | None:
        known = order_id in self.notes.called
        return Accepted(f"act-{order_id}", "2025-11-25") if known else Untaken("unknown")


class Nobody:
    """A queue that wakes no worker: the worker looks at every lane by itself."""

    def wake(self, lane: Lane, due: int) -> None:
        """Do nothing."""


class Inside:
    """The door to an engine of this process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def place(self, asks: Placing) -> tuple[str, bool]:
        placed = self.engine.place(asks)
        return placed.order.id, placed.created

    def say(self, number: Msisdn, text: str) -> None:
        self.engine.receive([Reply("test", f"{text}-{number}", number, "10085", text)])

    def refuse(self, number: Msisdn) -> None:
        self.engine.refuse(RefusalAsked(number, "*", "voice", "desk"))


class Load(Crowd):
    """Desks, subscribers and a worker over one address, until it is closed.

    archive: settled orders leave for it at once, by workers whose clocks are a week ahead, while desks repeat
    their requests · slow: the archive as one of these workers has it · secret: the installation's
    """

    def __init__(
        self, url: str, replicas: int, *, archive: SqlArchive | None = None, slow: SqlArchive | None = None,
        secret: str = SECRET,
    ) -> None:  # fmt: skip
        self.url, self.replicas, self.archive, self.slow, self.secret = url, replicas, archive, slow, secret
        super().__init__(lambda: Inside(self.engine()))
        self.outer = Outer(self.notes, self.questions)

    def begin(self) -> "Load":
        """Start all of them; return itself."""
        self.engine().catalogue.stock(plans_from(None))
        now, ahead = self.engine, partial(self.engine, self.archive, A_WEEK_MS)
        jobs: list[Callable[[], None]] = [lambda: self._worker(now())]
        if self.archive is not None:
            jobs += [lambda: self._repeats(ahead()), lambda: self._leaves(ahead()), lambda: self._seals(now())]
        if self.slow is not None:
            jobs.append(lambda: self._leaves(self.engine(self.slow, A_WEEK_MS)))
        self.start(jobs)
        return self

    def engine(self, archive: SqlArchive | None = None, ahead_ms: int = 0) -> Engine:
        """Return an engine for the calling thread. ahead_ms: how far its clock is ahead."""
        wire = Wire(connect(self.url), proves=True, replicas=self.replicas)
        clock = (lambda: time.time_ns() // 1_000_000 + ahead_ms) if ahead_ms else None
        outside = Outside({"test": self.outer}, dict.fromkeys(SENDERS, ("test",)), SENDERS, self.outer)  # type: ignore[arg-type, dict-item]
        store = redis_store(wire, lease_ms=3_000, clock=clock, seal=Seal(self.secret))
        archive = archive or self.archive
        if archive is not None:
            store = replace(store, archive=archive, log=SqlLog(archive))
        return Engine(
            store, RedisRegistry(wire, clock=clock), Nobody(), outside,  # type: ignore[arg-type] # nothing else is called
            Terms(Policy(retry_base=1_000), SENDERS, frozenset()), self.secret, Pace(startable_s=2.0),
        )  # fmt: skip

    def left(self) -> list[str]:
        """Return acknowledged orders that are no longer in Redis."""
        live = self.engine().store.records.look({Order: list(self.notes.orders)}).of(Order)
        return [order for order in self.notes.orders if order not in live]

    def _repeats(self, engine: Engine) -> None:
        """Repeat acknowledged requests as a desk, the newest mostly, as fast as they are answered.

        Its clock is ahead, too: an order agreed just now is not looked for in an archive that is away.
        """
        while not self.stop.wait(0.001):
            known = len(self.asked)
            if known == 0:
                continue
            asks, order = self.asked[-1 - min(known - 1, int(random.expovariate(0.05)))]
            try:
                again = engine.place(asks)
            except StoreUnavailable as error:
                self.notes.answers[error.code] += 1
            else:
                same = again.order.id == order and not again.created
                self.notes.repeats["same" if same else "another"] += 1

    def _leaves(self, engine: Engine) -> None:
        """Move settled orders."""

        async def moves() -> None:
            while not self.stop.is_set():
                try:
                    await engine.performer.perform(Lane.TIMER, 0.2)
                except ConsentError:
                    self.notes.answers["not moved"] += 1
                await asyncio.sleep(PAUSE_S)
            await engine.performer.land(2)

        asyncio.run(moves())

    def _seals(self, engine: Engine) -> None:
        """Bring the journal into the log."""
        while not self.stop.wait(PAUSE_S):
            try:
                write_out(engine.store, "scribe")
            except ConsentError:
                self.notes.answers["not sealed"] += 1

    def _worker(self, engine: Engine) -> None:
        async def work() -> None:
            while not self.stop.is_set():
                for lane in Lane:
                    try:
                        await engine.performer.perform(lane, 0.2)
                    except (StoreUnavailable, ConsentError):
                        await asyncio.sleep(PAUSE_S)
                await asyncio.sleep(0.01)
            await engine.performer.land(2)

        asyncio.run(work())
