"""Failovers behind Sentinel while orders, yeses, STOPs and refusals come in: is what was told there afterwards?

Real servers: a master, two replicas, three sentinels; desks, subscribers and a worker are threads of this process, each
with an engine of its own over the strict store. At the end of every failover three rules are looked at:

    1. every order that was acknowledged is there;
    2. every refusal that was acknowledged (STOP, voice) stands;
    3. no first call to the BSS began after a STOP of its number was acknowledged, but those under way: the BSS here can
       be asked, so an activation whose lease was lost in the failover is none of these where it knows nothing of it.

    python -m benchmarks.promises.failovers --replicas 0 1 2 --rounds 3
    python -m benchmarks.promises.failovers --cost
"""

import argparse
import asyncio
import itertools
import queue
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis.exceptions import RedisError

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.request import PlaceOrder, Placing
from consent_engine.domain.effects import Accepted, Lane, Outcome, Untaken
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.sms import Reply
from consent_engine.engine.calls_in_flight import LOOK_AGAIN_S
from consent_engine.engine.engine import Engine, RefusalAsked
from consent_engine.engine.limits import Pace
from consent_engine.errors import ConsentError, OrderNotFound, StoreUnavailable
from consent_engine.ports import Activation, Outside, Sms
from consent_engine.wiring import plans_from
from tests.durability.servers import Server, Watched, watched

SECRET, SENDERS = "secret-of-the-failovers", {"mobile": "10085", "telecom": "10001", "unicom": "10016"}
DESKS, ORDERS_S = 2, 30
UNDER_WAY_S = LOOK_AGAIN_S + 0.1
"""What began so long after a STOP was acknowledged was under way: that long a call may take from its last look."""
PAUSE_S, CALM_S = 0.05, 60
ALONE, BATCH, BATCHES = 300, 500, 4
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

    def broken(self, engine: Engine) -> Counter[str]:
        """The rules, over all that was noted: what broke."""
        found: Counter[str] = Counter()
        for order in list(self.orders):
            try:
                engine.show(order)
            except OrderNotFound:
                found["orders lost"] += 1
        for number in list(self.refused):
            found["refusals lost"] += not engine.line(number).restrictions
        for order, at in list(self.called.items()):
            stop = self.stops.get(self.orders.get(order, Msisdn("")))
            found["called after a STOP"] += stop is not None and at > stop + UNDER_WAY_S
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
    """Desks, subscribers and a worker over one address, until it is closed."""

    def __init__(self, url: str, replicas: int, *, works: bool = True) -> None:
        self.url, self.replicas = url, replicas
        self.notes = Notes()
        self.outer = Outer(self.notes)
        self.stop = threading.Event()
        self.numbers = itertools.count()
        jobs: list[Callable[[Engine], None]] = [*[self._desk] * DESKS, *[self._subscriber] * 2, self._worker]
        jobs = jobs if works else []
        self.engine().catalogue.stock(plans_from(None))
        self.threads = [threading.Thread(target=self._run, args=(job,), daemon=True) for job in jobs]
        for each in self.threads:
            each.start()

    def close(self) -> None:
        self.stop.set()
        for each in self.threads:
            each.join(30)

    def engine(self) -> Engine:
        """One for the thread that asks."""
        wire = Wire(connect(self.url), proves=True, replicas=self.replicas)
        outside = Outside({"test": self.outer}, dict.fromkeys(SENDERS, "test"), SENDERS, self.outer)  # type: ignore[arg-type, dict-item]
        policy = Policy(retry_base=1_000)
        return Engine(
            redis_store(wire, lease_ms=3_000), RedisRegistry(wire), Nobody(), outside,
            Terms(policy, SENDERS, frozenset()), SECRET, Pace(startable_s=2.0),
        )  # fmt: skip

    def _run(self, job: Callable[[Engine], None]) -> None:
        job(self.engine())

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
            began, wanted = time.monotonic(), _wanted(next(self.numbers))

            def place(wanted: Placing = wanted) -> None:
                asked = time.monotonic()
                self.notes.orders[engine.place(wanted).order.id] = Msisdn(wanted.request.msisdn)
                self.notes.took.append(time.monotonic() - asked)

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


def _wanted(n: int) -> Placing:
    """What a desk asks for that has just agreed something with the n-th subscriber."""
    now = datetime.now(UTC)
    call = {"caller_number": "10085", "recording_id": f"rec-{n}"}
    call |= {"started_at": (now - timedelta(minutes=4)).isoformat(), "agreed_at": now.isoformat()}
    asked = {"msisdn": f"+86138{n:08d}", "plan": "5g-smart-199", "agent": "A1", "call": call}
    return Placing("desk", f"key-{n}", PlaceOrder.read(asked))


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def kill(trio: Watched) -> None:
    """The master dies; it is started again when another was promoted."""
    old = trio.master()
    old.kill()
    _until(lambda: _promoted(trio, old))
    old.start()


def freeze(seconds: float) -> Callable[[Watched], None]:
    """The master stands still, as a machine that pauses."""

    def fault(trio: Watched) -> None:
        old = trio.master()
        if old.process is not None:
            old.process.send_signal(signal.SIGSTOP)
            try:
                time.sleep(seconds)
            finally:
                old.process.send_signal(signal.SIGCONT)

    return fault


