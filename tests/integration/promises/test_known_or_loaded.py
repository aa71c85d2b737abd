"""The same history with orders known and with all of them loaded: nothing that anybody can see may differ.

Two workers stay awake; people, reports, deaths, the other worker and jumps of the store's clock come between their
looks, and between the two halves of a step.
"""

import asyncio
import random
from types import MappingProxyType

import pytest
from msgspec.structs import replace

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.effects import Accepted, Lane, Rejected, Unavailable, Uncertain
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Delivery
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.order_cache import OrderCache
from consent_engine.engine.slice import Pace
from consent_engine.errors import ConsentError
from tests.conftest import NUMBER, OTHER, SECOND, World
from tests.integration.promises.machine import for_a_slice, jumping_loop
from tests.memory import a_store, given_back
from tests.tiers import DEEP

STEPS = 40
LOOKED_AT = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
OUTCOMES = (*[Accepted("m")] * 3, Rejected("no"), Unavailable("busy"), Uncertain("timeout"))
WORDS = ("是", "是", "是{}", "否", "TD", "嗯", "我要投诉", "帮助", "{}")
EFFECTS = ("confirmation.1", "confirmation.1", "confirmation.2", "notification.1", "clarification.1")
STATUSES = (*[Delivery.DELIVERED] * 2, Delivery.FAILED, Delivery.ACCEPTED)
SEGMENTS = ((1, 1), (1, 1), (1, 2), (2, 2))
MOMENTS = (*[125, 250] * 4, 500, 875, 61_000, 601_000, 46_800_000)
"""ms: eighths of seconds, so that no two ways to compute an instant round it differently."""
STEP = MappingProxyType(
    {"place": 1, "say": 5, "report": 5, "look": 9, "end": 4, "act": 2, "timers": 1, "passes": 2, "between": 3}
)
ACTS = ("cancel", "resend", "retry", "give_up", "voice", "gone", "dies", "reach", "other", "other", "second", "held")


class Loaded(OrderCache):
    """No order is ever known."""

    def of(self, order_id):
        return None


class Counted(OrderCache):
    """Known orders, counted when they are asked for. hits: how many were known"""

    hits = 0

    def of(self, order_id):
        found = super().of(order_id)
        self.hits += found is not None
        return found


