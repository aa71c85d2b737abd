"""False alarms: a simulated population answers the real engine; suspect yeses are counted by kind and rule.

People and machines, on a clock of their own, so that a day takes minutes. An agent sells every four minutes; a question
is on the handset one to six seconds after its hand-over, and its delivery report arrives up to two seconds later and
names the instant of the delivery. The kinds:

    honest      reads it: 45 s in the middle, log-normal (sigma 0.9), 8 s at least
    hurried     was told to expect it, and skims: 9 s in the middle (sigma 0.5), 3 s at least
    modem       a program in the handset that answers every SMS: 1.5 to 4 s
    coached     answers while the agent talks: 14 s in the middle (sigma 0.5); four of five before the call is over
    script      many numbers of one agent, each 12 s after delivery (give or take 50 ms)
    row         many numbers of one agent, one after another every 4 s (give or take 30 ms)
    told        as hurried ones, and so are all of the agent's: it tells everybody to answer at once
    farm        as a script, and so are all of the agent's

Of twelve agents eight are ordinary and have the first four (55, 25, 10 and 10 of a hundred), one has scripts and one
rows, each with as many honest ones, and one each has the last two alone. No target is set: the table shows whom each
rule hits.

    python -m benchmarks.promises.false_alarms --orders 3000
"""

import argparse
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum

from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import Call
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import parse
from consent_engine.domain.offer.offer import Policy, Suspects
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Unlikely
from consent_engine.domain.sms import Delivery
from tests.integration.api_door import server
from tests.integration.calls.desk import Desk, instant

AN_AGENT = 40
PLAN = "5g-smart-199"
ROW_S, IN_A_ROW = 4.0, 10
STILL_UP = 0.8
"""The share of the coached who answer before the call is over."""


class Kind(StrEnum):
    """The kinds of subscribers who answer."""

    HONEST = "honest"
    HURRIED = "hurried"
    MODEM = "modem"
    COACHED = "coached"
    SCRIPT = "script"
    ROW = "row"
    TOLD = "told"
    FARM = "farm"


ORDINARY = {Kind.HONEST: 55, Kind.HURRIED: 25, Kind.MODEM: 10, Kind.COACHED: 10}
SCRIPTING = {Kind.HONEST: 50, Kind.SCRIPT: 50}
IN_ROWS = {Kind.HONEST: 50, Kind.ROW: 50}
AGENTS = (*(ORDINARY,) * 8, SCRIPTING, IN_ROWS, {Kind.TOLD: 100}, {Kind.FARM: 100})


@dataclass
class Subscriber:
    """One number, its call and its order."""

    n: int
    kind: Kind
    agent: str
    call: Call | None = None
    order: Order | None = None
    there: float = 0
    """when the question was on the handset"""
    moves: list[str] = field(default_factory=list)

    @property
    def msisdn(self) -> str:
        """The subscriber's number."""
        return parse(f"139{self.n:08}")


