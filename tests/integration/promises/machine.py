"""A state machine that plays the world, rule by rule, and checks after each step whether every promise holds."""

import asyncio
import selectors
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import ACTIVATE, Accepted, Lane, Rejected, Unavailable, Uncertain
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.sms import Delivery
from consent_engine.engine.engine import RefusalAsked
from consent_engine.errors import (
    CoolingOff,
    DoNotCall,
    DuplicateOrder,
    NothingParked,
    NotWaiting,
    PlanNotPublic,
    StoreUnavailable,
    TooLate,
    TooManyResends,
)
from tests.conftest import SENDERS, World
from tests.integration.promises.checks import HOURS, NUMBERS, Judge, Model, Said, begun
from tests.tiers import DEEP

PLANS = {"5g-smart-199": "mobile", "data-pack-10gb": "mobile", "fibre-duo-129": "telecom"}
OUTCOMES = (Accepted("m"), Accepted("m"), Rejected("no such number"), Unavailable("busy"), Uncertain("timeout"))
JUMPS = (1_000, 1_000, 5_000, 61_000, 61_000, 601_000, 601_000, 2 * HOURS, 11 * HOURS, 24 * HOURS, 73 * HOURS)
COMPLAINT = "我要投诉"
SAYINGS = ("是", "是", "是{}", "是{}", "{}", "否", "否{}", "TD", "帮助", "嗯", "是999", COMPLAINT)
DOORS = st.sampled_from(["voice", "import", "report"])
DOUBTS = st.sampled_from([("是{}", "", COMPLAINT), ("是", "", COMPLAINT), ("是{}", COMPLAINT)])
"""'': all of it is read before the next text comes."""
SEGMENTS = st.sampled_from([(1, 1), (1, 1), (1, 2), (2, 2)])
SELDOM = st.sampled_from([True, False, False, False, False])
ASKING = frozenset({"confirmation", "reminder", "clarification"})
QUESTIONS = frozenset({"confirmation", "reminder", "clarification", "notification", "held", "resumed"})


class Jumping(selectors.DefaultSelector):
    """A selector that does not wait: the loop's time jumps to its next timer. No step depends on a machine's speed."""

    passed = 0.0

    def select(self, timeout=None):
        self.passed += timeout or 0.0
        return super().select(0)


def jumping_loop():
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.passed
    return loop


A_SLICE = 0.01


