"""The promises, against whatever may happen in whatever order: a machine plays the world, a model of few words judges.

TESTS_DEEP=500 looks at that many stories instead of the few that fit a normal run.
"""

import asyncio
import os
from dataclasses import dataclass, field

from fakeredis import FakeRedis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from consent_engine.adapters.redis_packing import DUE
from consent_engine.domain.effects import Accepted, Lane, Rejected, Unavailable, Uncertain
from consent_engine.domain.event import link
from consent_engine.domain.keywords import Keyword, read
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order import replay
from consent_engine.domain.policy import Policy
from consent_engine.domain.sms import Delivery
from consent_engine.engine import RefusalAsked
from consent_engine.errors import (
    DoNotCall,
    DuplicateOrder,
    NothingParked,
    NotWaiting,
    StoreUnavailable,
    TooLate,
    TooManyResends,
)
from tests.conftest import SENDERS, World

DEEP = int(os.environ.get("TESTS_DEEP", "0"))
NUMBERS = ("+8613800138000", "+8613900139000", "+8613700137000")
PLANS = {"5g-smart-199": "mobile", "data-pack-10gb": "mobile", "fibre-duo-129": "telecom"}
OUTCOMES = (Accepted("m"), Accepted("m"), Rejected("no such number"), Unavailable("busy"), Uncertain("timeout"))
HOURS = 3_600_000
JUMPS = (1_000, 1_000, 5_000, 61_000, 61_000, 601_000, 601_000, 2 * HOURS, 11 * HOURS, 24 * HOURS, 73 * HOURS)
SAYINGS = ("是", "是", "是{}", "是{}", "{}", "否", "否{}", "TD", "帮助", "嗯", "是999")
SELDOM = st.sampled_from([True, False, False, False, False])
QUESTIONS = frozenset({"confirmation", "reminder", "clarification", "notification"})


@dataclass
class Said:
    """A message as the model knows it."""

    msisdn: str
    carrier: str
    text: str
    at: int
    n: int


@dataclass
class Model:
    """What must be true, in few words."""

    orders: dict = field(default_factory=dict)  # id -> (number, carrier)
    said: dict = field(default_factory=dict)  # the gateway's id -> Said
    refused: list = field(default_factory=list)  # (number, carrier or *, n)
    settled: dict = field(default_factory=dict)  # id -> state
    heads: dict = field(default_factory=dict)  # id -> (events, head)
    sent: list = field(default_factory=list)  # (instant, sms)
    n: int = 0

    def refuses(self, number, carrier, before=None):
        hits = (n for who, what, n in self.refused if who == number and what in {carrier, "*"})
        return any(before is None or n < before for n in hits)


