"""People who are told something while servers fail, and the rules by which that is looked at afterwards.

Desks, subscribers and workers are threads of this process, each with an engine of its own over the strict store; what
they were told stands in `Notes`. The rules:

    1. every order that was acknowledged is there, whole, wherever it is kept by now;
    2. every refusal that was acknowledged (STOP, voice) stands;
    3. no first call to the BSS began after a STOP of its number was acknowledged, but those under way: the BSS here can
       be asked, so an activation whose lease was lost is none of these where it knows nothing of it;
    4. a request that is repeated is the order it was.
"""

import asyncio
import itertools
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.config.plan_file import plans_from
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.request import PlaceOrder, Placing
from consent_engine.domain.effects import Accepted, Lane, Outcome, Untaken
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.seal import Seal, sound
from consent_engine.domain.sms import Reply
from consent_engine.engine.calls_in_flight import LOOK_AGAIN_S
from consent_engine.engine.engine import Engine, RefusalAsked
from consent_engine.engine.limits import Pace
from consent_engine.engine.sealing import seal
from consent_engine.errors import ConsentError, OrderNotFound, StoreUnavailable
from consent_engine.ports import Activation, Outside, Sms

SECRET, SENDERS = "secret-of-the-failovers", {"mobile": "10085", "telecom": "10001", "unicom": "10016"}
DESKS, ORDERS_S = 2, 30
UNDER_WAY_S = LOOK_AGAIN_S + 0.1
"""What began so long after a STOP was acknowledged was under way: that long a call may take from its last look."""
PAUSE_S = 0.05
A_WEEK_MS = 7 * 24 * 3_600_000
YES_THEN_STOPS, STOPS, REFUSES = 1, 2, 3
"""Of four subscribers; the first says yes."""


@dataclass
class Notes:
    """What people were told, and when the BSS was first called: by clocks of this process."""

    orders: dict[str, Msisdn] = field(default_factory=dict)
    refused: dict[Msisdn, float] = field(default_factory=dict)
    stops: dict[Msisdn, float] = field(default_factory=dict)
    called: dict[str, float] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    repeats: Counter[str] = field(default_factory=Counter)

    def broken(self, engine: Engine) -> Counter[str]:
        """The rules, over all that was noted: what broke."""
        found: Counter[str] = Counter()
        for order in list(self.orders):
            try:
                found["orders that are not whole"] += not sound(engine.show(order))
            except OrderNotFound:
                found["orders lost"] += 1
        for number in list(self.refused):
            found["refusals lost"] += not engine.line(number).restrictions
        for order, at in list(self.called.items()):
            stop = self.stops.get(self.orders.get(order, Msisdn("")))
            found["called after a STOP"] += stop is not None and at > stop + UNDER_WAY_S
        found["repeats that were another order"] = self.repeats["another"]
        return +found


@dataclass
class Outer:
    """A gateway and a BSS that take everything, and tell what they were asked."""

    notes: Notes
    asked: "queue.SimpleQueue[Sms]" = field(default_factory=queue.SimpleQueue)
    name: str = "test"
    sub_numbers: bool = False
    segments: int = 255
    webhooks: None = None

    async def send(self, sms: Sms) -> Outcome:
        if sms.purpose == "confirmation":
            self.asked.put(sms)
        return Accepted(sms.ref)

    async def activate(self, activation: Activation) -> Outcome:
        self.notes.called.setdefault(activation.order_id, time.monotonic())
        return Accepted(f"act-{activation.order_id}", "2025-11-25")

    async def ask(self, order_id: str) -> Outcome | None:
        known = order_id in self.notes.called
        return Accepted(f"act-{order_id}", "2025-11-25") if known else Untaken("unknown")

    async def close(self) -> None:
        """Nothing to give back."""


class Nobody:
    """Wakes nobody: the worker looks at every lane by itself."""

    def wake(self, lane: Lane, due: int) -> None:
        """Nothing."""


