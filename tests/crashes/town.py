"""The world around a life that ends: a server, a gateway and a BSS that survive, people who ask again, and a judge."""

import contextlib
import os
import signal
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import asdict
from redis import Redis
from rq import Queue

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.rq_queue import connect_rq
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Accepted, Lane, Outcome, Pending, Purpose, Uncertain, Untaken
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.restriction import Kind, is_lasting, name_of
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import STANDS, Chained, Leaf, head_of, is_mark
from consent_engine.domain.sms import Reply
from consent_engine.engine.engine import Engine
from consent_engine.engine.slice import Pace
from consent_engine.errors import DoNotCall
from consent_engine.ports import Activation, Deactivation, Only, Outside, Owner, Sms, Store
from tests.conftest import SENDERS, Clock, FakeQueue, World
from tests.crashes.dying import Fate, MortalQueue, born, lines, mortal
from tests.crashes.server import Server, kill
from tests.integration.promises.checks import NUMBERS, Judge, Model, Said
from tests.memory import as_threads_do
from tests.written_out import listed

PLANS = {"5g-smart-199": "mobile", "data-pack-10gb": "mobile", "fibre-duo-129": "telecom"}
LEASE_MS, HOLD_H = 61_000, 0.17
"""Longer than a lease (ms), and longer than a doubt is held (h)."""
IMMORTAL = Fate()
TAKEN = (Accepted, Uncertain)
"""The outcomes of calls that the gateway or the BSS has taken, or may have."""
CONSEQUENCES = {
    State.DECLINED: {"declined", "opted_out", "late"},
    State.CANCELLED: {"cancelled", "late"},
    State.EXPIRED: {"late"},
    State.UNDELIVERABLE: {"late"},
    State.ACTIVATION_FAILED: {"failure", "late"},
    State.NOTIFIED: {"opted_out"},
    State.UNNOTIFIED: {"opted_out"},
}
"""Purposes of SMS that may still go out to an order that has settled. A help is answered whenever it was asked for."""


@dataclass
class Life:
    """The remains of one life: where it ended (None: it did not), and what it reported."""

    ended: str | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def said(self, name: str) -> Any:
        """The value reported under a name, or None: then nobody was answered."""
        return next((row[name] for row in self.told if name in row), None)


@dataclass
class Snapshot:
    """Everything as it was before the life."""

    keys: list[tuple[bytes, bytes]]
    now: int
    count: int
    model: Model
    asked: list[Activation]
    ended: list[Deactivation]


class Hands:
    """The gateway and the BSS as one process sees them: all they take goes to `take`, which survives the process."""

    name, sub_numbers, segments = "test", False, 255

    def __init__(self, town: "Town", fate: Fate, take: Any) -> None:
        self._town = town
        self._fate = fate
        self._take = take
        self._store: Store | None = None

    def _state(self, order_id: str) -> str:
        """The state of the order: the gateway looks it up itself, which is no part of the process's life."""
        if self._store is None:
            wire = Wire(connect(self._town.server.url), proves=False, replicas=0)
            self._store = redis_store(wire, lease_ms=1, clock=self._town.clock)
        order = self._store.records.look({Order: [order_id]}).of(Order).get(order_id)
        return order.state if order else ""

    async def send(self, sms: Sms) -> Outcome:
        self._fate.meet(f"sms {sms.purpose}, before")
        outcome = self._town.op.on_sms(sms, self._fate)
        if isinstance(outcome, TAKEN):
            self._take(sms=asdict(sms), at=self._town.clock.now, state=self._state(sms.ref.split(".")[0]))
        self._fate.meet(f"sms {sms.purpose}, taken")
        await self._town.op.answering(self._fate)
        self._fate.meet(f"sms {sms.purpose}, heard")
        return outcome

    async def activate(self, activation: Activation) -> Outcome:
        self._fate.meet("activation, before")
        outcome = self._town.op.on_activation(activation, self._fate)
        if isinstance(outcome, TAKEN):
            self._take(activation=asdict(activation), state=self._state(activation.order_id))
        self._fate.meet("activation, taken")
        await self._town.op.answering(self._fate)
        self._fate.meet("activation, heard")
        return outcome

    async def ask(self, order_id: str) -> Outcome | None:
        self._fate.meet("activation asked about, before")
        known = any(each.order_id == order_id for each in self._town.bss.asked)
        self._fate.meet("activation asked about, heard")
        if not self._town.op.can_be_asked:
            return None
        return Accepted(f"act-{order_id}", "2025-11-25") if known else Untaken("unknown")

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        self._fate.meet("deactivation, before")
        outcome = self._town.op.on_deactivation(deactivation, self._fate)
        if isinstance(outcome, TAKEN):
            self._take(deactivation=asdict(deactivation))
        self._fate.meet("deactivation, taken")
        await self._town.op.answering(self._fate)
        self._fate.meet("deactivation, heard")
        return outcome

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        self._fate.meet("deactivation asked about, before")
        known = any(each.ending_id == ending_id for each in self._town.bss.ended)
        self._fate.meet("deactivation asked about, heard")
        if not self._town.op.can_be_asked:
            return None
        return Accepted(f"off-{ending_id}", "2025-12-01") if known else Untaken("unknown")


