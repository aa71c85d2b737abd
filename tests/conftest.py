"""Parts that all tests share: a hand-driven clock, an engine over the real store, and the rule for skipped tests."""

import asyncio
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from msgspec.structs import replace

from consent_engine.adapters.gateways.shared_settings import as_posted
from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Accepted, Lane, Millis, Outcome, Unavailable, Untaken
from consent_engine.domain.line.holder import Subscriber
from consent_engine.domain.msisdn import Msisdn, parse
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Delivery, DeliveryReport, Reply
from consent_engine.engine.engine import Engine
from consent_engine.engine.read_inbox import reading
from consent_engine.engine.round_trips import drive
from consent_engine.engine.slice import Pace
from consent_engine.ports import Activation, Deactivation, Held, Outside, Sms, Store
from tests import tiers
from tests.in_memory import IN_MEMORY, memory
from tests.longest_first import TogetherScheduling, rank
from tests.memory import a_store, given_back
from tests.plans import sample
from tests.tiers import DEEP
from tests.waiting import PATIENCE
from tests.written_out import listed

# No test fails because the machine is busy, and each run tries the same examples, but for a search.
DRAWN: dict[str, Any] = {"max_examples": 25 * DEEP, "print_blob": True} if DEEP else {"derandomize": True}
settings.register_profile("ours", settings(deadline=None, database=None, **DRAWN))
settings.load_profile("ours")
for name in [name for name in os.environ if name.startswith("CONSENT_") and name != "CONSENT_TESTS_REQUIRE"]:
    del os.environ[name]  # no setting of this machine reaches a test
# Nohup has SIGHUP ignored, a shell's & has SIGINT, and whatever a test starts would inherit that.
for number, usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
for name in ("no_proxy", "NO_PROXY"):  # pip may need a proxy; the tests' servers are reached directly
    os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1,localhost,::1")))

START: Millis = 1_764_000_000_000
NUMBER, OTHER = parse("13800138000"), parse("13900139000")
SECOND = "data-pack-10gb"
"""A second plan of the carrier whose plan is sold when a test names none."""
ANY_AGE: Millis = 10 * 366 * 86_400_000
"""The call age allowed where a test is not about it: as good as unlimited."""
SENDERS = {name: each.outbound for name, each in CARRIERS.items()}


def recording_of(msisdn: str, carrier: str = "mobile") -> str:
    """Return the recording of the call to a number: one recording is one call of one number. It contains no number."""
    return f"rec-{carrier}-{msisdn[-11:].translate(_LETTERS)}"


_LETTERS = str.maketrans("0123456789", "abcdefghij")


def others_of(held: Held) -> list[Held]:
    """Return what is not this lease of an effect: another attempt, the same at other instants, and none at all."""
    return [replace(held, token=held.token + 1), *(replace(held, since=n) for n in (held.since - 1, held.since + 1, 0))]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """With CONSENT_TESTS_REQUIRE=all, make tests fail that would be skipped because something is missing. Wait for less
    time once one has failed.
    """
    skipped = call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception)
    if skipped and os.environ.get("CONSENT_TESTS_REQUIRE") == "all":
        failure = AssertionError(f"not skipped here: {call.excinfo.value}").with_traceback(call.excinfo.tb)
        call.excinfo = pytest.ExceptionInfo.from_exception(failure)
    elif call.excinfo is not None and not skipped:
        PATIENCE.wanes()


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks of the tiers; have the fast ones keep their files in memory: a fifth of their time was syncs."""
    for tier in tiers.Tier:
        config.addinivalue_line("markers", f"{tier}: see tests/tiers.py, which is where a test gets it from")
    is_worker = hasattr(config, "workerinput")  # of xdist: it has the environment of the process that began it
    if not is_worker and (kept := memory()):
        folder = os.environ[IN_MEMORY] = tempfile.mkdtemp(prefix="tests-", dir=kept)
        # After multiprocessing's own folder, which lies in it.
        Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-200)
        if tiers.asked(config.option.markexpr) == {tiers.Tier.FAST}:
            tempfile.tempdir = os.environ["TMPDIR"] = folder


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file of which no test is asked for: to import all that the others need takes a while."""
    if collection_path.suffix != ".py":
        return None
    there = tiers.tiers_in(collection_path.relative_to(config.rootpath).as_posix())
    return True if there and there.isdisjoint(tiers.asked(config.option.markexpr)) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage only afterwards, and never in what was collected: it stays to the end, and is most of all."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)  # mutations are tried without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    """Keep together what shares an installation."""
    return TogetherScheduling(config, log)


@pytest.hookimpl(tryfirst=True)  # before those with another tier than is asked for are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier; run the longest files first, each file whole and in its own order."""
    for item in items:
        tier = tiers.tier_of_item(item)
        if tier is None:
            raise pytest.UsageError(f"{item.location[0]} has no tier: give it one in tests/tiers.py")
        item.add_marker(tier.value)  # as plain text: xdist sends it on
    items.sort(key=rank)


