"""A short history over a durable server: the acknowledgements, and the length of the append-only file at each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from redis import Redis

from consent_engine.adapters.redis.client import PROOF_TIMEOUT_MS, Wire, connect
from consent_engine.adapters.redis.codec import whole
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import Call
from consent_engine.domain.effects import Lane, Rejected, Uncertain
from consent_engine.domain.line.line import Entry, Line, line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order, replay
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Delivery
from consent_engine.engine.engine import Engine, RefusalAsked
from consent_engine.engine.slice import Pace
from consent_engine.ports import Outside
from tests.at_rest import in_clear
from tests.conftest import NUMBER, SENDERS, Clock, World
from tests.durability.servers import Server
from tests.waiting import until
from tests.written_out import listed

SECRET = "test-secret"
OTHER = Msisdn("+8613900139000")
PLANS = {NUMBER: "5g-smart-199", OTHER: "fibre-duo-129"}


@dataclass(frozen=True)
class Told:
    """An acknowledgement or an outside call at a file of `size` bytes: from then on `holds` must be true."""

    size: int
    what: str
    holds: Callable[[World], bool]


class Durable(World):
    """A world over a durable server; its engine proves what it acknowledges, as in `strict`, or does not."""

    url, replicas, timeout_s, proof_ms = "", 0, 5.0, PROOF_TIMEOUT_MS

    def __init__(self, server: Server, clock: Clock | None = None, *, proves: bool = True) -> None:
        self.server, self.proves = server, proves
        self.clients: list[Redis] = []
        super().__init__(server.client(), clock=clock)

    def close(self) -> None:
        self.runner.close()
        for client in (self.client, *self.clients):
            client.close()

    def wire(self) -> Wire:
        self.clients.append(connect(self.url or self.server.url, self.timeout_s))
        return Wire(self.clients[-1], proves=self.proves, replicas=self.replicas, proof_ms=self.proof_ms)

    def another(self) -> Engine:
        wire = self.wire()
        return Engine(
            listed(redis_store(wire, lease_ms=60_000, clock=self.clock), self.clients[-1]),
            RedisRegistry(wire, clock=self.clock),
            self.queue,
            Outside({"test": self.gateway}, dict.fromkeys(SENDERS, ("test",)), SENDERS, self.bss),
            Terms(self.policy, SENDERS, frozenset(), call_age=self.call_age),
            "test-secret",
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )


class History:
    """A run down the road with everything that is acknowledged on it, and a journal of it."""

    def __init__(self, server: Server, *, proves: bool) -> None:
        self.server = server
        self.begin = server.aof().stat().st_size  # before there are plans
        self.world = Durable(server, proves=proves)
        self.told: list[Told] = []
        self.placed: list[tuple[int, Placing, str]] = []
        self.said: list[tuple[int, str, Msisdn, str]] = []
        self.world.gateway.send = self._calling(self.world.gateway.send, "sms")  # type: ignore[method-assign]
        self.world.bss.activate = self._calling(self.world.bss.activate, "activation")  # type: ignore[method-assign]
        self._tell("plans", lambda w: set(PLANS.values()) <= set(w.engine.catalogue.fresh()))
        self.walk()
        self.end = self.size()

    def size(self) -> int:
        """The file's length with all that was answered for in it. (`everysec` may write a moment after it answers.)"""
        client = self.world.client
        until("all is written", lambda: client.info("persistence")["aof_buffer_length"] == 0)
        return self.server.aof().stat().st_size

    def _tell(self, what: str, holds: Callable[[World], bool]) -> None:
        # `always` must have written already: there the length is taken as it is.
        size = self.server.aof().stat().st_size if self.world.proves else self.size()
        self.told.append(Told(size, what, holds))

    def _calling(self, call, what):
        """Wrap a call to the gateway or the BSS: the call and its grounds must be on disk before it is made."""

        async def called(asked):
            owner, effect = (
                (asked.order_id, "activate") if what == "activation" else asked.ref.rsplit(".", 1)[0].split(".")
            )
            if what == "activation":
                self._tell("called the BSS", lambda w: "said_yes" in _triggers(w.engine, owner))
            else:
                effect = f"sms.{effect}"
            # Leased, or done with: a process that starts from this file does not call it for the first time.
            self._tell(f"called for {effect}", lambda w: _attempted(w.engine, owner, effect))
            return await call(asked)

        return called

    def place(self, key: str, msisdn: Msisdn, plan: str = "") -> Order:
        wanted = Placing("desk", key, self.world.request(msisdn, plan or PLANS[msisdn]))
        order = self.world.engine.place(wanted).order
        self._tell(f"placed {key}", lambda w: w.engine.show(order.id).doc == order.doc and _heads(w.engine, order))
        self.placed.append((self.told[-1].size, wanted, order.id))
        return order

    def say(self, text: str, msisdn: Msisdn = NUMBER, name: str = "") -> None:
        self.world.say(text, msisdn, SENDERS["mobile" if msisdn == NUMBER else "telecom"], name)
        message = name or f"mo-{self.world.keys}"
        self._tell(f"received {text}", lambda w: _knows(w, msisdn, message))
        self.said.append((self.told[-1].size, text, msisdn, message))

    def refuses(self, msisdn: Msisdn, carrier: str) -> None:
        self._tell("refused", lambda w: not w.engine.dial(msisdn, carrier).callable)

    def changed(self, order: Order, what: str) -> None:
        """Note that a caller was answered with the order's new state."""
        self._tell(f"{what}: {order.state}", lambda w: _heads(w.engine, order))

    def walk(self) -> None:
        world, engine = self.world, self.world.engine
        first, other = self.place("first", NUMBER), self.place("other", OTHER)
        world.run(Lane.SMS)
        self.say("是", name="yes")
        self.say("是", name="yes")  # the gateway repeats itself
        world.run(Lane.INBOUND)
        world.run()
        world.report(first, Delivery.DELIVERED)
        self.say("嗯", OTHER)
        world.run()
        self.say("TD", OTHER)
        self.refuses(OTHER, "telecom")
        world.run()
        cancelled = self.place("cancelled", NUMBER, "data-pack-10gb")
        self.changed(engine.cancel(cancelled.id, "A1024", "changed his mind"), "cancelled")
        world.gateway.answers = [Uncertain("timeout")]
        doubtful = self.place("doubtful", NUMBER, "data-pack-10gb")
        world.run()
        world.clock.forward(seconds=601)
        world.gateway.answers = [Uncertain("timeout")]
        world.run()
        self.changed(engine.retry(doubtful.id, "ops"), "retried")
        world.run()
        self.changed(engine.resend(doubtful.id, "A1024"), "asked again")
        world.gateway.answers = [Rejected("no such number")]
        world.run()
        engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
        self.refuses(NUMBER, "mobile")
        world.run()
        world.clock.forward(seconds=1)
        self.changed(engine.show(other.id), "read")

    def holding(self, world: World, cut: int) -> list[str]:
        """The promises made before a cut that do not hold."""
        return [told.what for told in self.told if told.size <= cut and not _true(told, world)]