class Town(Judge, World):
    """One operation's world: built once, put back as it was before every life, judged after it."""

    def __init__(self, server: Server, op: Any) -> None:
        self.server, self.op = server, op
        self.model, self.broken = Model(), []
        self.unsure: dict[str, Said] = {}
        self.unsure_refusals: list[tuple[str, str]] = []
        self.unsure_suspicions: list[tuple[str, str]] = []
        self.unsure_releases: list[tuple[str, str]] = []
        self.reported: set[str] = set()
        self._hands = Hands(self, IMMORTAL, self.take)
        self._raw = connect_rq(server.url)
        self._raw.flushall()
        self._version = Queue(connection=self._raw).get_redis_server_version()
        policy = Policy(
            retry_base=1_000,
            reminder_after=op.reminder_after,
            suspects=op.suspects,
            reading_speed=op.reading_speed,
            reports=int(op.reports),
        )
        super().__init__(as_threads_do(server.url), policy, clock=Clock())

    @property
    def world(self) -> "Town":
        return self

    # -- engines ----------------------------------------------------------------------------------------------------

    def another(self) -> Engine:
        """A fresh engine in this process, which lives on."""
        return self._engine(self.client, FakeQueue(), self._hands)

    def _engine(self, client: "Redis", queue: Any, hands: Hands) -> Engine:
        wire = Wire(client, proves=True, replicas=0)
        return Engine(
            listed(redis_store(wire, lease_ms=60_000, clock=self.clock), self.client),
            RedisRegistry(wire, clock=self.clock),
            queue,
            Outside({"test": hands}, dict.fromkeys(SENDERS, ("test",)), SENDERS, hands),
            Terms(self.policy, SENDERS, frozenset(), call_age=self.call_age, review_first=self.op.review_first),
            "test-secret",
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )

    # -- a life -----------------------------------------------------------------------------------------------------

    def live(self, at: int | None, *, server_dies: bool) -> Life:
        """Do the operation in a process of its own that dies at point `at`, or whose server dies there."""
        life = Life()

        def doing(told: Any) -> None:
            def end(name: str) -> None:
                told(ended=name)
                if server_dies:
                    kill(self.server.pid)
                    told(server="killed")
                else:
                    os.kill(os.getpid(), signal.SIGKILL)

            fate = Fate(at, end)
            client = mortal(connect(self.server.url), fate, "store")
            queue = MortalQueue(self.server.url, fate, self._version)
            engine = self._engine(client, queue, Hands(self, fate, told))
            fate.armed = True
            with contextlib.suppress(self.op.survives) if server_dies else contextlib.nullcontext():
                self.op.act(engine, told)
            told(names=fate.names)

        pid, reads = born(doing)
        for row in lines(reads):
            self._heard(life, row)
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed == (life.ended is not None and not server_dies), "it died of something else"
        return life

    def _heard(self, life: Life, row: dict[str, Any]) -> None:
        assert "defect" not in row, row["defect"]
        life.told.append(row)
        life.names = row.get("names", life.names)
        if "ended" in row:
            life.ended = row["ended"]
        elif "server" in row:
            self.server.restart()
            self.client.connection_pool.disconnect()
            self._raw.connection_pool.disconnect()
        elif "sms" in row or "activation" in row or "deactivation" in row:
            self.take(**row)

    def take(
        self, *, state: str = "", sms: Any = None, activation: Any = None, deactivation: Any = None, at: int = 0
    ) -> None:  # fmt: skip
        """Record an SMS or a call that the gateway or the BSS takes; state: that of its order at that moment."""
        if deactivation is not None:
            off = Deactivation(**deactivation)
            self.bss.ended.append(off)
            on = [each for each in self.bss.asked if each.order_id == off.order_id]
            self.must(bool(on) and off.activation_id == f"act-{off.order_id}", "off, and was never on")
            return
        if activation is not None:
            self.bss.asked.append(Activation(**activation))
            self.must(state == State.CONFIRMED, f"activated while {state or 'there is no order'}")
            self.must(self.may_activate(activation["order_id"]), "activated though something barred it")
            return
        taken = Sms(**{**sms, "purpose": Purpose(sms["purpose"])})
        self.model.sent.append((at, taken))
        self.must(taken.to in NUMBERS, "an SMS to nobody")
        if state and State(state).settled and taken.purpose != "help":
            self.must(taken.purpose in CONSEQUENCES[State(state)], f"{taken.purpose} though the order is {state}")

    def must(self, holds: bool, words: str) -> None:  # noqa: FBT001
        """Note a broken promise for later: an exception raised here would pass for a doubtful outcome."""
        if not holds:
            self.broken.append(words)

    # -- as it was --------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        kept, model = list(self.stands().items()), deepcopy(self.model)
        return Snapshot(kept, self.clock.now, self.keys, model, list(self.bss.asked), list(self.bss.ended))

    def restore(self, was: Snapshot) -> None:
        with self._raw.pipeline(transaction=False) as pipe:
            pipe.flushall()
            for name, kept in was.keys:
                pipe.restore(name, 0, kept)
            pipe.execute()
        self.clock.now, self.keys = was.now, was.count
        self.model, self.broken = deepcopy(was.model), []
        self.bss.asked[:] = was.asked
        self.bss.ended[:] = was.ended
        self.unsure, self.reported = {}, set()
        self.unsure_refusals, self.unsure_suspicions, self.unsure_releases = [], [], []
        listed(self.engine.store, self.client)  # the lists of the life before know what never was in this one

    def stands(self) -> dict[bytes, bytes]:
        """Everything the server keeps, to the byte."""
        names = sorted(self._raw.keys())
        with self._raw.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.dump(name)
            return dict(zip(names, pipe.execute(), strict=True))

    # -- acts of people ---------------------------------------------------------------------------------------------

    def wanted(self, number: str = NUMBERS[0], plan: str = "5g-smart-199", key: str = "key-1") -> Placing:
        return Placing("desk", key, self.request(number, plan))

    def asked(self, *plans: str, number: str = NUMBERS[0]) -> list[Order]:
        """Place orders, and hand their questions over."""
        orders = [self.place(number, plan) for plan in plans or ("5g-smart-199",)]
        self.run()
        self.look()
        return [self.engine.show(order.id) for order in orders]

    def reply(self, text: str, about: Order, name: str) -> Reply:
        return Reply("test", name, about.person.msisdn, about.doc.offer.sender, text)

    def hear(self, *replies: Reply) -> list[bool]:
        """Bring replies to the door of a process that lives, and return which of them were new."""
        stored = self.engine.receive(replies)
        for reply, each in zip(replies, stored, strict=True):
            self.learn(reply, each.at)
        return [each.is_new for each in stored]

    def learn(self, reply: Reply, at: int, *, sure: bool = True) -> None:
        """Record a message of a subscriber. sure=False: the process that took it died before it acknowledged it."""
        carrier = next(carrier for carrier, sender in SENDERS.items() if sender == reply.to)
        known = self.model.said.get(reply.message_id)
        self.model.n += known is None
        said = Said(reply.msisdn, carrier, reply.text, at, known.n if known else self.model.n)
        self.model.said[reply.message_id] = said
        self.unsure.pop(reply.message_id, None)
        if not sure:
            self.unsure[reply.message_id] = said
        match read(reply.text).keyword:
            case Keyword.STOP | Keyword.WITHDRAW:
                self.refused(reply.msisdn, carrier, sure=sure)
            case Keyword.HOLD if sure:
                self.model.suspect(reply.msisdn, carrier, at, said.n)
            case Keyword.HOLD:
                self.unsure_suspicions.append((reply.msisdn, carrier))

    def refused(self, number: str, carrier: str, *, sure: bool = True) -> None:
        if not sure:
            self.unsure_refusals.append((number, carrier))
        elif not self.model.refuses(number, carrier):
            self.model.refuse(number, carrier)

    def decided(self, number: str, carrier: str, *, refusal: bool, sure: bool = True) -> None:
        """Record a decision on a possible refusal. sure=False: the process that decided died before it answered."""
        if refusal:
            self.refused(number, carrier, sure=sure)
        elif sure:
            self.model.let_go(number, carrier)
        else:
            self.unsure_releases.append((number, carrier))

    # -- afterwards -------------------------------------------------------------------------------------------------

    def recover(self, life: Life) -> None:
        """Let another process take over, people ask again, and everything come to an end; judge at every step."""
        self.op.learnt(self, life)
        self.engine = self.another()
        self.judge()
        before = self.wanted_now()
        self.clock.forward(seconds=1)
        self.go_on()
        held = {key: p.attempts for key, p in before.items() if p.leased_at and p.leased_at + LEASE_MS > self.clock.now}
        after = self.wanted_now()
        assert all(after[key].attempts == n for key, n in held.items() if key in after), "a lease stands"
        self.clock.forward(LEASE_MS)
        self.go_on()
        self.op.again(self, life)
        self.unsure.clear()
        self.go_on()
        for hours in (HOLD_H, HOLD_H, HOLD_H, 3, 26):
            if self.waits():
                self.clock.forward(hours=hours)
                self.go_on(self.op.says)
        self.end()

    def go_on(self, words: str = "") -> None:
        """Let people send `words`, do everything due, and judge the result."""
        for order in self.shown() if words else ():
            if order.state is State.AWAITING_REPLY and f"said-{order.id}" not in self.model.said:
                self.hear(self.reply(words.format(order.doc.code), order, f"said-{order.id}"))
        ran = self.run()
        if self.op.reports:
            self.op.reported(self)
            ran = self.run() or ran
        if ran:
            self.judge()

    def run(self, *lanes: Lane, engine: Engine | None = None) -> bool:
        """Perform all due effects; return whether there were any."""
        performer = (engine or self.engine).performer
        ran = False

        async def slices() -> None:
            nonlocal ran
            for _ in range(50):
                self.clock.forward(20)  # calls took a moment
                due = [lane for lane, count in self.due().items() if count and lane in (lanes or tuple(Lane))]
                if not due:
                    return
                ran = True
                for lane in due:
                    await performer.perform(lane, 5)
                await performer.land(5)

        self.runner.run(slices())
        return ran

    def due(self) -> dict[Lane, int]:
        with self.client.pipeline(transaction=False) as pipe:
            for key in Cell().due.values():
                pipe.zcount(key, "-inf", self.clock.now)
            counts = dict(zip(Cell().due, pipe.execute(), strict=True))
        return {lane: counts[lane] if lane in counts else sum(counts[each] for each in Carrier) for lane in Lane}

    def waits(self) -> bool:
        """Whether anything is still to be done at any time, except by a person."""
        with self.client.pipeline(transaction=False) as pipe:
            for key in Cell().due.values():
                pipe.zcount(key, "-inf", "(+inf")
            return any(pipe.execute())

    def look(self) -> list[Order]:
        """Add every existing order to the model, whoever asked for it; return them."""
        shown = self.shown()
        for order in shown:
            self.model.orders.setdefault(order.id, (order.person.msisdn, order.doc.carrier))
        return shown

    def shown(self) -> list[Order]:
        ids = [key.rpartition(":")[2] for key in self.client.keys("ce:{0}:order:*")]
        return list(self.engine.lookup.load(sorted(ids))[1].values())

    def wanted_now(self) -> dict[tuple[str, str], Pending]:
        """Every effect there is, by its record and name."""
        records = [(order.id, order.effects) for order in self.shown()]
        records += [(number, self.engine.line(number).effects) for number in NUMBERS]
        return {(of, effect): pending for of, some in records for effect, pending in some.items()}

    def judge(self) -> None:
        """Assert everything that was promised, whatever happened."""
        shown = self.look()
        for number, carrier in self.unsure_refusals:
            if self.engine.line(number).refusal(carrier) is not None:  # it was taken: then it is in force
                self.refused(number, carrier)
        for number, carrier in self.unsure_suspicions:
            stands = self.engine.line(number).named(name_of(Kind.SUSPECTED, carrier))
            if stands is not None:
                self.model.suspect(number, carrier, stands.since)
        for number, carrier in self.unsure_releases:
            if self.engine.line(number).named(name_of(Kind.SUSPECTED, carrier)) is None:
                self.model.let_go(number, carrier)
        super().judge()
        self._sealed(shown)
        listed = self.engine.store.queries.places(Owner.ORDER, Only.ALL, None, 100)
        assert {order.id for order in shown} <= {order for _, order in listed}

    def journaled(self) -> list[Leaf]:
        """Every sealed entry, from the log and the journal, each once, in their order."""
        waits = self.client.lrange(self.cell.journal, 0, -1)
        leaves = [entry for entry in waits if not is_mark(entry)]
        assert len(set(leaves)) == len(leaves), "a leaf stands in the journal twice"
        sealed = dict.fromkeys([*self.op.logged(), *leaves])
        return [Leaf.decode(entry) for entry in sealed]

    def _sealed(self, shown: list[Order]) -> None:
        """Assert that each record's chain is sealed up to its head, and each refusal, whichever process died when."""
        journaled = self.journaled()
        last = {leaf.record: leaf for leaf in journaled if leaf.of is not Chained.REFUSAL}
        newest = {(leaf.record, leaf.head): leaf.seq for leaf in journaled if leaf.of is Chained.REFUSAL}
        lasting = {
            (line.id, head_of(each.name)) for line in map(self.engine.line, NUMBERS) for each in line.restrictions
            if is_lasting(each.name) and not each.until
        }  # fmt: skip
        assert lasting == {key for key, number in newest.items() if number == STANDS}, "refusals and log do not agree"
        calls = [key.rpartition(":")[2] for key in self.client.keys("ce:{0}:call:*")]
        chains = [Leaf.of_record(order) for order in shown]
        chains += [Leaf.of_record(call) for call in self.engine.store.records.look({Call: calls}).of(Call).values()]
        endings = [key.rpartition(":")[2] for key in self.client.keys("ce:{0}:end:*")]
        chains += map(Leaf.of_record, self.engine.store.records.look({Ending: endings}).of(Ending).values())
        for leaf in chains:
            assert last.get(leaf.record) == leaf, "what was sealed last is not in the journal"

    def nothing_lost(self, shown: Any, seen: Any) -> None:
        everything = self.model.said
        self.model.said = {name: said for name, said in everything.items() if name not in self.unsure}
        super().nothing_lost(shown, seen)
        self.model.said = everything

    def end(self) -> None:
        """Assert that at the end all is settled or parked, and nothing happened twice without a reason in history."""
        self.judge()
        shown = {order.id: order for order in self.shown()}
        for order in shown.values():
            assert order.state.settled or any(effect.parked for effect in order.effects.values()), "it neither ends"
        self.op.ended(self, Counter(order.state.value for order in shown.values()), shown)
        refs = Counter(sms.ref for _, sms in self.model.sent)
        self._was_said(shown, set(refs))
        for ref, times in refs.items():
            assert len({sms for _, sms in self.model.sent if sms.ref == ref}) == 1, "another SMS under the same ref"
            assert times <= self.op.most_times, f"{ref} went out {times} times"
            if times > 1:
                self._explained(ref, shown)
        activations = Counter(each.order_id for each in self.bss.asked)
        for order_id, times in activations.items():
            event = shown[order_id].last(Trigger.SERVICE_ACTIVATED)
            assert times == 1 or event is None or event.as_json()["doubts"] >= times - 1, (
                "activated twice without a doubt"
            )
            assert times == 1 or not self.op.can_be_asked, "it could have been asked"
        for number, carrier, _ in list(self.model.refused):
            self._shut_out(number, carrier)

    def _was_said(self, shown: dict[str, Order], refs: set[str]) -> None:
        """Assert that everything the history says was handed over was, and that every required SMS went out."""
        for order in shown.values():
            if order.last(Trigger.CONFIRMATION_ACCEPTED):
                assert f"{order.id}.confirmation.1" in refs, "asked, says the history: nobody was"
            if order.state is State.NOTIFIED:
                assert f"{order.id}.notification.1" in refs, "notified, says the history: nobody was"
                assert any(each.order_id == order.id for each in self.bss.asked), "activated, it says: nothing was"
        for purpose in self.op.tells:
            assert any(f".{purpose}." in ref for ref in refs), f"the {purpose} never went out"

    def _explained(self, ref: str, shown: dict[str, Order]) -> None:
        """Assert that an SMS went out twice only because an attempt may have been taken, as the history says."""
        owner, purpose, n = ref.split(".")
        order = shown.get(owner)
        if order is None:
            return  # an SMS that belongs to the line leaves no history
        effect = f"sms.{purpose}.{n}"
        ended = [
            e for e in order.events if e.as_json().get("doubts") and e.as_json().get("purpose", purpose) == purpose
        ]
        pending = order.effects.get(effect)
        stuck = [e for e in order.events if e.trigger is Trigger.PARKED and e.as_json()["effect"] == effect]
        assert ended or stuck or (pending and pending.doubts), f"{ref} went out twice, and nothing says why"

    def _shut_out(self, number: str, carrier: str) -> None:
        for n, (plan, of) in enumerate(PLANS.items()):
            if carrier in {of, "*"}:
                try:
                    self.place(number, plan, f"after-refusal-{n}")
                except DoNotCall:
                    continue
                raise AssertionError("placed after a refusal")

    def close(self) -> None:
        self.runner.close()
        self.client.close()
        self._raw.close()