async def for_a_slice(work):
    """Let a performer work for a slice of the loop's time; calls in flight then stay so."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=A_SLICE)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return None


class Promises(Judge, RuleBasedStateMachine):
    """The state machine: its rules are what the world does, its invariants are our promises."""

    orders = Bundle("orders")
    calls = Bundle("calls")
    seen = Bundle("seen")

    def __init__(self, client):
        super().__init__()
        self.world = World(client, Policy(retry_base=1_000, reminder_after=12 * HOURS))
        self.model = Model()
        self.engine = self.world.engine
        self.world.runner = asyncio.Runner(loop_factory=jumping_loop)
        self.done = Counter(stories=1)
        self.answers_at_once = False
        self.flying = []
        self.broken = []
        self.fresh = []
        self.world.gateway.send = self.send
        self.world.bss.activate = self.activate

    # -- the outside ----------------------------------------------------------------------------------------------

    async def send(self, sms):
        owner = sms.ref.split(".")[0]
        self.model.sent.append((self.world.clock.now, sms))
        if owner in self.model.orders:
            state = self.engine.show(owner).state
            self.must(not (state.settled and sms.purpose in QUESTIONS), f"{sms.purpose} though the order is {state}")
            rests = self.model.suspicion(*self.model.orders[owner]) is not None and not self.unread(sms.to)
            self.must(not rests or sms.purpose not in ASKING, f"{sms.purpose} under a suspicion")
        elif sms.purpose == "clarification" and not self.unread(sms.to):
            self.must(not self.model.refuses(sms.to, self.carrier(sms.sender)), "a question to somebody who refused")
            self.must(not self.model.suspicion(sms.to, self.carrier(sms.sender)), "a question under a suspicion")
        self.must(sms.to in NUMBERS, "an SMS to nobody")
        return await self.ended()

    async def activate(self, activation):
        self.world.bss.asked.append(activation)
        self.must(self.engine.show(activation.order_id).state is State.CONFIRMED, "activated without consent")
        self.must(self.may_activate(activation.order_id), "activated though something barred it")
        return await self.ended()

    def must(self, holds, words):
        """Note a broken promise, to fail later: a gateway that raises is only a doubtful gateway."""
        if not holds:
            self.broken.append(words)

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
        self.world.runner.run(for_a_slice((engine or self.engine).performer.perform(lane, 5)))
        begun = [(call, engine or self.engine) for call in self.fresh]
        self.flying += begun
        return multiple(*begun)

    def perform_awake(self, lane):
        """Perform a lane, every other time as a worker that looks again anyway: commits then lease at once."""
        self.engine.performer.awake = frozenset(Lane if self.model.n % 2 else ())
        found = self.perform(lane)
        self.engine.performer.awake = frozenset()
        return found

    # -- what people do -------------------------------------------------------------------------------------------

    @initialize(
        target=orders, number=st.sampled_from(NUMBERS), plan=st.sampled_from(sorted(PLANS)), asked=st.booleans()
    )
    def begins(self, number, plan, asked):
        """Place the first order: most rules need one."""
        order = self.place(number, plan)
        if asked:
            self.all_goes_well()
        return order

    def declined(self, number, plan):
        """Whether the number has said no to this plan."""
        ended = (order for order in self.engine.orders_of(number, limit=200).orders if order.doc.plan == plan)
        return any("said_no" in {event.trigger for event in order.events} for order in ended)

    @rule(target=orders, number=st.sampled_from(NUMBERS), plan=st.sampled_from(sorted(PLANS)))
    def place(self, number, plan):
        try:
            order = self.world.place(number, plan)
        except DuplicateOrder:
            return multiple()
        except DoNotCall:
            assert self.model.bars(number, PLANS[plan])
            return multiple()
        except CoolingOff:
            assert self.declined(number, plan)
            return multiple()
        except PlanNotPublic:
            assert plan in self.model.revoked
            return multiple()
        assert plan not in self.model.revoked, "placed though it was revoked"
        assert not self.model.bars(number, PLANS[plan]), "placed after a refusal, or what may be one"
        assert not self.declined(number, plan), "offered again to who declined it"
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
        if about.doc.code in text and self.unread_question(about.id):
            return  # a subscriber cannot know a code that no SMS contained
        model.n += 1
        said = Said(number, about.doc.carrier, text, self.world.clock.now, model.n)
        name = f"mo-{model.n}"
        assert self.world.say(text, number, about.doc.offer.sender, name)
        assert not self.world.say(text, number, about.doc.offer.sender, name), "a repeat is known"
        model.said[name] = said
        match read(text).keyword:
            case Keyword.STOP:
                model.refuse(number, said.carrier, said.n)
            case Keyword.HOLD:
                model.suspect(number, said.carrier, said.at, said.n)

    def unread_question(self, order_id):
        """Whether a worker began the question and died before any SMS was handed over."""
        question = self.engine.show(order_id).question
        sent = any(sms.ref == f"{order_id}.confirmation.1" for _, sms in self.model.sent)
        return question is not None and question.last_at > 0 and not sent

    @rule(order=orders, between=st.booleans())
    def says_yes_under_a_suspicion(self, order, between):
        self.hear(order.person.msisdn, COMPLAINT, order)
        if between:
            self.perform(Lane.INBOUND)
        self.hear(order.person.msisdn, "是{}", order)
        waits = self.engine.show(order.id).state is State.AWAITING_REPLY
        self.all_goes_well()
        void = self.engine.show(order.id).last(Trigger.REPLIED_BARRED)
        self.done["yes, but barred"] += waits and void is not None

    @rule(target=seen, order=orders, words=DOUBTS, let_go=st.booleans())
    def complains_about_a_yes(self, order, words, let_go):
        """Complain in one go, or with reads between; return what ops see then, or decide that nothing was meant."""
        for each in words:
            if each:
                self.hear(order.person.msisdn, each, order)
            else:
                self.perform(Lane.INBOUND)
        self.done["barred, not begun"] += ACTIVATE in self.engine.show(order.id).effects
        self.judge()
        self.all_goes_well()
        self.judge()
        looks = self.ops_look()
        if not let_go:
            return looks
        for each in looks.values:
            self.ops_let_go(each)
        return multiple()

    @rule(order=orders, words=st.sampled_from(("是", "是{}")), past=st.sampled_from([-1, 0, 1, 5_000]))
    def answer_at_the_last_moment(self, order, words, past):
        """Answer around the end of the window, read before the timer is looked at."""
        end = self.engine.show(order.id).reply_by
        if end > self.world.clock.now:
            self.world.clock.now = end + past
            self.hear(order.person.msisdn, words, order)
            self.perform_awake(Lane.INBOUND)

    @rule(target=orders, number=st.sampled_from(NUMBERS), plan=st.sampled_from(sorted(PLANS)), late=st.booleans())
    def place_and_ask(self, number, plan, late):
        """Send the question while a yes from before it is still unread."""
        found = self.place(number, plan)
        if found != multiple():
            self.hear(number, "是", found)
            self.world.clock.forward(1_000 if late else 0)
            self.answers_at_once = True
            self.perform(Lane.SMS)
            self.answers_at_once = False
        return found

    @rule(number=st.sampled_from(NUMBERS), plan=st.sampled_from(sorted(PLANS)), words=st.sampled_from(("TD", "voice")))
    def refuse_while_placing(self, number, plan, words):
        """Let the refusal come between the look and the commit."""
        desk = self.world.another()
        save, todo = desk.store.records.commit, [True]

        def commit(some, **more):
            if todo:
                todo.pop()
                if words == "voice":
                    self.refuse(number, PLANS[plan], seldom=True)
                else:
                    self.world.say("TD", number, SENDERS[PLANS[plan]])
                    self.model.refuse(number, PLANS[plan])
            return save(some, **more)

        if self.model.n % 4:  # not too often: nothing can be placed afterwards
            return
        desk.store.records.commit = commit
        wanted = Placing("desk", f"racing-{self.model.n}", self.world.request(number, plan))
        try:
            desk.place(wanted)
        except (CoolingOff, DuplicateOrder, DoNotCall, PlanNotPublic):
            return
        raise AssertionError("placed while it was refused")

    @rule(
        number=st.sampled_from(NUMBERS), carrier=st.sampled_from(["mobile", "telecom", "*"]), door=DOORS, seldom=SELDOM
    )
    def refuse(self, number, carrier, seldom, door="voice"):
        if not seldom:
            return
        self.engine.refuse(RefusalAsked(number, carrier, door, "A1024"))
        self.model.refuse(number, carrier)

    @rule(target=seen)
    def ops_look(self):
        """Return the held replies as they stand now; they may be decided much later."""
        rows = {each.id.rpartition(".")[0]: each.id for each in self.engine.held()[0]}
        held = {f"{self.engine.line(each.msisdn).id}.{each.carrier}": each for each in self.model.undecided()}
        assert rows.keys() == held.keys(), "all that waits for a person is listed, each once"
        return multiple(*[(rows[name], each, each.newest) for name, each in held.items()])

    @rule(look=consumes(seen), refusal=st.booleans())
    def ops_decide(self, look, refusal):
        """Decide a reply as it was seen, or not at all."""
        name, suspicion, newest = look
        as_seen = suspicion.ended is None and suspicion.newest == newest
        done = self.engine.decide_held([name], refusal=refusal, by="ops-1", reason="asks for the price")
        assert (done.decided, done.gone) == ((1, 0) if as_seen else (0, 1))
        self.done["decided" if as_seen else "decided too late"] += 1
        if as_seen and refusal:
            self.model.refuse(suspicion.msisdn, suspicion.carrier)
        elif as_seen:
            self.model.let_go(suspicion.msisdn, suspicion.carrier)

    @rule(look=consumes(seen))
    def ops_let_go(self, look):
        """Decide that it was no refusal: activations that it alone had barred go on."""
        self.ops_decide(look, refusal=False)
        self.world.clock.forward(61_000)
        waiting = [order for order in self.model.orders if self.is_free(order)]
        self.all_goes_well()
        self.done["went on"] += len(waiting)
        assert all(self.engine.show(order).state is not State.CONFIRMED for order in waiting), "nothing bars it"

    def is_free(self, order_id):
        """Whether an order is confirmed, its activation not begun, and nothing in its way."""
        order = self.engine.show(order_id)
        pending = order.effects.get(ACTIVATE)
        stuck = pending is not None and (pending.parked or begun(pending))
        return order.state is State.CONFIRMED and not stuck and not self.model.bars(*self.model.orders[order_id])

    @rule(order=orders, seldom=SELDOM)
    def cancel(self, order, seldom):
        try:
            assert not seldom or self.engine.cancel(order.id, "A1024", "changed his mind").state is State.CANCELLED
        except TooLate:
            return

    @rule(plan=st.sampled_from(sorted(PLANS)), seldom=SELDOM)
    def revoke(self, plan, seldom):
        """Revoke the plan while orders of it are under way: those not confirmed are cancelled."""
        if not seldom or self.model.n % 3:  # not too often: it cannot be ordered afterwards
            return
        shown = [self.engine.show(order) for order in self.model.orders]
        waiting = [o.id for o in shown if o.doc.plan == plan and o.state in {State.AGREED, State.AWAITING_REPLY}]
        self.engine.revoke(plan, "ops")
        self.model.revoked.add(plan)
        for order in waiting:
            assert self.engine.show(order).state is State.CANCELLED, "still waiting for a plan that is gone"

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
        part=SEGMENTS,
    )
    def report(self, order, effect, status, name, part):
        if effect == "nonsense.1" or any(sms.ref == f"{order.id}.{effect}" for _, sms in self.model.sent):
            self.world.report(order, status, effect, message_id=name, segment=part[0], segments=part[1])

    @rule(order=orders, kinds=st.permutations(list(Delivery)))
    def reports_in_any_order(self, order, kinds):
        """Report every status that an SMS can have, newest first or not, in one go."""
        if any(sms.ref == f"{order.id}.confirmation.1" for _, sms in self.model.sent):
            for kind in kinds:
                self.world.report(order, kind, message_id="m3")

    @rule(target=calls, order=orders, words=st.sampled_from(("是", "是{}")), read_at_once=st.booleans())
    def answers_before_the_gateway_does(self, order, words, read_at_once):
        """Answer a question that was handed over before the engine knows the outcome."""
        found = self.perform(Lane.SMS)
        self.hear(order.person.msisdn, words, order)
        if read_at_once:
            self.perform(Lane.INBOUND)
        return found

    # -- what machines do -----------------------------------------------------------------------------------------

    @rule(milliseconds=st.sampled_from(JUMPS))
    def time_passes(self, milliseconds):
        self.world.clock.forward(milliseconds)

    @rule(target=calls, lane=st.sampled_from(Lane))
    def work(self, lane):
        return self.perform_awake(lane)

    @rule()
    def all_goes_well(self):
        """Do everything due; gateway and BSS accept it at once, like the calls in flight."""
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
            self.world.runner.run(for_a_slice(engine.performer.land(5)))

    @rule(target=calls, call=consumes(calls), outcome=st.sampled_from(OUTCOMES))
    def lease_is_lost(self, call, outcome):
        """Let a call take too long: its effect is leased by another worker, then it ends after all."""
        self.world.clock.forward(61_000)
        begun = [self.perform(lane, self.world.another()) for lane in (Lane.SMS, Lane.ACTIVATION)]
        self.call_ends(call, outcome)
        return multiple(*[each for some in begun for each in some.values])

    @rule(lane=st.sampled_from(Lane), n=st.integers(1, 3))
    def leased_and_died(self, lane, n):
        self.engine.store.lanes.lease(lane, n)

    @rule(lane=st.sampled_from([Lane.INBOUND, Lane.TIMER]), commits=st.integers(0, 3))
    def died_between_commits(self, lane, commits):
        dying = self.world.another()
        save, left = dying.store.records.commit, [commits]

        def commit(some, **more):
            fits = some[: left[0]]
            left[0] -= len(fits)
            words = save(fits, **more) if fits else []
            if len(fits) < len(some):
                raise StoreUnavailable("killed")
            return words

        dying.store.records.commit = commit
        try:
            self.perform(lane, dying)
        except StoreUnavailable:
            return

    @rule()
    def crash(self):
        """Let another process take over; calls of the old one may still end, late."""
        self.engine = self.world.engine = self.world.another()

    # -- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def promises(self):
        self.done["steps"] += 1
        self.judge()

    def teardown(self):
        """Check that every order settles or is on the stuck list once gateway and BSS work."""
        self.answers_at_once = True
        self.crash()
        for _ in range(8):
            self.world.clock.forward(13 * HOURS)
            self.world.run()
            self.judge()
        assert self.model.undecided() == []
        self.done["lapsed"] += self.model.lapsed
        for order in map(self.engine.show, self.model.orders):
            assert order.state.settled or any(effect.parked for effect in order.effects.values())
        loop = self.world.runner.get_loop()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        self.world.runner.close()


def stories(most):
    """Return the settings for hypothesis: so many stories, always the same ones in a normal run."""
    return settings(
        max_examples=max(most, DEEP),
        stateful_step_count=40,
        derandomize=not DEEP,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if DEEP else [Phase.generate],
    )