class Load:
    """Desks, subscribers and a worker over one address, until it is closed.

    archive: orders that have settled leave for it at once, by workers whose clocks are a week ahead, while desks repeat
    what they asked for · slow: the archive as one of these workers has it · secret: the installation's
    """

    def __init__(
        self, url: str, replicas: int, *, archive: SqlArchive | None = None, slow: SqlArchive | None = None,
        secret: str = SECRET,
    ) -> None:  # fmt: skip
        self.url, self.replicas, self.archive, self.slow, self.secret = url, replicas, archive, slow, secret
        self.notes = Notes()
        self.outer = Outer(self.notes)
        self.stop = threading.Event()
        self.numbers = itertools.count()
        self.asked: list[tuple[Placing, str]] = []
        self.defects: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def begin(self) -> "Load":
        """They begin; itself."""
        self.engine().catalogue.stock(plans_from(None))
        now, ahead = self.engine, partial(self.engine, self.archive, A_WEEK_MS)
        jobs: list[Callable[[], None]] = [lambda: self._desk(now())] * DESKS
        jobs += [*[lambda: self._subscriber(now())] * 2, lambda: self._worker(now())]
        if self.archive is not None:
            jobs += [lambda: self._repeats(ahead()), lambda: self._leaves(ahead()), lambda: self._seals(now())]
        if self.slow is not None:
            jobs.append(lambda: self._leaves(self.engine(self.slow, A_WEEK_MS)))
        self.threads = [threading.Thread(target=self._run, args=(job,), daemon=True) for job in jobs]
        for each in self.threads:
            each.start()
        return self

    def close(self) -> None:
        """Everybody stops. Raises what a thread died of: a defect of the engine, or of this one."""
        self.stop.set()
        for each in self.threads:
            each.join(30)
        if self.defects:
            raise self.defects[0]

    def engine(self, archive: SqlArchive | None = None, ahead_ms: int = 0) -> Engine:
        """One for the thread that asks. ahead_ms: how far its clock is ahead."""
        wire = Wire(connect(self.url), proves=True, replicas=self.replicas)
        clock = (lambda: time.time_ns() // 1_000_000 + ahead_ms) if ahead_ms else None
        outside = Outside({"test": self.outer}, dict.fromkeys(SENDERS, "test"), SENDERS, self.outer)  # type: ignore[arg-type, dict-item]
        store = redis_store(wire, lease_ms=3_000, clock=clock, seal=Seal(self.secret))
        archive = archive or self.archive
        if archive is not None:
            store = replace(store, archive=archive, log=SqlLog(archive))
        return Engine(
            store, RedisRegistry(wire, clock=clock), Nobody(), outside,
            Terms(Policy(retry_base=1_000), SENDERS, frozenset()), self.secret, Pace(startable_s=2.0),
        )  # fmt: skip

    def left(self) -> list[str]:
        """Acknowledged orders that Redis has no more."""
        live = self.engine().store.records.live(list(self.notes.orders))[1]
        return [order for order in self.notes.orders if order not in live]

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - whatever it is: it is the finding
            self.defects.append(error)

    def _told(self, act: Callable[[], None]) -> bool:
        """Do it again until it is acknowledged; whether it was."""
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

    def _desk(self, engine: Engine) -> None:
        while not self.stop.is_set():
            began, asks = time.monotonic(), wanted(next(self.numbers))

            def place(asks: Placing = asks) -> None:
                asked = time.monotonic()
                order = engine.place(asks).order.id
                self.notes.orders[order] = Msisdn(asks.request.msisdn)
                self.notes.took.append(time.monotonic() - asked)
                self.asked.append((asks, order))

            self._told(place)
            self.stop.wait(max(0.0, DESKS / ORDERS_S - (time.monotonic() - began)))

    def _subscriber(self, engine: Engine) -> None:
        """Of four: one says yes, one yes and STOP, one STOP, one yes and then refuses by voice."""
        while not self.stop.is_set():
            try:
                sms = self.outer.asked.get(timeout=PAUSE_S)
            except queue.Empty:
                continue
            self._answers(engine, Msisdn(sms.to), int(sms.to[-2:]) % 4)

    def _answers(self, engine: Engine, number: Msisdn, kind: int) -> None:
        if kind != STOPS:
            self._told(lambda: self._say(engine, number, "是"))
        if kind in {YES_THEN_STOPS, STOPS} and self._told(lambda: self._say(engine, number, "TD")):
            self.notes.stops[number] = self.notes.refused[number] = time.monotonic()
        if kind == REFUSES and self._told(lambda: self._refuse(engine, number)):
            self.notes.refused[number] = time.monotonic()

    def _refuse(self, engine: Engine, number: Msisdn) -> None:
        engine.refuse(RefusalAsked(number, "*", "voice", "desk"))

    def _say(self, engine: Engine, number: Msisdn, text: str) -> None:
        engine.receive([Reply("test", f"{text}-{number}", number, "10085", text)])

    def _repeats(self, engine: Engine) -> None:
        """A desk that sends what was acknowledged once more, the newest mostly, as fast as it is answered.

        Its clock is ahead, too: what was agreed just now is not looked for in an archive that is away.
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
        """What has settled is moved."""

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
        """The journal is brought into the log."""
        while not self.stop.wait(PAUSE_S):
            try:
                seal(engine.store, "sealer")
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


def wanted(n: int) -> Placing:
    """What a desk asks for that has just agreed something with the n-th subscriber."""
    now = datetime.now(UTC)
    call = {"caller_number": "10085", "recording_id": f"rec-{n}"}
    call |= {"started_at": (now - timedelta(minutes=4)).isoformat(), "agreed_at": now.isoformat()}
    asked = {"msisdn": f"+86138{n:08d}", "plan": "5g-smart-199", "agent": "A1", "call": call}
    return Placing("desk", f"key-{n}", PlaceOrder.read(asked))