class Story:
    """A history, drawn from a seed; the draws never depend on what happens."""

    def __init__(self, seed, knowing, jumps):
        self.rng, self.jumps, self.ahead = random.Random(seed), jumps, 0  # noqa: S311 - a history
        self.world = World(a_store())
        self.world.runner = asyncio.Runner(loop_factory=jumping_loop)
        self.world.gateway.send, self.world.bss.activate = self.send, self.activate
        self.desk = self.world.engine = self.engine()
        self.orders, self.calls, self.refs, self.asked, self.met = [], [], [], [], []
        self.known, self.todo, self.workers = [], None, []
        for _ in range(2):
            self.workers.append(self.worker(knowing))

    def engine(self):
        wire = Wire(self.world.client, proves=False, replicas=0)
        clock = lambda: self.world.clock() + self.ahead  # noqa: E731
        return self.world.another(redis_store(wire, lease_ms=60_000, clock=clock, seal=Seal("test-secret")))

    def worker(self, knowing):
        engine = self.engine()
        performer, save = engine.performer, engine.store.records.commit
        performer.awake = frozenset(LOOKED_AT)
        performer._known = knowing(Pace(watch=performer._watch), lambda: True)  # noqa: SLF001
        self.known.append(performer._known)  # noqa: SLF001

        def commit(some, **more):
            todo, self.todo = self.todo, None
            if todo:
                todo()
            return save(some, **more)

        if not self.workers:  # the other one acts, too
            engine.store.records.commit = commit
        return engine

    async def send(self, sms):
        self.refs.append(sms.ref)
        return await self.ended(sms.ref)

    async def activate(self, activation):
        self.asked.append(activation.order_id)
        return await self.ended(activation.order_id)

    async def ended(self, ref):
        call = asyncio.get_running_loop().create_future()
        self.calls.append((ref, call))
        return await call

    def drawn(self):
        draw = self.rng.choice
        return {
            "order": draw(self.orders) if self.orders else None,
            "number": draw((NUMBER, NUMBER, OTHER)), "plan": draw(("5g-smart-199", SECOND)), "words": draw(WORDS),
            "effect": draw(EFFECTS), "status": draw(STATUSES), "part": draw(SEGMENTS), "worker": draw((0, 0, 0, 1)),
            "outcomes": [draw(OUTCOMES) for _ in range(draw((0, 1, 2)))], "act": draw(ACTS),
            "lane": draw((Lane.SMS, Lane.ACTIVATION, Lane.INBOUND)), "ms": draw(MOMENTS),
        }  # fmt: skip

    def step(self):
        what = self.rng.choices([*STEP], [*STEP.values()])[0]
        self.now, jumped = self.drawn(), self.jumps and self.rng.random() < 0.15
        self.ahead += 61_000 * jumped
        try:
            getattr(self, "place" if self.now["order"] is None else what)()
        except ConsentError as error:
            self.met.append(type(error).__name__)
        self.world.clock.forward(self.rng.choice((0, 0, 125)))

    def place(self):
        self.orders.append(self.world.place(self.now["number"], self.now["plan"]))

    def say(self):
        order = self.now["order"]
        self.world.say(self.now["words"].format(order.doc.code), order.person.msisdn, order.doc.offer.sender)

    def report(self):
        self.reported(self.now["order"], self.now["effect"], self.now["status"], *self.now["part"])

    def reported(self, order, effect, status, segment, segments):
        name = f"m{len(self.refs) % 3}"
        if f"{order.id}.{effect}" in self.refs:
            self.world.report(order, status, effect, message_id=name, segment=segment, segments=segments)

    def look(self):
        async def looks():
            self.workers[self.now["worker"]].performer.look(LOOKED_AT)

        self.world.runner.run(looks())
        self.end()

    def end(self):
        for outcome in self.now["outcomes"]:
            under_way = sorted((ref, n) for n, (ref, call) in enumerate(self.calls) if not call.done())
            if under_way:
                self.calls[under_way[0][1]][1].set_result(outcome)
        for worker in self.workers:
            self.world.runner.run(for_a_slice(worker.performer.land(5)))

    def timers(self):
        self.world.runner.run(for_a_slice(self.desk.performer.perform(Lane.TIMER, 5)))

    def passes(self):
        self.world.clock.forward(self.now["ms"])

    def act(self):
        async def acts():
            self.acts(self.now)

        self.world.runner.run(acts())

    def between(self):
        """Have something happen right before the first worker's next commit."""
        now = self.now
        self.todo = lambda: self.acts(now)

    def acts(self, now):
        order, desk = now["order"], self.desk
        number, carrier = order.person.msisdn, order.doc.carrier
        held = [each.id for each in desk.held()[0]][:1]
        ways = {
            "cancel": lambda: desk.cancel(order.id, "A1024", "no"),
            "resend": lambda: desk.resend(order.id, "A1024"),
            "retry": lambda: desk.retry(order.id, "ops"),
            "give_up": lambda: desk.give_up(order.id, "ops", "gone"),
            "voice": lambda: desk.refuse(RefusalAsked(number, carrier, "voice", "A1024")),
            "gone": lambda: desk.line_event(LineEventAsked(number, LineEvent.ASSIGNED, self.world.clock(), "ops")),
            "dies": lambda: desk.store.lanes.lease(now["lane"], 1),
            "reach": lambda: self.reported(order, "confirmation.1", Delivery.DELIVERED, 1, 1),
            "other": lambda: self.workers[1].performer.look(LOOKED_AT),
            "second": lambda: self.world.place(number, SECOND),
            "held": lambda: desk.decide_held(held, refusal=False, by="ops-1", reason="asks for the price"),
        }
        try:
            ways[now["act"]]()
        except ConsentError as error:
            self.met.append(type(error).__name__)

    def seen(self):
        """Return all that can be seen of a history; not the instants where clocks differed."""
        exact, client = not self.jumps, self.world.client
        due = [client.zrange(each, 0, -1, withscores=True) for each in Cell().due.values()]
        return {
            "orders": [_seen(self.desk.show(order.id), exact=exact) for order in self.orders],
            "due": [sorted((name, exact and at) for name, at in some) for some in due],
            "calls": (sorted(self.refs), sorted(self.asked)),
            "met": self.met,
            "unmatched": client.xlen("ce:{0}:unmatched"),
        }

    def told(self):
        try:
            for _ in range(STEPS):
                self.step()
            return self.seen()
        finally:
            for task in asyncio.all_tasks(self.world.runner.get_loop()):
                task.cancel()
            self.world.runner.close()


def _seen(order, *, exact):
    """Return an order as it is compared. Of two calls that ended at once, either may be recorded first."""
    events = sorted(repr((each.trigger, each.by, exact and (each.at, _detail(each)))) for each in order.events)
    effects = {name: (p.attempts, p.doubts, p.parked, p.why, p.leased_at > 0) for name, p in order.effects.items()}
    return order.state, exact and order.version, events, effects


def _detail(event):
    """Return an event's detail without the number of events before it that its text knew."""
    return replace(event.detail, known=None) if hasattr(event.detail, "known") else event.detail


@pytest.mark.parametrize("jumps", [False, True])
def test_a_history_with_known_orders_is_the_history_with_orders_loaded(jumps):
    hits, seeds = 0, max(6, DEEP)
    for seed in range(seeds):
        with given_back():
            random.seed(seed)  # jitter
            knowing = Story(seed, Counted, jumps)
            known = knowing.told()
            random.seed(seed)
            assert known == Story(seed, Loaded, jumps).told(), seed
        hits += sum(each.hits for each in knowing.known)
    assert hits > 3 * seeds, "the histories are about known orders"
