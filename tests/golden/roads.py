"""Conversations that leave a record of every kind: the scenarios, line by line, and lines that none of them has."""

from collections.abc import Collection, Iterator

from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.effects import Lane, Rejected
from consent_engine.domain.offer.offer import Policy, Suspects
from consent_engine.ports import ApiKey
from tests.conftest import World
from tests.golden import Records, dumped
from tests.memory import a_store
from tests.scenarios import FILES, Play

UNREADABLE = "an_unreadable_record"
"""The one scenario whose record is for a while not one of ours."""
FURTHER = (
    # A suspicion that a person finds to be none; a yes meanwhile, and the code after it.
    ("place A 5g-smart-199", "subscriber: 我要投诉", "subscriber: 是", "resume", "subscriber: 是<A>"),
    ("place A 5g-smart-199", "subscriber: 帮助", "subscriber: 嗯", "subscriber: 我要投诉", "clock +25h"),
    # The question again, reported as failed, segment by segment.
    ("place A 5g-smart-199", "resend A", "report A confirmation.1 failed m1", "report A confirmation.2 failed m2"),
    ("place A 5g-smart-199", "report A confirmation.1 accepted", "report A confirmation.1 delivered", "revoke"),
    # Refused by the gateway, by the BSS; while the subscriber wrote; after a doubt.
    ("gateway: rejects", "place A 5g-smart-199"),
    ("workers: none", "place A 5g-smart-199", "subscriber: 是", "gateway: rejects", "workers: sms"),
    ("gateway: timeout", "place A 5g-smart-199", "subscriber: 否"),
    ("bss: refuses", "place A 5g-smart-199", "subscriber: 是", "subscriber: 是", "subscriber: 帮助"),
    ("bss: timeout, timeout, timeout, timeout, timeout", "place A 5g-smart-199", "subscriber: 是",
     *["clock +1m"] * 4, "retry A"),
    ("bss: timeout, refuses, refuses", "place A 5g-smart-199", "subscriber: 是", "clock +1h", "retry A"),
    # An answer that comes when nothing waits for it any more.
    ("gateway: hears 否+accepts", "place A 5g-smart-199"),
    ("gateway: hears TD+rejects", "place A 5g-smart-199"),
    ("gateway: accepts, rejects", "place A 5g-smart-199", "subscriber: 嗯", "clock +13h"),
    # Effects that a worker holds, effects that are due, messages that wait to be read.
    ("workers: none", "place A 5g-smart-199", "leases lost sms", "workers: sms", "workers: none", "subscriber: 是"),
    ("place A 5g-smart-199", "workers: inbound", "subscriber: 是", "leases lost activation", "workers: none",
     "subscriber: TD", "subscriber: 嗯"),
    # Three orders on one line, whose questions have two senders.
    ("place A 5g-smart-199", "place B data-pack-10gb", "place C fibre-duo-129", "subscriber: 是", "subscriber: 嗯",
     "subscriber: <B>", "subscriber to 10001: 1", "refuse *"),
    # A refusal stands when the yes is read; it came before the yes, or after it.
    ("place A 5g-smart-199", "workers: none", "subscriber: 我要投诉", "subscriber: 是", "workers: all"),
    ("place A 5g-smart-199", "workers: none", "subscriber: 是", "refuse mobile", "workers: all"),
    ("place A 5g-smart-199", "workers: inbound", "subscriber: 是", "refuse mobile", "workers: activation timer",
     "clock +2m"),
)  # fmt: skip


class Further(Play):
    """A conversation that operators and admins take part in, too."""

    def on_resume(self, *_: str) -> None:
        held, _cursor = self.world.engine.held()
        self.world.engine.decide_held([each.id for each in held], refusal=False, by="ops-1", reason="a question")

    def on_revoke(self, *_: str) -> None:
        self.world.engine.revoke("5g-smart-199", "admin-1")


def played(scenarios: Collection[str] = ()) -> Iterator[Records]:
    """The records in the store after each line of each conversation, or of these scenarios alone."""
    for path in FILES:
        if path.stem in scenarios or (not scenarios and path.stem != UNREADABLE):
            yield from _after_each(Play(), path.read_text(encoding="utf-8").splitlines())
    if scenarios:
        return
    for lines in FURTHER:
        yield from _after_each(Further(), lines)
    yield from _by_night()
    yield from _at_the_desk()
    yield from _by_a_machine()


def _after_each(play: Play, lines: Iterator[str]) -> Iterator[Records]:
    for written in lines:
        line = written.partition("#")[0].strip()
        if line:
            play.line(line)
            yield dumped(play.world.client)
    play.world.runner.close()


def _by_night() -> Iterator[Records]:
    """Quiet hours: a reminder and the notice of a revoked plan wait for the morning."""
    night = Policy(retry_base=1_000, reminder_after=10 * 3_600_000, quiet_from=0, quiet_to=23 * 60 + 59)
    world = World(a_store(), night)
    at = "2025-11-24T07:59:30+08:00"  # the only minute in which calls are allowed
    world.engine.place(Placing("desk", "key-1", world.request(started_at=at, agreed_at=at)))
    world.run()
    world.clock.forward(hours=11)
    world.run()
    yield dumped(world.client)
    world.engine.revoke("5g-smart-199", "admin-1")
    yield dumped(world.client)
    world.runner.close()


def _at_the_desk() -> Iterator[Records]:
    """Metadata and an English text, a sub-number, keys that were added and revoked."""
    world = World(a_store(), sub_numbers=frozenset({"mobile"}))
    asked = world.request().model_dump(mode="json")
    asked |= {"metadata": {"desk": "北京/3", "n": 10**20, "share": 0.1}, "language": "en"}
    order = world.engine.place(Placing("desk", "key", PlaceOrder.read(asked))).order
    world.run()
    world.say("是", to=f"10085{order.doc.sub}", written_at=world.clock())
    world.run(Lane.INBOUND)
    registry = world.engine.registry
    for name, role in (("agent-1", "agent"), ("ops-1", "ops")):
        registry.add_key(f"hash of {name}", ApiKey(name, role, world.clock()))
    registry.drop_key("hash of ops-1", "ops-1")
    yield dumped(world.client)
    world.engine.reveals.reveal(world.engine.show(order.id), "auditor-1", "auditor", "a complaint")
    yield dumped(world.client)
    world.gateway.answers = [Rejected("gateway:404")]
    world.place("+8613800138001")
    world.run(Lane.SMS)
    world.engine.undeliverable.ask_again(world.engine.undeliverable.page(None, None).orders, "ops-1")
    yield dumped(world.client)
    world.runner.close()


def _by_a_machine() -> Iterator[Records]:
    """A yes within a moment is answered by asking for the code; with the code, within a moment, it is held."""
    world = World(a_store(), Policy(retry_base=1_000, suspects=Suspects.CODE, reading_speed=60))
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run()
    yield dumped(world.client)
    world.say(f"是{order.doc.code}")
    world.run()
    yield dumped(world.client)
    world.runner.close()
