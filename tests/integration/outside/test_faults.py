"""Gateway and BSS behind a wire that breaks: every fault has the right outcome, and the engine's promises still hold.

The adapters are the real ones, the far side is the simulator's, over real HTTP; between them is the fault proxy.
"""

import asyncio
from datetime import timedelta

import pytest

from consent_engine.adapters.bss import templated
from consent_engine.adapters.gateways import registry as gateways
from consent_engine.adapters.gateways import templated as http_json
from consent_engine.domain.effects import Accepted, Lane, Purpose, Unavailable, Uncertain, Untaken
from consent_engine.domain.offer.offer import Policy
from consent_engine.engine.perform import Performer
from consent_engine.engine.slice import Pace
from consent_engine.ports import Activation, Outside, Sms
from consent_engine.simulator import outside
from tests.conftest import NUMBER, SENDERS, World
from tests.fault_proxy import Fault, FaultProxy, Kind, always, nth
from tests.memory import a_store
from tests.tiers import DEEP
from tests.waiting import until

SECRET, BSS_SECRET = "gateway-secret-of-the-tests", "bss-secret-of-the-tests"
TIMEOUT = timedelta(seconds=12)
"""The timeout of a call: an undisturbed one ends in time on any machine. No other is waited for (`Ahead`)."""
JUMP_S = 12.1
LATE_S = 600
NOBODY = "http://127.0.0.1:9"
"""The address for the simulator's reports: nothing listens there, and no test waits for them."""
STEP = 1 if DEEP else 23

NOT_TAKEN = [
    Fault(Kind.DROP), Fault(Kind.RESET), Fault(Kind.DROP_SILENT), Fault(Kind.CUT), Fault(Kind.CUT, after=100),
    Fault(Kind.CUT, after=-1),
]  # fmt: skip
TAKEN = [
    Fault(Kind.SWALLOW), Fault(Kind.RESET_AFTER), Fault(Kind.SWALLOW_SILENT), Fault(Kind.DELAY_ANSWER, seconds=LATE_S),
    Fault(Kind.DELAY, seconds=LATE_S), Fault(Kind.HOLD), Fault(Kind.TRUNCATE, after=-1),
]  # fmt: skip
EVERY = [*NOT_TAKEN, *TAKEN]
QUICK = [Fault(Kind.DROP), Fault(Kind.RESET), Fault(Kind.CUT, after=100), Fault(Kind.SWALLOW), Fault(Kind.RESET_AFTER)]
"""The faults that end a call at once."""


def name(fault):
    return f"{fault.kind}:{fault.after}"


class Ahead(asyncio.SelectorEventLoop):
    """An event loop whose clock is moved ahead of a silence: a call is given up at once, and none because of a busy
    machine.
    """

    ahead = 0.0

    def time(self):
        return super().time() + self.ahead


class Air:
    """The simulator's outside behind a proxy, and the real adapters before it; all in one event loop."""

    def __init__(self):
        self.far = outside.Outside(SECRET, BSS_SECRET)
        self.proxy = FaultProxy(f"127.0.0.1:{self.far.port}")
        self.runner = asyncio.Runner(loop_factory=Ahead)

    def __enter__(self):
        self.proxy.__enter__()
        near = f"http://127.0.0.1:{self.proxy.port}"
        self.gateway = http_json.build("http_json", {"URL": f"{near}/sms", "SECRET": SECRET}, TIMEOUT)
        self.bss = self.bss_of({})
        self._serving = self.far.serving(NOBODY)
        self.runner.run(self._serving.__aenter__())
        loop = self.runner.get_loop()
        self._jumping = loop.create_task(self._jumps(loop))
        return self

    async def _jumps(self, loop):
        """Let the time of a call pass for each silence that begins on the wire."""
        seen = 0
        while True:
            await asyncio.sleep(0.005)
            if self.proxy.silences > seen:
                seen = self.proxy.silences
                loop.ahead += JUMP_S

    def __exit__(self, *trouble):
        self.proxy.calm()
        self._jumping.cancel()
        self.runner.run(self._serving.__aexit__(None, None, None))
        self.runner.close()
        self.proxy.__exit__()

    def bss_of(self, more):
        raw = {"URL": f"http://127.0.0.1:{self.proxy.port}/bss", "SECRET": BSS_SECRET, **more}
        return templated.build("http", raw, TIMEOUT)

    def send(self, n):
        sms = Sms(f"order{n}.confirmation.1", "10085", NUMBER, "是?", Purpose.CONFIRMATION)
        return self.runner.run(self.gateway.send(sms))

    def activate(self, n):
        return self.runner.run(self.bss.activate(Activation(f"order{n}", NUMBER, "plan", 1, "hash", 0, "head")))

    def call(self, to, n):
        return self.send(n) if to == "gateway" else self.activate(n)

    def attempts(self, to, n):
        """Return how many requests for it reached the far side."""
        book, key = (
            (self.far.ledger.sms, f"order{n}.confirmation.1")
            if to == "gateway"
            else (self.far.ledger.activations, f"order{n}")
        )
        return len(book[key].attempts) if key in book else 0

    def ref(self, to, n):
        return self.far.ledger.sms[f"order{n}.confirmation.1"].message_id if to == "gateway" else f"act-order{n}"

    def lets_go(self):
        """Let held and late requests arrive now."""
        self.proxy.calm()

        async def quiet():
            await asyncio.to_thread(self.proxy.settle)

        self.runner.run(quiet())