def cut_from_sentinels(trio: Watched) -> None:
    """The sentinels, and they alone, cannot speak to the master, until they have promoted another, and a while on."""
    old = trio.master()
    old.do("ACL", "SETUSER", "default", "-ping", "-info", "-hello", "-multi", "-replicaof", "-slaveof", "-config")
    try:
        _until(lambda: trio.named() not in [None, old])
        time.sleep(2)
    finally:
        _engine_says(old, "ACL", "SETUSER", "default", "+@all")


def cut_from_replicas(trio: Watched) -> None:
    """No replica can follow the master for a while, then it dies."""
    for replica in trio.replicas():
        replica.do("CONFIG", "SET", "masterauth", "nobody knows this one")
    old = trio.master()
    old.do("CLIENT", "KILL", "TYPE", "replica")
    time.sleep(1)
    old.kill()
    _until(lambda: _promoted(trio, old))
    old.start()
    for (
        each
    ) in trio.servers:  # the old one, too: a sentinel may have had it keep what it was told while it was a replica
        each.do("CONFIG", "SET", "masterauth", "")


FAULTS: dict[str, Callable[[Watched], None]] = {
    "killed": kill, "frozen 2 s": freeze(2), "frozen 5 s": freeze(5), "frozen 20 s": freeze(20),
    "cut from Sentinel": cut_from_sentinels, "cut from replicas, killed": cut_from_replicas,
}  # fmt: skip


def _promoted(trio: Watched, old: Server) -> bool:
    named = trio.named()
    return named is not None and named is not old and named.do("ROLE")[0] == "master"


def _engine_says(server: Server, *command: str) -> None:
    """As the user of the engine, who may everything."""
    with connect(f"redis://engine:p%40ss%2Fword@127.0.0.1:{server.port}/0") as client:
        client.execute_command(*command)


def _until(look: Callable[[], bool], seconds: float = CALM_S) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if look():
                return
        except (RedisError, OSError):
            pass
        time.sleep(PAUSE_S)
    raise TimeoutError("it is not so")


# -- a run -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What one failover cost. away: seconds without an acknowledged order."""

    fault: str
    replicas: int
    orders: int
    refused: int
    broken: Counter[str]
    away: float
    p99_ms: float


@contextmanager
def servers() -> Iterator[Watched]:
    """A master with two replicas behind three sentinels, for runs."""
    with (
        tempfile.TemporaryDirectory(prefix="failovers-") as folder,
        watched(Path(folder), "appendfsync always") as trio,
    ):
        yield trio


def run(trio: Watched, fault: str, replicas: int, before_s: float = 2.0, after_s: float = 3.0) -> Run:
    """One failover under load, from calm to calm."""
    trio.calm(2)
    trio.master().do("FLUSHALL")
    load = Load(trio.url, replicas)
    try:
        _until(lambda: len(load.notes.orders) > 0)
        time.sleep(before_s)
        steady = sorted(load.notes.took)
        had, began = len(load.notes.orders), time.monotonic()
        FAULTS[fault](trio)
        trio.calm(2)
        had = max(had, 1)
        _until(lambda: len(load.notes.orders) > had)
        away = time.monotonic() - began
        time.sleep(after_s)
    finally:
        load.close()
    trio.calm(2)
    broken = load.notes.broken(load.engine())
    p99 = steady[int(len(steady) * 0.99)] * 1000 if steady else 0.0
    return Run(fault, replicas, len(load.notes.orders), len(load.notes.refused), broken, away, p99)


def cost(trio: Watched, replicas: int) -> str:
    """What a proof by so many replicas costs: orders one by one, and in batches, by one process."""
    trio.calm(2)
    trio.master().do("FLUSHALL")
    engine = Load(trio.url, replicas, works=False).engine()
    took = []
    for n in range(ALONE):
        wanted, began = _wanted(n), time.monotonic()
        engine.place(wanted)
        took.append(time.monotonic() - began)
    took.sort()
    batches = [[_wanted(ALONE + BATCH * each + n) for n in range(BATCH)] for each in range(BATCHES)]
    began = time.monotonic()
    for each in batches:
        engine.place_many(each)
    rate = BATCH * BATCHES / (time.monotonic() - began)
    half, most = took[ALONE // 2] * 1000, took[int(ALONE * 0.99)] * 1000
    return f"R={replicas}: one by one {half:.1f} ms, p99 {most:.1f} ms; in batches of {BATCH} {rate:.0f} orders/s\n"


def main() -> int:
    """Runs and their table. Status 1 when a rule broke where every replica proves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--cost", action="store_true", help="only what a proof costs, with no failover")
    wanted = parser.parse_args()
    worst = 0
    with servers() as trio:
        if wanted.cost:
            sys.stdout.writelines(cost(trio, replicas) for replicas in wanted.replicas)
            return 0
        for fault, replicas in itertools.product(wanted.faults, wanted.replicas):
            for _ in range(wanted.rounds):
                one = run(trio, fault, replicas)
                told = ", ".join(f"{n} {what}" for what, n in one.broken.items()) or "nothing broken"
                sys.stdout.write(
                    f"{fault}, R={replicas}: {one.orders} orders, {one.refused} refusals acknowledged: {told}; "
                    f"{one.away:.1f} s, p99 {one.p99_ms:.0f} ms\n"
                )
                sys.stdout.flush()
                worst |= bool(one.broken) and replicas >= len(trio.servers) - 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
