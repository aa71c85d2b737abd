"""The people of a chaos run: what each says, and how gateway and BSS treat them, the same for the same seed."""

import random
import re
from dataclasses import dataclass
from enum import StrEnum

from consent_engine.domain.effects import Purpose
from consent_engine.domain.msisdn import Msisdn
from consent_engine.simulator.scripts import Answer, BssHop, Dlr, Hop, Order, Script, Turn
from consent_engine.simulator.subscribers import Case, OrderRun

FIRST_NUMBER = 13_900_000_000
CARRIER, OFFICIAL = "mobile", "10085"
PLANS = ("5g-smart-199", "data-pack-10gb")
LATE_S = 2.0
"""How long after its window a late answer comes."""
COPIES = 8
"""How often an SMS may arrive and be answered again: each attempt that the gateway took is one more on the handset."""


class Kind(StrEnum):
    """The kinds of people, by what a person does about the question, or the desk about the person."""

    YES = "yes"
    YES_TWICE = "yes twice"
    NO = "no"
    STOP = "stop"
    VOICE = "never again, by voice"
    CANCEL = "the agent cancels"
    SILENT = "silent"
    UNCLEAR = "unclear"
    UNCLEAR_YES = "unclear, then yes"
    LATE = "yes, too late"
    TWO = "two orders, which one by code"
    TWO_STOP = "two orders, stop"
    STOP_AFTER = "stop after the end"


SHARES: dict[Kind, int] = {
    Kind.YES: 38, Kind.YES_TWICE: 8, Kind.NO: 9, Kind.STOP: 7, Kind.VOICE: 4, Kind.CANCEL: 3, Kind.SILENT: 8,
    Kind.UNCLEAR: 5, Kind.UNCLEAR_YES: 4, Kind.LATE: 3, Kind.TWO: 7, Kind.TWO_STOP: 2, Kind.STOP_AFTER: 2,
}  # fmt: skip
YESES = ("是", "Ｙ", "同意办理，谢谢", "yes please", "我確認")
TWO_ORDERS = frozenset({Kind.TWO, Kind.TWO_STOP})


@dataclass(frozen=True, slots=True)
class Person:
    """One subscriber. orders: how many are placed, each for a plan of its own."""

    msisdn: Msisdn
    kind: Kind
    script: Script

    @property
    def orders(self) -> int:
        """How many orders the person has."""
        return 2 if self.kind in TWO_ORDERS else 1


def person(n: int, seed: int, window_s: float) -> Person:
    """Return the n-th person of a run."""
    rng = random.Random(f"{seed}-{n}")  # noqa: S311 - who is who, no secret
    [kind] = rng.choices(list(SHARES), list(SHARES.values()))
    turns = tuple(_turns(kind, rng, window_s))
    orders = tuple(Order(plan=p) for p in range(2))
    sms = {Purpose.CONFIRMATION: _hops(rng), Purpose.NOTIFICATION: _hops(rng)}
    script = Script(kind.value, kind.value, turns, orders, gateway=sms, bss=_bss(rng))
    return Person(Msisdn(f"+86{FIRST_NUMBER + n}"), kind, script)


def _turns(kind: Kind, rng: random.Random, window_s: float) -> list[Turn]:
    """Return the answers of a script: one to every copy of the question, as a person gives who is asked again."""
    yes, after = rng.choice(YESES), rng.uniform(0.1, 2.0)
    copies = range(1, COPIES + 1)
    says_yes = [Turn(yes, nth=n, after=after) for n in copies]
    table: dict[Kind, list[Turn]] = {
        Kind.YES: says_yes,
        Kind.YES_TWICE: [Turn(yes, nth=n, after=each) for n in copies for each in (after, 0.4)],
        Kind.NO: [Turn("不同意", nth=n, after=after) for n in copies],
        Kind.STOP: [Turn("TD", nth=1, after=after)],
        Kind.TWO_STOP: [Turn("TD", nth=1, after=after)],
        Kind.UNCLEAR: [Turn("好的，麻烦你了", after=after), Turn("如果免费就是", after=0.5)],
        Kind.UNCLEAR_YES: [
            Turn("ok", after=after),
            *(Turn(yes, Purpose.CLARIFICATION, nth=n, after=0.3) for n in (1, 2)),
        ],
        Kind.LATE: [Turn(yes, nth=1, after=window_s + LATE_S)],
        # It fits both: no consent. Then one of them, by its code.
        Kind.TWO: [Turn("是", nth=2, after=after), *(Turn("是{0}", Purpose.CLARIFICATION, n, 0.4) for n in (1, 2))],
        Kind.STOP_AFTER: [*says_yes, Turn("退订", Purpose.NOTIFICATION, after=0.5)],
    }
    return table.get(kind, [])


TROUBLE = ((Answer.BUSY, 3), (Answer.RESET, 1), (Answer.HOLD, 1), (Answer.ERROR, 1), (Answer.GARBAGE, 1))


def _answer(rng: random.Random) -> Answer:
    return rng.choices([Answer.OK, *(a for a, _ in TROUBLE)], [93, *(share for _, share in TROUBLE)])[0]


REPORTS, REJECTS, REFUSES, DROPS = 0.5, 0.005, 0.01, 0.01
"""Shares of all people: the gateway reports; it rejects them; the BSS refuses them; it drops their first activation."""


def _hops(rng: random.Random) -> tuple[Hop, ...]:
    """Return the gateway's behaviour. Calls take a moment, so that some are in flight whenever a process dies."""
    reports = (Dlr(after=rng.uniform(0.1, 0.6)),) if rng.random() < REPORTS else ()
    rejected = Answer.REJECT if rng.random() < REJECTS else None
    return tuple(
        Hop(rejected or _answer(rng), delay=rng.uniform(0.0, 0.4), again=True, reports=reports) for _ in range(COPIES)
    )


def _bss(rng: random.Random) -> tuple[BssHop, ...]:
    refuses = rng.random() < REFUSES
    hops = [BssHop(_answer(rng), delay=rng.uniform(0.0, 0.3)) for _ in range(COPIES)]
    if rng.random() < DROPS:
        hops[0] = BssHop(Answer.HOLD, accepted=False)
    return tuple(BssHop(Answer.REJECT) if refuses else hop for hop in hops)


_TOLD = re.compile(r"(?:是|Y|y)\s?([2-9]\d{2})(?!\d)")


class Reader(Case):
    """A case whose person knows only what the handset shows."""

    async def words(self, template: str) -> str:
        """Fill in `{0}`: the code of the order asked last, as the SMS told it; without one, the words alone."""
        told = [m.group(1) for sms in self.inbox for m in _TOLD.finditer(sms.text)]
        return template.replace("{0}", told[-1] if told else "")


def case_of(who: Person) -> Case:
    """Return the person's case, ready to read."""
    return Reader(who.script, who.msisdn, [OrderRun(o, PLANS[o.plan], CARRIER) for o in who.script.orders])