@dataclass(slots=True)
class Clock:
    """A clock that moves only when the test moves it."""

    now: Millis = START

    def __call__(self) -> Millis:
        return self.now

    def forward(self, milliseconds: int = 0, *, seconds: float = 0, hours: float = 0) -> None:
        self.now += milliseconds + int(seconds * 1000) + int(hours * 3_600_000)


@dataclass
class FakeGateway:
    """A gateway that keeps every SMS it is handed, and answers as the test says."""

    name: str = "test"
    sub_numbers: bool = False
    segments: int = 255
    reports: bool = False
    sent: list[Sms] = field(default_factory=list)
    answers: list[Outcome | Callable[[Sms], Outcome]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    webhooks: Any = None

    async def send(self, sms: Sms) -> Outcome:
        self.sent.append(sms)
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else Accepted(f"m{len(self.sent)}")
        return answer(sms) if callable(answer) else answer


@dataclass
class FakeBss:
    """A BSS that keeps every request, and answers as the test says."""

    name: str = "test"
    asked: list[Activation] = field(default_factory=list)
    answers: list[Outcome | Callable[[], Outcome]] = field(default_factory=list)
    knows: dict[str, Outcome] = field(default_factory=dict)
    can_ask: bool = False
    """whether it can also be asked about orders that it does not know"""
    ended: list[Deactivation] = field(default_factory=list)
    end_answers: list[Outcome] = field(default_factory=list)

    async def activate(self, activation: Activation) -> Outcome:
        self.asked.append(activation)
        answer = self.answers.pop(0) if self.answers else Accepted(f"act-{activation.order_id}", "2025-11-25")
        return answer() if callable(answer) else answer

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        self.ended.append(deactivation)
        return self.end_answers.pop(0) if self.end_answers else Accepted(f"off-{deactivation.ending_id}", "2025-12-01")

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        return await self.ask(ending_id)

    async def ask(self, order_id: str) -> Outcome | None:
        return self.knows.get(order_id, Untaken("unknown") if self.can_ask else None)


@dataclass
class FakeSubscribers:
    """A subscriber look-up that gives the test's answers in turn, and repeats the last one."""

    name: str = "test/lookup"
    answers: list[Subscriber | Unavailable] = field(default_factory=lambda: [Subscriber("mobile", 0)])
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    """called during each look-up"""

    async def look_up(self, msisdn: str) -> Subscriber | Unavailable:
        self.asked.append(msisdn)
        self.meanwhile()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class FakeQueue:
    """A queue that remembers wake-ups."""

    woken: list[Lane] = field(default_factory=list)

    def wake(self, lane: Lane, due: int, *, more: bool = False) -> None:
        self.woken.append(lane)

    def stays(self, lanes) -> bool:
        return False

    def leaves(self, lanes) -> None:
        """Do nothing: no worker stays."""

    def room(self) -> None:
        """Return None: its server cannot be asked."""


class World:
    """An engine over the real store, with a gateway and a BSS that the test controls."""

    call_age = ANY_AGE
    permits_required = False
    proves = False
    """Whether its engines prove what they acknowledge, as with `strict`."""
    subscribers: FakeSubscribers | None = None

    def __init__(
        self,
        client: Any,
        policy: Policy | None = None,
        *,
        clock: Clock | None = None,
        cell: Cell | None = None,
        sub_numbers: frozenset[str] = frozenset(),
    ) -> None:
        self.cell = cell or Cell()
        self.sub_numbers = sub_numbers
        self.clock = clock or Clock()
        self.gateway, self.bss, self.queue = FakeGateway(), FakeBss(), FakeQueue()
        self.gateways: dict[str, FakeGateway] = {}  # further ones, each of the carrier that it is named after
        self.lists: dict[str, tuple[str, ...]] = {}  # of carriers that have several
        self.rates: dict[str, int] = {}
        self.client = client
        self.policy = policy or Policy(retry_base=1_000)
        self.engine = self.another()
        self.engine.catalogue.stock(sample())
        self.keys = 0
        self.runner = asyncio.Runner()  # a performer must stay on one event loop

    def another(self, store: Store | None = None) -> Engine:
        """Return another engine on the same data, as another process would have. store: used instead of a new one"""
        wire, seal = Wire(self.client, proves=self.proves, replicas=0), Seal("test-secret")
        store = store or redis_store(wire, lease_ms=60_000, clock=self.clock, cell=self.cell, seal=seal)
        return Engine(
            listed(store, self.client, [self.cell], seal),
            RedisRegistry(wire, clock=self.clock, prefix=self.cell.shared),
            self.queue,
            self.outside(),
            Terms(
                self.policy,
                SENDERS,
                self.sub_numbers,
                dict.fromkeys(SENDERS, self.gateway.segments),
                call_age=self.call_age,
                reports=frozenset(SENDERS if self.gateway.reports else ()),
            ),
            "test-secret",
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )

    def outside(self) -> Outside:
        return Outside(
            {"test": self.gateway, **self.gateways},
            {each: self.lists.get(each, (each if each in self.gateways else "test",)) for each in SENDERS},
            SENDERS,
            self.bss,
            self.subscribers,
            rates=self.rates,
        )

    def rest(self, seconds: float) -> None:
        """Nobody else goes on while a test waits: what would happen meanwhile is what a test does here instead."""

    def request(self, msisdn: str = NUMBER, plan: str = "5g-smart-199", **call: str) -> PlaceOrder:
        carrier = self.engine.plan(plan).plan.carrier
        details = {
            "caller_number": SENDERS[carrier],
            "recording_id": recording_of(msisdn, carrier),
            "started_at": "2025-11-24T23:50:00+08:00",
            "agreed_at": "2025-11-24T23:55:00+08:00",
            **call,
        }
        return PlaceOrder.read({"msisdn": msisdn, "plan": plan, "agent": "A1024", "call": details})

    def place(self, msisdn: str = NUMBER, plan: str = "5g-smart-199", key: str = "") -> Order:
        self.keys += 1
        wanted = Placing("desk", key or f"key-{self.keys}", self.request(msisdn, plan))
        return self.engine.place(wanted).order

    def two_asked(self) -> tuple[Order, Order]:
        """Place two orders of one number and one sender, and send their questions."""
        orders = self.place(), self.place(plan=SECOND)
        self.run()
        return orders

    def run(self, *lanes: Lane, engine: Engine | None = None) -> None:
        """Perform these lanes (all if none is named) until nothing is due."""

        async def slices() -> None:
            performer = (engine or self.engine).performer
            for _ in range(50):
                self.clock.forward(20)  # calls take a moment
                due = self.due()
                if not any(due[lane] for lane in lanes or tuple(Lane)):
                    return
                for lane in lanes or tuple(Lane):
                    await performer.perform(lane, 5)
                await performer.land(5)

        self.runner.run(slices())

    def due(self) -> dict[Lane, int]:
        return {lane: depth.due for lane, depth in self.engine.store.lanes.depths().items()}

    def say(self, text: str, msisdn: str = NUMBER, to: str = "10085", message_id: str = "", **more: Any) -> bool:
        """Deliver a subscriber's message to the engine; False when it is a repeat."""
        self.keys += 1
        named = message_id or f"mo-{self.keys}"
        post = as_posted({"message_id": named, "from": msisdn, "to": to, "text": text})
        reply = Reply("test", named, Msisdn(msisdn), to, text, **{"posted": post, **more})
        return self.engine.receive([reply])[0].is_new

    def report(self, order: Order, status: Delivery, effect: str = "confirmation.1", **more: Any) -> bool:
        ref = f"{order.id}.{effect}"
        sent = [n for n, sms in enumerate(self.gateway.sent, 1) if sms.ref == ref]
        report = DeliveryReport("test", ref, more.pop("message_id", f"m{sent[-1] if sent else 1}"), status, **more)
        return self.engine.receive([report])[0].is_new

    def read_now(self) -> None:
        """Read the messages waiting in the inboxes, as another worker does during a call."""
        for leased in self.engine.store.lanes.lease(Lane.INBOUND, 9):
            drive(self.engine.store, [reading(leased, 5)])

    def state(self, order: Order) -> str:
        return self.engine.show(order.id).state.value

    def triggers(self, order: Order) -> list[str]:
        return [event.trigger.value for event in self.engine.show(order.id).events]

    def texts(self, purpose: str) -> list[str]:
        return [sms.text for sms in self.gateway.sent if sms.purpose == purpose]


@pytest.fixture(autouse=True)
def stores() -> Iterator[None]:
    """Take back a test's stores when it has ended."""
    with given_back():
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world() -> Iterator[World]:
    """Make a world over an empty store."""
    made = World(a_store())
    yield made
    made.runner.close()