class Population:
    """Subscribers, agent by agent, and their day."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.roll = random.Random(seed)  # noqa: S311 - a simulation
        self.ids = itertools.count()
        self.events: list[tuple[float, int, str, Subscriber]] = []
        self.rows: list[Subscriber] = []
        self.began: float = desk.clock()

    def day(self, subscribers: list[Subscriber]) -> None:
        """Run all that happens to the subscribers of one agent, in order of its instants."""
        at = self.desk.clock() / 1000
        for each in subscribers:
            at += self.roll.expovariate(1 / 240)
            self._then(at, "place", each)
        while self.events:
            at, _, what, each = heapq.heappop(self.events)
            self.desk.clock.now = max(self.desk.clock.now, int(at * 1000))
            getattr(self, f"_{what}")(each, at)
            if not self.events and self.rows:
                self._row(at)

    def _then(self, at: float, what: str, who: Subscriber) -> None:
        heapq.heappush(self.events, (at, next(self.ids), what, who))

    def _place(self, who: Subscriber, at: float) -> None:
        desk = self.desk
        who.call = desk.start(who.msisdn, agent=who.agent, ago=60_000)
        body = {
            "msisdn": who.msisdn, "plan": PLAN, "agent": who.agent, "call_id": who.call.id,
            "agreed_at": instant(desk.clock() - 500),
        }  # fmt: skip
        who.order = desk.engine.place(Placing("desk", f"order-{who.n}", PlaceOrder.read(body))).order
        over = at + self.roll.uniform(30, 90) if who.kind is Kind.COACHED and self.roll.random() < STILL_UP else at
        self._then(over, "hang_up", who)
        desk.run(Lane.SMS)
        there = who.there = at + self.roll.uniform(1, 6)
        self._then(there + self.roll.uniform(0.1, 2), "report", who)
        if who.kind is not Kind.ROW:
            self._then(there + self._takes(who.kind), "reply", who)
            return
        self.rows.append(who)
        if len(self.rows) == IN_A_ROW:
            self._row(there)

    def _takes(self, kind: Kind) -> float:
        match kind:
            case Kind.HONEST:
                return max(8, self.roll.lognormvariate(3.8067, 0.9))
            case Kind.HURRIED | Kind.TOLD:
                return max(3, self.roll.lognormvariate(2.1972, 0.5))
            case Kind.COACHED:
                return self.roll.lognormvariate(2.6391, 0.5)
            case Kind.MODEM:
                return self.roll.uniform(1.5, 4)
            case _:
                return self.roll.gauss(12, 0.05)

    def _row(self, at: float) -> None:
        """Have them answer one after another."""
        for n, each in enumerate(self.rows):
            self._then(at + 20 + n * ROW_S + self.roll.gauss(0, 0.03), "reply", each)
        self.rows = []

    def _hang_up(self, who: Subscriber, at: float) -> None:
        if who.call is not None:
            self.desk.end(who.call, "agreed", plan=PLAN)

    def _report(self, who: Subscriber, at: float) -> None:
        if who.order is not None and self.desk.gateway.reports:
            self.desk.report(who.order, Delivery.DELIVERED, at=int(who.there * 1000))
        self.desk.run(Lane.INBOUND)

    def _reply(self, who: Subscriber, at: float) -> None:
        self.desk.say("是", who.msisdn)
        self.desk.run(Lane.INBOUND)
        for event in self.desk.engine.show(who.order.id).events if who.order else ():
            if event.trigger in {"said_yes", "replied_suspect", "suspected"}:
                who.moves.append(event.as_json().get("seen", {}).get("rule", ""))
                return


def populated(orders: int) -> Iterator[list[Subscriber]]:
    """Yield the subscribers of each agent."""
    for a in range(orders // AN_AGENT):
        mixed = AGENTS[a % len(AGENTS)]
        shares = [kind for kind, share in mixed.items() for _ in range(share * AN_AGENT // 100)]
        random.Random(a).shuffle(shares)  # noqa: S311 - a simulation
        yield [Subscriber(a * AN_AGENT + n, kind, f"A{a}") for n, kind in enumerate(shares)]


def table(everybody: list[Subscriber]) -> str:
    """Return the alarms by kind and rule, as the documentation has them."""
    head = ["Who answers", "yeses", "suspect", *(f"`{rule}`" for rule in Unlikely)]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for kind in Kind:
        moves = [each.moves[0] for each in everybody if each.kind is kind and each.moves]
        by = Counter(filter(None, moves))
        share = f"{100 * by.total() / len(moves):.1f} %" if moves else "-"
        rows.append(f"| {kind} | {len(moves):,} | {share} | " + " | ".join(f"{by[rule]:,}" for rule in Unlikely) + " |")
    return "\n".join(rows)


def main() -> None:
    """Have them answer, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=3_000, help="how many, 40 an agent (default 3000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=int, default=60, help="characters a second that nobody reads faster")
    parser.add_argument("--cadence", type=int, default=5, help="numbers alike that make a yes suspect; 0: none")
    parser.add_argument("--no-reports", action="store_true", help="the gateway says nothing of deliveries")
    args = parser.parse_args()
    policy = Policy(suspects=Suspects.CODE, reading_speed=args.speed, cadence=args.cadence)
    with server() as (url, folder), closing(SqlArchive(f"sqlite:///{folder}/archive.sqlite3")) as archive:
        desk = Desk(connect(url), archive)
        desk.policy, desk.gateway.reports = policy, not args.no_reports
        desk.engine = desk.another()
        population, everybody = Population(desk, args.seed), list[Subscriber]()
        for subscribers in populated(args.orders):
            population.day(subscribers)
            everybody += subscribers
        desk.runner.close()
    print(f"{len(everybody):,} orders, seed {args.seed}, {args.speed} characters a second, cadence {args.cadence}\n")
    print(table(everybody))


if __name__ == "__main__":
    main()
