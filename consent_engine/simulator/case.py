"""The subscribers of a run: a script, a number and the results of its orders so far; dealt alike for the same seed."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Purpose
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.simulator.ledger import SmsSeen
from consent_engine.simulator.scripts import Order, Script
from consent_engine.simulator.subscribers import SCRIPTS

_CODE_IN_TEXT = re.compile(r"(?:是|Y|y)\s?([2-9]\d{2})(?!\d)")


@dataclass(slots=True)
class OrderRun:
    """One order of a case. door: the error code of its rejection · state: as the engine last showed it."""

    script: Order
    plan: str
    carrier: str
    id: str = ""
    door: str = ""
    code: str = ""
    state: State | None = None
    timeline: list[dict[str, Any]] = field(default_factory=list)
    placed: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def official(self) -> str:
        """The carrier's official number, from which its call comes."""
        return CARRIERS[self.carrier].outbound

    @property
    def unasked(self) -> bool:
        """Whether the engine says that it was too late to ask: then nobody need have got the question."""
        return any(each.get("trigger") == Trigger.TOO_LATE_TO_ASK for each in self.timeline)

    def show(self, body: dict[str, Any]) -> None:
        """Take the engine's answer about this order."""
        self.state = State(body["state"])
        self.timeline = body.get("timeline") or []
        if self.state.settled:
            self.settled.set()

    def turned_away(self, code: str) -> None:
        """Keep the code with which the order was rejected; the order is over then."""
        self.door = code
        self.placed.set()
        self.settled.set()


@dataclass(slots=True)
class Case:
    """One subscriber under way. asked: the engine has begun to ask · call: the call that is up, for an order placed
    in it · notes: errors that the call centre saw, in plain words.
    """

    script: Script
    msisdn: str
    orders: list[OrderRun]
    landed: Counter[Purpose] = field(default_factory=Counter)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    inbox: list[SmsSeen] = field(default_factory=list)
    call: str = ""
    callable: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether all of its orders are settled."""
        return all(order.settled.is_set() for order in self.orders)

    def land(self, sms: SmsSeen) -> int:
        """Put an SMS on the handset; return its position among those of its purpose, from 1."""
        self.inbox.append(sms)
        self.landed[sms.purpose] += 1
        return self.landed[sms.purpose]

    def sender(self, order: int) -> str:
        """Return the number that an order's SMS came from, to which a handset would reply."""
        official = self.orders[order].official
        return next((sms.sender for sms in reversed(self.inbox) if sms.sender.startswith(official)), official)

    async def words(self, template: str) -> str:
        """Return the text that the handset writes: `{n}` becomes the code of the n-th order, nothing if it has none."""
        if "{" not in template:
            return template
        return template.format(*[await self._code(order) for order in self.orders])

    async def _code(self, order: OrderRun) -> str:
        await order.placed.wait()
        return order.code or self._code_read(order)

    def _code_read(self, order: OrderRun) -> str:
        """Return the code as a person reads it in the SMS."""
        texts = [sms.text for sms in self.inbox if sms.ref.startswith(order.id or "\0")]
        found = (_CODE_IN_TEXT.search(text) for text in texts)
        return next((match.group(1) for match in found if match), "")


RANGE = "+8613800"
STEP = 7


def crowd(orders: int, seed: int, plans: Mapping[str, Sequence[str]]) -> list[Case]:
    """Make cases of `orders` orders in all, each script once before any is repeated. plans: carrier -> plan codes."""
    rng = random.Random(seed)  # noqa: S311 - dealing scripts, no secret
    dealt = _deal(orders, rng, plans)
    rng.shuffle(dealt)
    first = rng.randrange(1_000_000)
    return [_case(script, first + STEP * index, index, plans) for index, script in enumerate(dealt)]


def _deal(orders: int, rng: random.Random, plans: Mapping[str, Sequence[str]]) -> list[Script]:
    usable = [script for script in SCRIPTS if _carriers(script, plans)]
    dealt: list[Script] = []
    left = orders
    while left > 0:
        for script in rng.sample(usable, len(usable)):
            # The plain yes, one order, fills up the last round.
            chosen = script if len(script.orders) <= left else SCRIPTS[0]
            dealt.append(chosen)
            left -= len(chosen.orders)
            if left <= 0:
                break
    return dealt


def _carriers(script: Script, plans: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the carriers with enough plans for the orders that a script places with its first order's carrier."""
    needed = max(order.plan for order in script.orders) + 1
    others = max(order.carrier for order in script.orders)
    fit = [carrier for carrier, codes in plans.items() if len(codes) >= needed]
    return fit if len(plans) > others else []


def _case(script: Script, number: int, index: int, plans: Mapping[str, Sequence[str]]) -> Case:
    fit = _carriers(script, plans)
    home = fit[index % len(fit)]
    away = next((carrier for carrier in plans if carrier != home), home)
    runs = []
    for order in script.orders:
        carrier = away if order.carrier else home
        runs.append(OrderRun(order, plans[carrier][order.plan], carrier))
    return Case(script, f"{RANGE}{number % 1_000_000:06d}", runs)