class Promises(RuleBasedStateMachine):
    """Rules are what the world does; invariants are what we promised."""

    orders = Bundle("orders")
    calls = Bundle("calls")

    def __init__(self):
        super().__init__()
        self.world = World(FakeRedis(decode_responses=True), Policy(retry_base=1_000, reminder_after=12 * HOURS))
        self.model = Model()
        self.engine = self.world.engine
        self.answers_at_once = False
        self.flying = []
        self.fresh = []
        self.world.gateway.send = self.send
        self.world.bss.activate = self.activate

    # -- the outside ----------------------------------------------------------------------------------------------

    async def send(self, sms):
        owner = sms.ref.split(".")[0]
        self.model.sent.append((self.world.clock.now, sms))
        if owner in self.model.orders:
            state = self.engine.show(owner).state
            assert not (state.settled and sms.purpose in QUESTIONS), f"{sms.purpose} to somebody whose order is {state}"
        elif sms.purpose == "clarification":
            assert not self.model.refuses(sms.to, self.carrier(sms.sender)), "a question to somebody who refused"
        assert sms.to in NUMBERS
        return await self.ended()

    async def activate(self, activation):
        self.world.bss.asked.append(activation)
        order = self.engine.show(activation.order_id)
        assert order.state is State.CONFIRMED
        return await self.ended()

    async def ended(self):
        if self.answers_at_once:
            return Accepted("m")
        call = asyncio.get_running_loop().create_future()
        self.fresh.append(call)
        return await call

    def carrier(self, sender):
        return next(carrier for carrier, number in SENDERS.items() if sender.startswith(number))

    def perform(self, lane, engine=None):
        self.fresh = []
        self.world.runner.run((engine or self.engine).performer.perform(lane, 0.005))
        begun = [(call, engine or self.engine) for call in self.fresh]
        self.flying += begun
        return multiple(*begun)

    # -- what people do -------------------------------------------------------------------------------------------

    @rule(target=orders, number=st.sampled_from(NUMBERS), plan=st.sampled_from(sorted(PLANS)))
    def place(self, number, plan):
        try:
            order = self.world.place(number, plan)
        except DuplicateOrder:
            return multiple()
        except DoNotCall:
            assert self.model.refuses(number, PLANS[plan])
            return multiple()
        assert not self.model.refuses(number, PLANS[plan]), "placed after a refusal"
        self.model.orders[order.id] = (number, PLANS[plan])
        return order

    @rule(number=st.sampled_from(NUMBERS), words=st.sampled_from(SAYINGS), about=orders)
    def reply(self, number, words, about):
        self.hear(number, words, about)

    @rule(words=st.sampled_from(("是", "是{}", "{}")), about=orders)
    def answer(self, words, about):
        self.hear(about.person.msisdn, words, about)

    def hear(self, number, words, about):
        model, text = self.model, words.format(about.doc.code)
        model.n += 1
        said = Said(number, about.doc.carrier, text, self.world.clock.now, model.n)
        name = f"mo-{model.n}"
        assert self.world.say(text, number, about.doc.sender, name)
        assert not self.world.say(text, number, about.doc.sender, name), "a repeat is known"
        model.said[name] = said
        if read(text)[0] is Keyword.STOP:
            model.refused.append((number, said.carrier, said.n))

    @rule(number=st.sampled_from(NUMBERS), carrier=st.sampled_from(["mobile", "telecom", "*"]), seldom=SELDOM)
    def refuse(self, number, carrier, seldom):
        if not seldom:
            return
        self.model.n += 1
        self.engine.refuse(RefusalAsked(number, carrier, "voice", "A1024"))
        self.model.refused.append((number, carrier, self.model.n))

    @rule(order=orders, seldom=SELDOM)
    def cancel(self, order, seldom):
        try:
            assert not seldom or self.engine.cancel(order.id, "A1024", "changed his mind").state is State.CANCELLED
        except TooLate:
            return

    @rule(order=orders)
    def retry(self, order):
        try:
            self.engine.retry(order.id, "ops")
        except NothingParked:
            assert not any(effect.parked for effect in self.engine.show(order.id).effects.values())

    @rule(order=orders)
    def ask_again(self, order):
        try:
            self.engine.resend(order.id, "A1024")
        except (NotWaiting, TooManyResends):
            return

    @rule(
        order=orders,
        effect=st.sampled_from(["confirmation.1", "confirmation.1", "confirmation.2", "notification.1", "nonsense.1"]),
        status=st.sampled_from(Delivery),
        name=st.sampled_from(["m", "m2", ""]),
    )
    def report(self, order, effect, status, name):
        if effect == "nonsense.1" or any(sms.ref == f"{order.id}.{effect}" for _, sms in self.model.sent):
            self.world.report(order, status, effect, message_id=name)

    # -- what machines do -----------------------------------------------------------------------------------------

    @rule(milliseconds=st.sampled_from(JUMPS))
    def time_passes(self, milliseconds):
        self.world.clock.forward(milliseconds)

    @rule(target=calls, lane=st.sampled_from(Lane))
    def work(self, lane):
        return self.perform(lane)

    @rule()
    def all_goes_well(self):
        """Everything due is done, and the outside takes it at once, like all that it has in hand."""
        self.answers_at_once = True
        for call, engine in self.flying:
            if engine is self.engine and not call.done():
                call.set_result(Accepted("m"))
        self.world.run()
        self.answers_at_once = False

    @rule(target=calls)
    def work_all(self):
        found = [self.perform(lane) for lane in (Lane.INBOUND, Lane.SMS, Lane.ACTIVATION, Lane.TIMER)]
        return multiple(*[call for some in found for call in some.values])

    @rule(call=consumes(calls), outcome=st.sampled_from(OUTCOMES))
    def call_ends(self, call, outcome):
        future, engine = call
        if not future.done():
            future.set_result(outcome)
            self.world.runner.run(engine.performer.land(0.004))

    @rule(lane=st.sampled_from(Lane), n=st.integers(1, 3))
    def leased_and_died(self, lane, n):
        self.engine.store.lease(lane, n)

    @rule(lane=st.sampled_from([Lane.INBOUND, Lane.TIMER]), commits=st.integers(0, 3))
    def died_between_commits(self, lane, commits):
        dying = self.world.another()
        save, left = dying.store.commit, [commits]

        def commit(some, **more):
            fits = some[: left[0]]
            left[0] -= len(fits)
            words = save(fits, **more) if fits else []
            if len(fits) < len(some):
                raise StoreUnavailable("killed")
            return words

        dying.store.commit = commit
        try:
            self.perform(lane, dying)
        except StoreUnavailable:
            return

    @rule()
    def crash(self):
        """Another process takes over; calls of the old one may still end, late."""
        self.engine = self.world.engine = self.world.another()

    # -- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def promises(self):
        shown = {order: self.engine.show(order) for order in self.model.orders}
        for order in shown.values():
            self.consented(order, shown)
            self.settled_stays(order)
            self.replays(order)
        self.one_activation()
        self.somebody_minds(shown)
        self.nothing_lost(shown)
        for number in NUMBERS:
            for carrier in ("mobile", "telecom"):
                assert self.engine.dial(number, carrier).callable != self.model.refuses(number, carrier)

    def consented(self, order, shown):
        yes = [e for e in order.events if e.trigger == "said_yes"]
        active = [e for e in order.events if e.trigger == "service_activated"]
        assert len(yes) <= 1
        assert len(active) <= len(yes)
        for event in yes:
            said = self.model.said[event.ref]
            number, carrier = self.model.orders[order.id]
            assert (said.msisdn, said.carrier) == (number, carrier), "from that number, to that carrier"
            asked = next(e for e in order.events if e.trigger == "confirmation_accepted")
            assert any(at <= said.at and sms.ref == f"{order.id}.confirmation.1" for at, sms in self.model.sent), (
                "after the question left us"
            )
            assert asked.detail["last"] <= said.at <= order.reply_by, "inside the window"
            assert not self.model.refuses(number, carrier, before=said.n), "STOP read before YES wins"
            self.answers(order, said, shown)

    def answers(self, order, said, shown):
        keyword, code = read(said.text)
        others = [
            o for o in shown.values() if self.model.orders[o.id] == self.model.orders[order.id] and o is not order
        ]
        if code is not None:
            assert code == order.doc.code
        if keyword is Keyword.UNKNOWN:  # the code alone answers our own question, after a yes
            assert any(
                at <= said.at and sms.purpose == "clarification" and sms.to == said.msisdn and code in sms.text
                for at, sms in self.model.sent
            ), "a bare code that nobody asked for"
            assert any(
                read(before.text) == (Keyword.YES, None) and before.msisdn == said.msisdn and before.n < said.n
                for before in self.model.said.values()
            )
        elif code is None:
            for other in others:
                asked = other.last("confirmation_accepted")
                gone = other.settled_at and other.settled_at + 72 * HOURS < said.at
                assert asked is None or gone or said.at < asked.detail["started"], "a guess"

    def settled_stays(self, order):
        was = self.model.settled.get(order.id)
        assert was in {None, order.state}
        if order.state.settled:
            self.model.settled[order.id] = order.state

    def replays(self, order):
        kept = self.world.client.hgetall(f"ce:{{0}}:order:{order.id}")
        assert replay(kept) == (kept["state"], kept["head"], int(kept.get("reply_by", 0)))
        length, head = self.model.heads.get(order.id, (0, None))
        if head:
            for public in order.publics[length + 1 :]:
                head = link(head, public)
            assert head == order.head, "what was handed out can be shown to have been changed"
        self.model.heads[order.id] = (len(order.events), order.head)
        ops = [event.op for event in order.events]
        assert len(ops) == len(set(ops)), "nothing happens twice"

    def one_activation(self):
        bodies = {}
        for activation in self.world.bss.asked:
            assert bodies.setdefault(activation.order_id, activation) == activation

    def somebody_minds(self, shown):
        """Every wanted effect is in a due-set and the other way round; an open order wants something."""
        client = self.world.client
        members = {member for due in DUE.values() for member in client.zrange(due, 0, -1)}
        wanted = {f"o:{order.id}:{effect}" for order in shown.values() for effect in order.effects}
        for number in NUMBERS:
            line = self.engine.line(number)
            wanted |= {f"l:{line.id}:{effect}" for effect in line.effects}
            assert ("read" in line.effects) == bool(client.llen(f"ce:{{0}}:inbox:{line.id}"))
        assert members == wanted
        assert all(order.effects for order in shown.values() if not order.state.settled)

    def nothing_lost(self, shown):
        """Every message is unread, in a history, or kept as unmatched."""
        client = self.world.client
        known = {e.ref for order in shown.values() for e in order.events}
        kept = " ".join(str(fields) for _, fields in client.xrange("ce:{0}:unmatched"))
        for number in NUMBERS:
            kept += " ".join(client.lrange(f"ce:{{0}}:inbox:{self.engine.line(number).id}", 0, -1))
        for name in self.model.said:
            assert name in known or f'"id":"{name}"' in kept, "a message was lost"

    def teardown(self):
        """With an outside that works, every order settles or stands on the stuck list."""
        self.answers_at_once = True
        self.crash()
        for _ in range(8):
            self.world.clock.forward(13 * HOURS)
            self.world.run()
            self.promises()
        for order in map(self.engine.show, self.model.orders):
            assert order.state.settled or any(effect.parked for effect in order.effects.values())
        loop = self.world.runner.get_loop()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        self.world.runner.close()


Promises.TestCase.settings = settings(
    max_examples=DEEP or 60,
    stateful_step_count=40,
    deadline=None,
    derandomize=not DEEP,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if DEEP else [Phase.generate],
)
TestPromises = Promises.TestCase
