"""A world over many cells: the real stores, on any Redis a test gives them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.sharded_store import sharded_store
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.report_request import MakeReport, ReportMade
from consent_engine.domain.effects import Lane, Uncertain
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.offer.versions import Proposal, attested
from consent_engine.domain.seal import Seal
from consent_engine.engine.engine import Engine, RefusalAsked
from consent_engine.engine.permits import PermitsAsked
from consent_engine.engine.slice import Pace
from consent_engine.ports import Archive, Endpoint, Store
from consent_engine.ports.registry import EndpointKnown, WorkerReport
from tests.cluster.load import number
from tests.conftest import SENDERS, Clock, World
from tests.plans import priced, undated
from tests.written_out import listed


class Registry(RedisRegistry):
    """A registry without the check of the server: a fake one has no information on itself."""

    def _check_server(self, *, strict: bool) -> None:
        return


class Celled(World):
    """A world over `count` cells. wire: the connection to a cell. archive: where settled orders go, if anywhere."""

    seal: Seal | None = None

    def __init__(
        self, client: Any, count: int, *, alone: bool = False, clock: Clock | None = None,
        archive: Archive | None = None,
    ) -> None:  # fmt: skip
        self.archive = archive
        self.names = [Cell(n, alone=alone, share=count) for n in range(count)]
        self.stores: list[Store] = []
        super().__init__(client, clock=clock)

    def wire(self, _: int) -> Wire:
        return Wire(self.client, proves=False, replicas=0)

    def another(self) -> Engine:
        made = [
            redis_store(self.wire(cell.number), lease_ms=60_000, clock=self.clock, cell=cell, seal=self.seal)
            for cell in self.names
        ]
        self.stores = self.stores or made
        store = made[0] if len(made) == 1 else sharded_store(made)
        return Engine(
            listed(replace(store, archive=self.archive), self.client, self.names),
            Registry(self.wire(0), clock=self.clock, prefix=self.names[0].shared),
            self.queue,
            self.outside(),
            Terms(self.policy, SENDERS, frozenset(), call_age=self.call_age),
            "test-secret",
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )


def person(n: int) -> Msisdn:
    return Msisdn(f"+86138{number(n):08d}")


def lived_in(world: Celled, people: int = 12) -> list[str]:
    """Make a bit of everything that may be there when data are moved; return the orders."""
    made = [world.place(person(n), key=f"key-of-{n}").id for n in range(people)]
    world.run(Lane.SMS)
    engine = world.engine
    for n in range(0, people, 4):
        world.say("是", person(n), message_id=f"yes-{n}")
    world.run(Lane.INBOUND)  # activations are due
    world.say("TD", person(1), message_id="stop")
    world.run(Lane.INBOUND)
    engine.refuse(RefusalAsked(person(3), "*", "voice", "A1024"))
    engine.refuse(RefusalAsked(person(people + 4), "*", "voice", "A1024"))
    world.run(Lane.INBOUND, Lane.SMS)  # of that number there is a refusal, and nothing else
    for n in (2, 6):
        world.say("是", person(n), message_id=f"unread-{n}")
        world.say("嗯", person(n), message_id=f"unread-{n}-too")
    engine.refuse(RefusalAsked(person(people + 1), "*", "voice", "A1024"))
    engine.lift(person(people + 1), "*", "ops", "letter-1", world.clock.now)
    world.say("我要投诉", person(people + 1), message_id="held")
    engine.dialler.permits(PermitsAsked([person(n) for n in range(people)], "mobile", None, "desk"))
    for n in range(4):
        engine.store.inbox.unmatched([f'{{"kind":"reply","n":{n}}}'])
    world.run(Lane.SMS)
    world.gateway.answers = [Uncertain("timeout")] * 2
    parked = world.place(person(people + 2), key="parked")
    world.run(Lane.SMS)
    world.clock.forward(seconds=601)
    world.run(Lane.SMS)
    world.gateway.answers = []
    made.append(parked.id)
    made.append(world.place(person(people + 3), key="due").id)  # its question is due
    for n in (0, 1):
        engine.reports.record(ReportMade("hotline", reported(person(people + 4), world.clock() - n * 3_600_000)))
    plan = undated(engine.plan("data-pack-10gb").plan)
    engine.registry.propose(Proposal(priced(plan, "20.00"), "an-admin", world.clock.now))
    engine.registry.note_seen("data-pack-10gb", 1, 1, attested(1, "an-admin", "saw it"), changed=True)
    assert engine.registry.claim_turn("publication", "gone", 30_000)
    engine.registry.count({"gateway|test|calls": 1})
    assert engine.registry.know(Endpoint("gateway", "test"), EndpointKnown(), EndpointKnown(accepted=7))
    engine.registry.announce("gone", WorkerReport())
    engine.registry.check("test-secret", strict=False, cells=len(world.names))
    return made


def reported(msisdn: str, at: int) -> MakeReport:
    """A report of a call at that instant."""
    called_at = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    body = {"msisdn": msisdn, "carrier": "mobile", "caller_number": "10085", "called_at": called_at}
    return MakeReport.model_validate(body)