def _true(told: Told, world: World) -> bool:
    try:
        return told.holds(world)
    except Exception:  # noqa: BLE001 - not there at all is one way of not holding
        return False


def _triggers(engine: Engine, order: str) -> list[str]:
    return [event.trigger.value for event in engine.show(order).events]


def _attempted(engine: Engine, owner: str, effect: str) -> bool:
    order = engine.show(owner)
    pending = order.effects.get(effect)
    return pending is None or pending.attempts > 0


def _heads(engine: Engine, told: Order) -> bool:
    """Whether the head of a chain that a holder was given is still in the history."""
    kept = engine.show(told.id)
    return kept.publics[: len(told.publics)] == told.publics


def _knows(world: World, msisdn: Msisdn, message: str) -> bool:
    """Whether a message is unread in its line's inbox, or named in its order's history."""
    line = line_id("test-secret", msisdn)
    unread = " ".join(world.client.lrange(Cell().inbox(line), 0, -1))
    named = {event.ref for order in world.engine.orders_of(msisdn, limit=1_000).orders for event in order.events}
    return f'"id":"{message}"' in unread or message in named


def broken(client, secret: str = SECRET) -> list[str]:
    """Everything half done in a store: nothing, in a sound one. It reads several times: nobody may write meanwhile."""
    seal = Seal(secret)

    def read(kind: str) -> dict[str, dict[str, str]]:
        names = client.scan_iter(f"ce:{{0}}:{kind}:*", count=1000)
        return {name: in_clear(name, client.hgetall(name), seal) for name in names}

    kept = read("order")
    offers = client.hgetall(Cell().offers)  # as the store has them, not as an engine remembers them
    orders = [Order.decode(whole(dict(fields), offers)) for fields in kept.values()]
    wrong = [said for order, fields in zip(orders, kept.values(), strict=True) for said in _unsound(order, fields)]
    lines = [Line.decode(name.rsplit(":", 1)[1], fields, 0) for name, fields in read("line").items()]
    wanted = {f"o:{order.id}:{effect}" for order in orders for effect in order.effects}
    wanted |= {f"l:{line.id}:{effect}" for line in lines for effect in line.effects}
    calls = [Call.decode(fields) for fields in read("call").values()]
    wanted |= {f"c:{call.id}:{effect}" for call in calls for effect in call.effects}
    if {order.doc.call_id for order in orders} - {"", *(call.id for call in calls)}:
        wrong.append("an order is there without its call")
    if {member for due in Cell().due.values() for member in client.zrange(due, 0, -1)} != wanted:
        wrong.append("what is due is not what is wanted")
    if any(("read" in line.effects) != bool(client.llen(Cell().inbox(line.id))) for line in lines):
        wrong.append("an inbox and its reader do not agree")
    if {(line.id, entry) for line in lines for entry in line.entries} != {(o.line, Entry.of(o)) for o in orders}:
        wrong.append("the entries of the lines are not the orders")
    return wrong


def _unsound(order: Order, fields: dict[str, str]) -> Iterator[str]:
    if replay(fields) != (fields["state"], fields["head"], int(fields.get("reply_by", 0))):
        yield f"{order.id}: its history does not give the record"
    if len({event.op for event in order.events}) < len(order.events):
        yield f"{order.id}: something happened twice"
    if not order.state.settled and not order.effects:
        yield f"{order.id}: nobody minds it"
