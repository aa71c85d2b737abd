"""Every round trip to Redis meets every fault, one after the other; afterwards all is as if nothing had happened.

Each case is run once undisturbed. Then, for every kind of fault, once for each of its round trips (k = 1, 2, ... until
the k-th does not come any more): the fault strikes there, the caller does what the contract says (503: the same
request again), and the result must equal the result without the fault: histories, counts, SMS handed over,
activations asked for, refusals, inboxes, the stuck list.

A normal run loses the answer at every point, many times in a row (so that the store's own repeats do not help and the
caller sees a 503), and tries each point with one of all the kinds in turn. `make search`: every point, every kind, once
and many times.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.connection import Connection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.rq_queue import MOST_QUEUED, RqQueue, connect_rq
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Accepted, Lane, Rejected
from consent_engine.domain.lifecycle import State
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.versions import Sale
from consent_engine.domain.order.order import replay
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.engine.api_keys import Role
from consent_engine.engine.engine import Engine, RefusalAsked
from consent_engine.engine.round_trips import or_raised
from consent_engine.engine.slice import Pace
from consent_engine.errors import (
    ConsentError,
    DoNotCall,
    Malformed,
    NothingParked,
    StoreUnavailable,
    TooLate,
)
from consent_engine.ports import LiftResult, Only, Outside, Owner
from consent_engine.ports.registry import FlowStep
from tests import needs
from tests.conftest import NUMBER, OTHER, SECOND, SENDERS, World
from tests.fault_proxy import Fault, FaultProxy, Kind, always, at_random, calm, control, first_with, nth
from tests.in_memory import memory
from tests.integration import api_door
from tests.integration.api_door import FULL_SECRET, Door, is_problem, reply
from tests.plans import priced, undated
from tests.tiers import DEEP
from tests.waiting import HANGS_S
from tests.written_out import listed

NUMBERS = (NUMBER, OTHER)
PATIENT_S = 30.0
WAKE_S = 0.12
"""How long a wake-up waits, which is lost without harm."""
LATE_S = 0.18
"""Such a request is done after the client has given up, or beside its repeat."""
HOURS = 3_600_000
MANY = 12
"""More faults in a row than the store repeats a request, including the greetings of new connections."""
POLICY = Policy(retry_base=1_000, reminder_after=12 * HOURS)

SWALLOW = Fault(Kind.SWALLOW)
KINDS = [
    SWALLOW, Fault(Kind.DROP), Fault(Kind.CUT, after=-9), Fault(Kind.HOLD), Fault(Kind.TRUNCATE),
    Fault(Kind.RESET_AFTER),
    Fault(Kind.DELAY, seconds=LATE_S), Fault(Kind.RESET), Fault(Kind.CUT, after=20), Fault(Kind.TRUNCATE, after=-1),
    Fault(Kind.DROP_SILENT), Fault(Kind.SWALLOW_SILENT), Fault(Kind.DELAY_ANSWER, seconds=LATE_S),
]  # fmt: skip


def once(k, fault):
    """Plan the fault for the k-th request."""
    return nth(k, fault)


def often(k, fault):
    """Plan the fault for the k-th request and many after it."""
    return lambda n, _request: fault if k <= n < k + MANY else None


def plans(turn):
    """Yield the plans for a case: once or often, and which fault strikes at the k-th round trip."""
    if DEEP:
        for fault in KINDS:
            yield once, lambda _k, fault=fault: fault
            yield often, lambda _k, fault=fault: fault
        return
    yield often, lambda _k: SWALLOW
    yield once, lambda k: KINDS[(k + turn) % len(KINDS)]


@pytest.fixture(scope="module")
def server():
    needs.server()
    folder = Path(tempfile.mkdtemp(prefix="fp-", dir=memory()))  # proofs are asked for here, but no disk is under test
    with connect_or_start(folder / "data", "strict") as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def proxy(server):
    path = server.url.removeprefix("unix://").partition("?")[0]
    with FaultProxy(f"unix:{path}") as made:
        yield made


class Watching(Connection):
    """A connection that gives up when the proxy falls silent: no busy machine is taken for a silence."""

    proxy: FaultProxy

    def send_packed_command(self, command, check_health=True):  # noqa: FBT002 - as the client has it
        self.silences = self.proxy.silences
        super().send_packed_command(command, check_health)

    def read_response(self, *args, **more):
        while not self.can_read(0.005):
            if self.proxy.silences > self.silences:
                self.disconnect()
                raise RedisTimeout("nobody answers")
        return super().read_response(*args, **more)


def watching(proxy):
    """Return a client through the proxy whose connections give up when it falls silent."""
    made = connect(f"redis://127.0.0.1:{proxy.port}", PATIENT_S)
    made.connection_pool.connection_class = type("OfProxy", (Watching,), {"proxy": proxy})
    return made


@pytest.fixture(scope="module")
def direct(server):
    client = connect(server.url)
    yield client
    client.close()


def fresh(client):
    """Delete the data of an earlier run; the plans stay unless one was changed: publishing them is most of a run."""
    if client.hget("ce:meta", "catalogue") != str(client.scard("ce:plans")):
        client.flushdb()
    gone = [key for key in client.scan_iter(count=1_000) if not key.startswith("ce:plan") and key != "ce:meta"]
    if gone:
        client.delete(*gone)


class Wired(World):
    """A world whose engine reaches the store through the proxy; `seen` reads the store directly."""

    def __init__(self, proxy, direct):
        self.proxy, self.direct = proxy, direct
        proxy.calm()
        proxy.cut_off()
        fresh(direct)
        self.wires = []
        super().__init__(connect(f"redis://127.0.0.1:{proxy.port}", PATIENT_S), POLICY)
        self.short = watching(proxy)
        self.seen = self.over(Wire(direct, proves=True, replicas=0))
        self.said = []

    def another(self):
        self.wires.append(Wire(self.client, proves=True, replicas=0))
        return self.over(self.wires[-1])

    def over(self, wire) -> Engine:
        return Engine(
            listed(redis_store(wire, lease_ms=60_000, clock=self.clock), self.direct),
            RedisRegistry(wire, clock=self.clock),
            self.queue,
            Outside({"test": self.gateway}, dict.fromkeys(SENDERS, ("test",)), SENDERS, self.bss),
            Terms(self.policy, SENDERS, frozenset(), call_age=self.call_age),
            "test-secret",
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )

    @contextmanager
    def under(self, plan):
        """Let the plan strike whatever the engine asks now; it waits for an answer until there is a silence."""
        self.short.ping()  # connected while no fault strikes
        for wire in self.wires:
            wire.client = self.short
        self.proxy.plan(plan)
        try:
            yield
        finally:
            self.proxy.spare()
            for wire in self.wires:
                wire.client = self.client

    def due(self):
        return {lane: depth.due for lane, depth in self.seen.store.lanes.depths().items()}

    def slice(self, *lanes):
        """Work as a worker does on a wake-up. Effects that it could not lease, or lost track of, are due again."""

        async def slices():
            for lane in lanes:
                await self.engine.performer.perform(lane, 5)
            await self.engine.performer.land(5)

        self.clock.forward(20)
        self.runner.run(slices())

    def asked_until_done(self, ask, *also_done):
        """Ask, and repeat after a 503 as the contract says. also_done: errors that a repeat may be answered with"""
        for tried in range(30):
            try:
                return ask()
            except StoreUnavailable as error:
                self.said.append(error.code)
            except also_done:
                if tried:
                    return None
                raise
        raise AssertionError("still a 503")

    def finish(self):
        """Let all the rest happen undisturbed: leases expire, doubts are held, retries come due."""
        self.proxy.calm()
        self.proxy.settle()
        for seconds in (0, 61, 601, 61, 601):
            self.clock.forward(seconds=seconds)
            self.run()

    def close(self):
        self.proxy.calm()
        self.runner.close()
        self.client.close()
        self.short.close()

    # -- what stands ----------------------------------------------------------------------------------------------

    def stands(self):
        """Return everything that a doubled or a half-done request would change."""
        keys = sorted(self.direct.scan_iter("ce:{0}:order:*"))
        orders = [self.seen.show(key.rpartition(":")[2]) for key in keys]
        for key, order in zip(keys, orders, strict=True):
            kept = self.direct.hgetall(key)
            assert replay(kept) == (kept["state"], kept["head"], int(kept.get("reply_by", 0)))
            ops = [event.op for event in order.events]
            assert len(ops) == len(set(ops)), "an event stands twice"
        counted = self.seen.store.queries.orders.funnel(0, 1 << 60)
        assert counted == Counter(order.state for order in orders), "the funnel counts the orders"
        return {
            "orders": sorted((o.person.msisdn, o.doc.plan, o.state.value) for o in orders),
            # Milliseconds decide from which of two orders a number's STOP is answered: not told apart here.
            "histories": sorted((o.person.msisdn, *row) for o in orders for row in _history(o)),
            "wanted": sorted((o.doc.plan, effect, p.parked, p.why) for o in orders for effect, p in o.effects.items()),
            "due": [[_anonymous(m) for m in self.direct.zrange(key, 0, -1)] for key in Cell().due.values()],
            "sent": sorted((sms.to, str(sms.purpose), sms.ref[-2:]) for sms in self.gateway.sent),
            "asked": sorted((a.msisdn, a.plan) for a in self.bss.asked),
            "lines": [self.of_line(number) for number in NUMBERS],
            "unmatched": self.direct.xlen("ce:{0}:unmatched"),
            "lifted": self.direct.xlen("ce:{0}:lifted"),
            "reserved": len(list(self.direct.scan_iter("ce:key:*"))),
            "plans": {code: _plan(self.direct.hgetall(f"ce:plan:{code}")) for code in self.direct.smembers("ce:plans")},
            "keys": sorted(key.name for key in self.seen.keys.all()),
        }

    def of_line(self, number):
        line = self.seen.line(number)
        inbox = self.direct.lrange(f"ce:{{0}}:inbox:{line.id}", 0, -1)
        kept = self.direct.hgetall(f"ce:{{0}}:line:{line.id}")
        return {
            "inbox": len(inbox),
            "messages": sum(name.startswith("m:") for name in kept),
            "refusals": sorted((r.carrier, r.door) for r in line.restrictions),
            "effects": sorted((effect, p.parked) for effect, p in line.effects.items()),
        }


def _history(order):
    return [(e.trigger.value, e.as_json().get("believed", e.as_json().get("rule", ""))) for e in order.events]


def _anonymous(member):
    owner, _, effect = member.split(":", 2)
    return f"{owner}:{effect}"


def _plan(kept):
    return sorted(n for n in kept if n.isdigit()), kept["current"], kept["sale"]


# -- the cases: what there was before, yield what is asked, what the case itself expects afterwards --------------------


def placed(w):
    wanted = Placing("desk", "key", w.request())
    done = yield lambda: w.engine.place(wanted)
    assert done.order.id == w.engine.place(wanted).order.id


def placed_together(w):
    wanted = [Placing("desk", f"key-{n}", w.request(number)) for n, number in enumerate(NUMBERS)]
    done = yield lambda: [or_raised(each) for each in w.engine.place_many(wanted)]
    assert len({each.order.id for each in done}) == 2


def turned_away(w):
    w.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    refused = Placing("desk", "key", w.request())

    def ask():
        with pytest.raises(DoNotCall):
            w.engine.place(refused)

    yield ask
    if w.said or {"hold", "delay"} & set(w.proxy.counts):
        # What arrives after the answer stands for a minute; so does a request that was repeated: its first try, of
        # which nobody knows the end, may still be under way.
        w.clock.forward(seconds=61)
    assert w.engine.place(Placing("desk", "key", w.request(OTHER))).created, "the key was given back"


def heard(w):
    order = w.place()
    w.run()
    yield lambda: w.say("是", message_id="mo")
    w.finish()
    assert w.state(order) == "notified"


def heard_twice_at_once(w):
    order = w.place()
    w.run()
    w.report(order, Delivery.ACCEPTED)
    yield lambda: [w.say("嗯", message_id="a"), w.say("是", message_id="b"), w.say("嗯", message_id="a")]
    w.finish()
    assert w.triggers(order).count("unclear") == 1


def stopped(w):
    order = w.place()
    w.run()
    yield lambda: w.say("TD", message_id="mo")
    assert not w.engine.dial(NUMBER, "mobile").callable
    w.finish()
    assert w.state(order) == "declined"


def reported(w):
    order = w.place()
    w.run()
    yield lambda: w.report(order, Delivery.DELIVERED)
    w.finish()
    assert w.triggers(order).count("delivered") == 1


def refused(w):
    order = w.place()
    w.run()
    yield lambda: w.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    w.finish()
    assert w.state(order) == "cancelled"


def lifted(w):
    w.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    w.run()
    yield lambda: w.engine.lift(NUMBER, "mobile", "admin", "letter", w.clock.now)
    assert w.engine.dial(NUMBER, "mobile").callable


def asking(w):
    w.place()
    yield lambda: w.slice(Lane.SMS)


def asking_many(w):
    for number in NUMBERS:
        w.place(number)
        w.place(number, SECOND)
    yield lambda: w.slice(Lane.SMS)


def reading(w):
    w.place()
    w.run()
    w.say("是")
    w.say("是")
    yield lambda: w.slice(Lane.INBOUND)


def reading_for_many(w):
    for plan in ("5g-smart-199", SECOND):
        w.place(plan=plan)
    w.run()
    w.say("TD")
    yield lambda: w.slice(Lane.INBOUND)


def activating(w):
    w.place()
    w.run()
    w.say("是")
    w.run(Lane.INBOUND)
    yield lambda: w.slice(Lane.ACTIVATION)


def notifying(w):
    w.place()
    w.run()
    w.say("是")
    w.run(Lane.INBOUND, Lane.ACTIVATION)
    yield lambda: w.slice(Lane.SMS)


def helping(w):
    w.say("帮助")
    w.run(Lane.INBOUND)
    yield lambda: w.slice(Lane.SMS)


def reminding(w):
    w.place()
    w.run()
    w.clock.forward(hours=12)
    yield lambda: w.slice(Lane.TIMER)


def closing(w):
    order = w.place()
    w.run()
    w.clock.forward(hours=12)
    w.run()
    w.clock.now = w.engine.show(order.id).reply_by + 1
    yield lambda: w.slice(Lane.TIMER)
    w.finish()
    assert w.state(order) == "expired"


def cancelled(w):
    order = w.place()
    w.run()
    # A repeat after a 503 may be answered "too late: it is cancelled", which is true.
    yield lambda: w.engine.cancel(order.id, "A1024", "why"), TooLate
    assert w.state(order) == "cancelled"


def retried(w):
    w.gateway.answers = [Accepted("m1"), Rejected("no such number")]
    order = w.place()
    w.run()
    w.say("是")
    w.run()
    yield lambda: w.engine.retry(order.id, "ops"), NothingParked
    w.finish()
    assert w.triggers(order).count("retried") == 1
    assert w.state(order) == "notified"


def published(w):
    plan = undated(priced(w.engine.plan(SECOND).plan, "20.00"))
    yield lambda: w.engine.catalogue.publish(plan)
    assert w.engine.plan(SECOND).plan.tariff == plan.tariff
    assert w.another().plan(SECOND).plan.version == 2


def revoked(w):
    order = w.place()
    w.run()
    yield lambda: w.engine.revoke("5g-smart-199", "ops")
    assert w.engine.plan("5g-smart-199").sale is Sale.REVOKED
    assert w.state(order) == "cancelled"


def key_added(w):
    # A repeat after a 503 may be answered that the name is taken: the key that was not shown is revoked by name,
    # and another name is used.
    yield lambda: w.engine.keys.add("desk", Role.AGENT), Malformed
    assert [key.name for key in w.engine.keys.all()] == ["desk"]


def key_revoked(w):
    w.engine.keys.add("desk", Role.AGENT)
    yield lambda: w.engine.keys.revoke("desk"), ConsentError
    assert w.engine.keys.all() == []


CASES = [
    placed, placed_together, turned_away, heard, heard_twice_at_once, stopped, reported, refused, lifted, asking,
    asking_many, reading, reading_for_many, activating, notifying, helping, reminding, closing, cancelled, retried,
    published, revoked, key_added, key_revoked,
]  # fmt: skip


def played(case, proxy, direct, plan=calm):
    """Run a case once: return the result, the numbers of round trips and of faults, and what the caller was told."""
    w = Wired(proxy, direct)
    try:
        story = case(w)
        asked = next(story)
        ask, *also_done = asked if isinstance(asked, tuple) else (asked,)
        with w.under(plan):
            answer = w.asked_until_done(ask, *also_done)
            trips, faults = proxy.requests, proxy.fired()
        w.proxy.calm()
        w.proxy.settle()
        try:
            story.send(answer)
        except StopIteration:
            w.finish()
            return w.stands(), trips, faults, w.said
        raise AssertionError("a case yields once")
    finally:
        w.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_fault_at_any_round_trip_leaves_no_trace(case, proxy, direct):
    calmly, trips, _, _ = played(case, proxy, direct)
    runs = told = 0
    for how, which in plans(CASES.index(case)):
        for k in range(1, 200):
            stands, _, faults, said = played(case, proxy, direct, how(k, which(k)))
            if not faults:
                break
            runs, told = runs + 1, told + bool(said)
            assert stands == calmly, f"{how.__name__} {which(k)} at round trip {k}"
        assert k > 1, "the fault never struck"
    sys.stdout.write(f"{case.__name__}: {trips} round trips, {runs} runs with a fault, {told} of them said 503\n")


@pytest.fixture
def wired(proxy, direct):
    made = Wired(proxy, direct)
    yield made
    made.close()
    direct.flushdb()


# -- what is not repeated by anybody, or not by us ---------------------------------------------------------------------


def test_a_lease_whose_answer_was_lost_is_never_called_in_that_lease(proxy, direct):
    w = Wired(proxy, direct)
    try:
        w.place()
        with w.under(first_with(b"due:sms", SWALLOW)), pytest.raises(StoreUnavailable):
            w.slice(Lane.SMS)
        assert proxy.fired() == 1
        [(_, order)] = w.seen.store.queries.places(Owner.ORDER, Only.PRESENT, None, 9)
        assert w.seen.show(order).question.attempts == 1, "the lease was taken, and nobody knew"
        w.slice(Lane.SMS)
        w.clock.forward(seconds=61)
        w.slice(Lane.SMS)
        question = w.seen.show(order).question
        assert (question.doubts, question.why) == (1, "lease_lost:")
        assert w.gateway.sent == [], "started means maybe done"
        w.finish()
        assert len(w.gateway.sent) == 1
    finally:
        w.close()


def test_what_workers_counted_is_never_counted_twice(proxy, direct):
    w, step = Wired(proxy, direct), FlowStep.MINUTE
    try:
        for kind in (Kind.SWALLOW, Kind.RESET_AFTER, Kind.DROP):
            w.engine.registry.count({"calls": 1})
            with w.under(first_with(b":flow:", Fault(kind))), pytest.raises(StoreUnavailable):
                w.engine.registry.count({"calls": 1})
            proxy.calm()
        now = w.engine.registry.now() // step.ms
        assert sum(slot.get("calls", 0) for slot in w.engine.registry.flow(step, now - 5, now)) == 5
    finally:
        w.close()


@pytest.mark.parametrize("fault", KINDS, ids=lambda fault: f"{fault.kind}:{fault.after}")
def test_a_wake_up_under_any_fault_is_one_job_or_none_and_never_an_error(fault, proxy, server):
    url = f"redis://127.0.0.1:{proxy.port}/1"
    rq = connect_rq(server.url.replace("db=0", "db=1"))
    proxy.calm()
    for k in range(1, 100):
        rq.flushdb()
        queue = RqQueue(f"{url}?socket_timeout={WAKE_S}")
        proxy.plan(nth(k, fault))
        queue.wake(Lane.SMS, 200)
        faults = proxy.fired()
        proxy.calm()
        proxy.settle()
        jobs = rq.llen("rq:queue:sms")
        assert jobs <= 1
        assert faults or queue.failures or jobs == 1
        RqQueue(url).wake(Lane.SMS, 200)
        assert jobs + 1 == rq.llen("rq:queue:sms") <= MOST_QUEUED
        if not faults:
            break
    rq.close()
    assert k > 3, "the fault never struck"


# -- what arrives when nobody waits for it any more -------------------------------------------------------------------


def held_if(words):
    """Plan that requests with `words` are held until they are let go; their client has given up by then."""
    return lambda _n, request: Fault(Kind.HOLD) if words in request else None


def test_a_cancel_that_arrives_late_changes_nothing_that_was_decided_since(wired):
    order = wired.place()
    wired.run()
    with wired.under(held_if(b"cancel:")), pytest.raises(StoreUnavailable):
        wired.engine.cancel(order.id, "A1024", "why")
    assert wired.proxy.fired() == 1, "a server that does not answer is not asked again"
    wired.say("是")
    wired.run()
    before = wired.stands()
    wired.proxy.let_go()
    wired.proxy.settle()
    assert wired.state(order) == "notified"
    assert wired.stands() == before


def test_an_order_that_arrives_after_the_refusal_is_not_taken(wired):
    wanted = Placing("desk", "key", wired.request())
    with wired.under(held_if(b"sms.confirmation.1")), pytest.raises(StoreUnavailable):
        wired.engine.place(wanted)
    assert wired.proxy.fired() == 1, "a server that does not answer is not asked again"
    wired.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    wired.proxy.let_go()
    wired.proxy.settle()
    assert wired.stands()["orders"] == []
    with pytest.raises(DoNotCall):
        wired.engine.place(wanted)


def test_a_message_that_arrives_again_late_is_the_same_message(wired):
    order = wired.place()
    wired.run()
    with wired.under(held_if(b"ce:{0}:inbox:")), pytest.raises(StoreUnavailable):
        wired.say("嗯", message_id="mo")
    assert wired.proxy.fired() == 1, "a server that does not answer is not asked again"
    assert wired.say("嗯", message_id="mo")
    wired.proxy.let_go()
    wired.proxy.settle()
    line, _ = wired.stands()["lines"]
    assert (line["inbox"], line["messages"]) == (1, 1)
    wired.finish()
    assert wired.triggers(order).count("unclear") == 1


# -- a slow server ----------------------------------------------------------------------------------------------------


def test_while_the_store_is_slow_the_door_says_503_and_then_goes_on_by_itself(proxy, server, tmp_path):
    def slowed():
        engine = door.installation.engine()
        wire = Wire(watching(proxy), proves=True, replicas=0)
        return Engine(
            redis_store(wire, lease_ms=60_000, seal=Seal(FULL_SECRET)), RedisRegistry(wire), engine.queue,
            engine.outside, engine.terms, FULL_SECRET,
        )  # fmt: skip

    proxy.calm()
    door = Door(server.url, tmp_path)
    try:
        door.serve(slowed)
        assert door.place(key="before").status_code == 201
        proxy.plan(always(Fault(Kind.DELAY, seconds=LATE_S)))
        is_problem(door.place(api_door.order(msisdn=OTHER), key="during"), 503, "store_unavailable")
        is_problem(door.post("inbound", reply()), 503, "store_unavailable")
        proxy.plan(first_with(b"EVALSHA", Fault(Kind.DELAY, seconds=LATE_S), times=MANY))
        is_problem(door.place(api_door.order(msisdn=OTHER), key="during"), 503, "store_unavailable")
        is_problem(door.post("inbound", reply()), 503, "store_unavailable")
        proxy.calm()
        proxy.settle()
        again = door.place(api_door.order(msisdn=OTHER), key="during")
        assert again.status_code in {200, 201}
        assert door.post("inbound", reply()).status_code == 200
        assert door.orders() == 2
        assert door.engine.store.queries.orders.funnel(0, 1 << 60) == {State.AGREED: 2}
        assert sum(door.redis.llen(key) for key in door.redis.keys("ce:*:inbox:*")) == 1
    finally:
        door.close()


# -- known, each with what is wrong: these fail until it is mended -----------------------------------------------------


def test_a_resend_asked_again_after_a_503_is_one(wired):
    order = wired.place()
    wired.run()
    with wired.under(often(2, SWALLOW)):
        wired.asked_until_done(lambda: wired.engine.resend(order.id, "A1024"))
    assert wired.triggers(order).count("asked_again") == 1


def test_a_publishing_that_died_halfway_stops_nobody_from_publishing_something_else(wired):
    plan = undated(wired.engine.plan(SECOND).plan)
    with wired.under(first_with(b"EVALSHA", Fault(Kind.DROP), times=3)), pytest.raises(StoreUnavailable):
        wired.engine.catalogue.publish(priced(plan, "20.00"))
    assert wired.proxy.fired() > 0
    wired.proxy.calm()
    wired.engine.catalogue.publish(priced(plan, "25.00"))


def test_a_plan_that_was_revoked_does_not_come_back_by_a_late_write(wired):
    with wired.under(first_with(b"sale", Fault(Kind.HOLD))), pytest.raises(StoreUnavailable):
        wired.engine.catalogue.set_sale(SECOND, Sale.WITHDRAWN)
    assert wired.proxy.fired() == 1
    wired.engine.catalogue.set_sale(SECOND, Sale.WITHDRAWN)
    wired.engine.catalogue.set_sale(SECOND, Sale.REVOKED)
    wired.proxy.let_go()
    wired.proxy.settle()
    assert wired.another().plan(SECOND).sale is Sale.REVOKED


def test_a_key_that_was_revoked_does_not_come_back_by_a_late_write(wired):
    with wired.under(first_with(b"$10\r\nce:apikeys", Fault(Kind.HOLD))), pytest.raises(StoreUnavailable):
        wired.engine.keys.add("desk", Role.AGENT)
    assert wired.proxy.fired() == 1
    wired.engine.keys.add("desk", Role.AGENT)
    wired.engine.keys.revoke("desk")
    wired.proxy.let_go()
    wired.proxy.settle()
    assert wired.engine.keys.all() == []


def test_a_lift_whose_answer_was_lost_is_still_told_as_done(wired):
    wired.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    with wired.under(first_with(b"{0}:lifted", SWALLOW)):
        assert wired.engine.lift(NUMBER, "mobile", "admin", "letter", wired.clock.now) is LiftResult.OK


def test_a_late_lift_does_not_undo_a_newer_refusal(wired):
    wired.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    wired.run()
    with wired.under(first_with(b"{0}:lifted", Fault(Kind.HOLD))), pytest.raises(StoreUnavailable):
        wired.engine.lift(NUMBER, "mobile", "admin", "letter", wired.clock.now)
    assert wired.proxy.fired() == 1
    wired.engine.lift(NUMBER, "mobile", "admin", "letter", wired.clock.now)
    wired.clock.forward(seconds=1)
    wired.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024"))
    wired.proxy.let_go()
    wired.proxy.settle()
    assert not wired.engine.dial(NUMBER, "mobile").callable


def test_a_report_on_nothing_of_ours_is_kept_once_though_the_answer_was_lost(wired):
    report = DeliveryReport("test", "nothing.confirmation.1", "m1", Delivery.DELIVERED)
    with wired.under(first_with(b"{0}:unmatched", SWALLOW)):
        wired.engine.receive([report])
    assert wired.proxy.fired() == 1
    assert wired.direct.xlen("ce:{0}:unmatched") == 1


def test_a_wake_up_that_broke_while_watching_is_counted_as_failed(proxy, server):
    proxy.calm()
    queue = RqQueue(f"redis://127.0.0.1:{proxy.port}/3?socket_timeout={PATIENT_S}")
    proxy.plan(first_with(b"EXEC", Fault(Kind.DROP)))
    queue.wake(Lane.SMS, 1)
    assert proxy.fired() == 1
    assert queue.failures == 1


# -- the proxy itself, as a process -----------------------------------------------------------------------------------


def test_the_proxy_runs_as_a_process_breaks_by_the_dice_and_tells_its_counts(server):
    path = server.url.removeprefix("unix://").partition("?")[0]
    command = [sys.executable, "-m", "tests.fault_proxy", "--to", f"unix:{path}", "--seed", "7", "--rates", "drop=0.3"]
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as process:
        try:
            ports = json.loads(process.stdout.readline())
            client = connect(f"redis://127.0.0.1:{ports['port']}", 2.0)
            went = [works(client) for _ in range(40)]
            told = control(ports["control"], calm=True)
            assert told["faults"] == {"drop": went.count(False)}
            assert 0 < went.count(False) < 40
            assert all(works(client) for _ in range(40))
            assert control(ports["control"])["faults"] == told["faults"]
            control(ports["control"], refuse=True, cut_off=True)
            assert not works(client)
            control(ports["control"], refuse=False)
            assert works(client)
            assert "error" in control(ports["control"], rates={"no-such-kind": 1})
            client.close()
        finally:
            process.terminate()
        assert process.wait(HANGS_S) == 0


def works(client):
    try:
        return client.ping()
    except (RedisError, OSError):
        return False


def test_the_same_seed_makes_the_same_choices():
    def chosen(seed):
        plan = at_random({"drop": 0.2, "swallow": 0.2}, seed)
        return [plan(n, b"") for n in range(200)]

    assert chosen(1) == chosen(1) != chosen(2)
    assert {fault.kind for fault in chosen(1) if fault} == {Kind.DROP, Kind.SWALLOW}