@pytest.fixture
def air():
    with Air() as made:
        yield made


@pytest.mark.parametrize("to", ["gateway", "bss"])
@pytest.mark.parametrize(
    ("fault", "warm"),
    [*((fault, False) for fault in EVERY), *((fault, True) for fault in (EVERY if DEEP else QUICK))],
    ids=lambda value: name(value) if isinstance(value, Fault) else "after another" * value,
)
def test_whatever_happens_after_the_connection_stood_is_doubt(air, fault, warm, to):
    if warm:
        assert isinstance(air.call(to, 0), Accepted)
    air.proxy.plan(nth(1, fault))
    outcome = air.call(to, 1)
    assert air.proxy.fired() == 1
    assert isinstance(outcome, Uncertain), "neither an answer nor a proof that nothing was done"
    air.lets_go()
    assert air.attempts(to, 1) == (fault in TAKEN), "never sent twice by ourselves"
    assert air.call(to, 2).ref == air.ref(to, 2), "the next call gets its own answer"


@pytest.mark.parametrize("to", ["gateway", "bss"])
def test_an_answer_cut_off_at_any_byte_is_doubt(air, to):
    for after in range(1, 1_000, STEP):
        air.proxy.plan(nth(1, Fault(Kind.TRUNCATE, after=after)))
        outcome = air.call(to, after)
        if not isinstance(outcome, Uncertain):
            break
    assert isinstance(outcome, Accepted), "only the whole answer is one"
    assert after > 150
    for after in (-1, -2, -3, -9):
        air.proxy.plan(nth(1, Fault(Kind.TRUNCATE, after=after)))
        assert isinstance(air.call(to, after), Uncertain)


@pytest.mark.parametrize("to", ["gateway", "bss"])
def test_only_a_refused_connection_is_surely_not_taken(air, to):
    assert isinstance(air.call(to, 0), Accepted)
    air.proxy.refuse(no=True)
    air.proxy.cut_off()
    air.runner.run(asyncio.sleep(0.05))  # so that the pool notices
    assert isinstance(air.call(to, 1), Unavailable)
    air.proxy.refuse(no=False)
    assert isinstance(air.call(to, 1), Accepted)
    assert air.attempts(to, 1) == 1


@pytest.mark.parametrize("fault", EVERY if DEEP else QUICK, ids=name)
def test_a_question_to_the_bss_that_is_not_answered_leaves_the_doubt(air, fault):
    asking = air.bss_of({"CAN_ASK": "true"})
    assert isinstance(air.activate(1), Accepted)
    for order in ("order1", "unheard-of"):
        air.proxy.plan(always(fault))
        assert isinstance(air.runner.run(asking.ask(order)), Uncertain)
        air.lets_go()
    assert isinstance(air.runner.run(asking.ask("order1")), Accepted)
    assert isinstance(air.runner.run(asking.ask("unheard-of")), Untaken)


# -- whose answer is it? ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["gateway", "bss"])
def test_an_answer_that_comes_after_we_gave_up_is_never_taken_for_another_calls(air, to):
    assert isinstance(air.call(to, 0), Accepted)
    for n in (10, 20):
        air.proxy.plan(nth(1, Fault(Kind.DELAY_ANSWER, seconds=LATE_S)))
        assert isinstance(air.call(to, n), Uncertain)
        assert air.call(to, n + 1).ref == air.ref(to, n + 1)
        air.lets_go()
        assert air.call(to, n + 2).ref == air.ref(to, n + 2)


@pytest.mark.parametrize("to", ["gateway", "bss"])
def test_what_is_said_unasked_never_passes_for_an_answer(air, to):
    """The far side sends the same answer twice; then another call is made, whose request never arrives."""
    for n in (10, 20):
        air.proxy.plan(nth(1, Fault(Kind.TWICE, seconds=0.02)))
        assert air.call(to, n).ref == air.ref(to, n)
        until("it is said again", lambda n=n: air.proxy.unasked == n // 10)
        air.runner.run(asyncio.sleep(0.05))  # so that it is read
        air.proxy.plan(always(Fault(Kind.DROP_SILENT)))
        assert isinstance(air.call(to, n + 1), Uncertain)
        air.lets_go()
    assert air.attempts(to, 11) == 0


class Unasked(asyncio.Protocol):
    """A gateway that answers the first SMS, keeps the connection open, and sends the same answer again unasked."""

    def __init__(self, answer, heard, again):
        self.answer, self.heard, self.again = answer, heard, again

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        loop = asyncio.get_running_loop()
        self.heard.append(data)
        if len(self.heard) == 1:
            self.transport.write(self.answer)
            loop.call_later(0.02, self.transport.write, self.answer)
            loop.call_later(0.02, self.again.set)
        elif len(self.heard) == 2:
            loop.ahead += JUMP_S


GATEWAYS = {
    "http_json": (b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"message_id":"m-1"}', {"SECRET": SECRET}),
    "kannel": (
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 25\r\n\r\n0: Accepted for delivery\n",
        {"SECRET": SECRET, "USERNAME": "x", "PASSWORD": "x", "CALLBACK_URL": "http://consent.example.com:8000"},
    ),
}


@pytest.mark.parametrize("kind", GATEWAYS)
def test_a_stray_answer_of_a_gateway_is_no_hand_over(kind):
    answer, settings = GATEWAYS[kind]

    async def conversation():
        heard, again = [], asyncio.Event()
        server = await asyncio.get_running_loop().create_server(lambda: Unasked(answer, heard, again), "127.0.0.1", 0)
        raw = {"URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sms", **settings}
        gateway = gateways.build(kind, lambda _: raw, TIMEOUT)
        asked = [Sms(f"order{n}.confirmation.1", "10085", NUMBER, "是?", Purpose.CONFIRMATION) for n in (1, 2)]
        outcomes = [await gateway.send(asked[0])]
        await again.wait()
        await asyncio.sleep(0.05)  # so that it is read
        outcomes.append(await gateway.send(asked[1]))
        server.close()
        return outcomes, len(heard)

    with asyncio.Runner(loop_factory=Ahead) as runner:
        (first, second), heard = runner.run(conversation())
    assert isinstance(first, Accepted)
    assert isinstance(second, Uncertain), "nobody answered it"
    assert heard >= 2, "though it was sent"


# -- through the whole engine -----------------------------------------------------------------------------------------


@pytest.fixture
def world(air):
    """Make an engine with gateway and BSS behind the proxy. Its clock is the test's; calls take their real time."""
    made = World(a_store(), Policy(retry_base=1_000, tell_declined=0))
    made.runner.close()
    made.runner = air.runner
    far = Outside({"test": air.gateway}, dict.fromkeys(SENDERS, ("test",)), SENDERS, air.bss)
    store, queue = made.engine.store, made.queue
    made.engine.performer = Performer(store, queue, far, made.policy, Pace())
    return made


def until_asked(world):
    world.order = world.place()


def until_confirmed(world):
    until_asked(world)
    world.run()
    world.clock.forward(seconds=9)
    world.say("是")
    world.run(Lane.INBOUND)


def until_activated(world):
    until_confirmed(world)
    world.run(Lane.ACTIVATION)


STAGES = {until_asked: "confirmation", until_confirmed: "activation", until_activated: "notification"}


def goes_on(world, air):
    """Play the rest of the story: doubts are held, retries come due, the subscriber says yes once asked."""
    for seconds in (0, 61, 601, 61, 601):
        world.clock.forward(seconds=seconds)
        world.run()
        asked = any(sms.purpose == "confirmation" and sms.accepted_at for sms in air.far.ledger.sms.values())
        if asked and world.state(world.order) == "awaiting_reply":
            world.say("是")


def judged(world, air, calls):
    """Check what must hold whatever happened on the wire."""
    ledger = air.far.ledger
    assert not [error for error in ledger.errors if "another body" in error or "signature" in error]
    assert set(ledger.activations) <= {world.order.id}, "no second activation under another key"
    for seen in ledger.activations.values():
        assert seen.switched_on == 1
        assert len(seen.attempts) <= calls
    for sms in ledger.sms.values():
        assert len(sms.attempts) <= 2, "at most one resend after doubt"
    history = world.triggers(world.order)
    for once in ("confirmation_accepted", "said_yes", "service_activated", "notification_accepted"):
        assert history.count(once) <= 1
    assert ("service_activated" in history) <= bool(ledger.activations)


@pytest.mark.parametrize("stage", STAGES, ids=STAGES.values())
@pytest.mark.parametrize("fault", EVERY, ids=name)
def test_one_fault_on_the_way_out_is_made_up_for(air, world, fault, stage):
    stage(world)
    world.clock.forward(seconds=9)  # calls took real time, and their effects are due after it
    air.proxy.plan(nth(1, fault))
    world.run()
    assert air.proxy.fired() == 1
    air.lets_go()
    goes_on(world, air)
    assert world.state(world.order) == "notified"
    assert world.engine.stuck() == []
    judged(world, air, 2)
    doubted = {until_asked: "confirmation", until_activated: "notification"}.get(stage)
    for sms in air.far.ledger.sms.values():
        assert len(sms.attempts) == 1 + (sms.purpose == doubted and fault in TAKEN)


@pytest.mark.parametrize("stage", STAGES, ids=STAGES.values())
@pytest.mark.parametrize("fault", [Fault(Kind.SWALLOW), Fault(Kind.DROP)], ids=name)
def test_a_fault_that_stays_ends_on_the_stuck_list_and_an_operator_mends_it(air, world, fault, stage):
    stage(world)
    air.proxy.plan(always(fault))
    for _ in range(12):
        world.run()
        world.clock.forward(seconds=601)
    [stuck] = world.engine.stuck()
    assert STAGES[stage].removesuffix("ion") in stuck.effect
    assert air.proxy.fired() == (5 if stuck.effect == "activate" else 2)
    assert world.state(world.order) in {"agreed", "confirmed", "activated"}
    air.proxy.calm()
    world.engine.retry(world.order.id, "ops")
    goes_on(world, air)
    assert world.state(world.order) == "notified"
    ledger = air.far.ledger
    assert [seen.switched_on for seen in ledger.activations.values()] == [1]
    assert not [error for error in ledger.errors if "another body" in error]


@pytest.mark.parametrize("stage", STAGES, ids=STAGES.values())
def test_while_nobody_can_be_reached_nothing_is_doubted_and_it_goes_on_by_itself(air, world, stage):
    stage(world)
    air.proxy.refuse(no=True)
    air.proxy.cut_off()
    air.runner.run(asyncio.sleep(0.05))
    for _ in range(4):
        world.run()
        world.clock.forward(seconds=30)
    effects = world.engine.show(world.order.id).effects.values()
    assert all(pending.doubts == 0 for pending in effects)
    assert world.engine.stuck() == []
    air.proxy.calm()
    goes_on(world, air)
    assert world.state(world.order) == "notified"
    judged(world, air, 1)
    assert all(len(sms.attempts) == 1 for sms in air.far.ledger.sms.values())
