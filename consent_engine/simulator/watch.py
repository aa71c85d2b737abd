"""The watch over a run's orders, over HTTP: until all have settled and the engine has nothing left to do."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import ENGAGED, SETTLED
from consent_engine.simulator.case import Case, OrderRun
from consent_engine.simulator.ledger import Ledger
from consent_engine.simulator.tasks import Tasks
from consent_engine.simulator.wire import Wire

ROUND_S = 0.5
AGE_S = 1.0
"""How old the engine's metrics may be (docs/metrics.md)."""
STILL_ROUNDS = 120
"""After so many rounds in which nothing happened and nothing was due, nothing will: the shortest of the engine's timers
that a script waits for are long over.
"""
LOOKS_AT_ONCE = 8
STUCK = ENGAGED - SETTLED
"""States between the yes and the notification, in which an operator retries if the script says so."""
_LANE = re.compile(r'^consent_lane_(due|pending|parked)\{lane="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class Watch:
    """Looks at every open order once per round."""

    wire: Wire
    key: str
    ops_key: str
    cases: Sequence[Case]
    tasks: Tasks
    ledger: Ledger
    _looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS_AT_ONCE))

    async def until_quiet(self) -> None:
        """Return when all orders have settled, all tasks have ended, and the engine has nothing left to do; or when
        nothing will happen any more. The caller bounds it.
        """
        still, before = 0, -1
        while still < STILL_ROUNDS:
            await self._each(self._open(), self._look)
            if self._quiet() and await self._nothing_left():
                break
            await asyncio.sleep(ROUND_S)
            now = self._happened()
            still = still + 1 if now == before and await self.idle() else 0
            before = now
        placed = [(case, order) for case in self.cases for order in case.orders if order.id]
        await self._each(placed, self._look_again)

    async def _nothing_left(self) -> bool:
        """Whether nothing is left that could happen: what must not happen has not, and will not."""
        await asyncio.sleep(AGE_S)  # the engine's answer from now on is younger than every event
        return await self.idle()

    async def idle(self) -> bool:
        """Whether the engine says that it has no reply to read, nothing to send or activate, and no timer overdue."""
        reply = await self.wire.call("GET", "/metrics", self.ops_key)
        counts = {(count, lane): float(value) for count, lane, value in _LANE.findall(reply.text)}
        if len(counts) < 3 * len(Lane):  # it could not ask its store in time
            return False
        waits = [counts["pending", lane] - counts["parked", lane] for lane in Lane if lane is not Lane.TIMER]
        return not any(waits) and not counts["due", Lane.TIMER]

    def _happened(self) -> int:
        """Count what has happened: it only grows."""
        ledger = self.ledger
        settled = [order for case in self.cases for order in case.orders if order.settled.is_set()]
        sent = sum(len(each.attempts) for each in ledger.sms.values())
        asked = sum(len(each.attempts) + each.asked for each in ledger.activations.values())
        return sent + asked + ledger.reports + len(ledger.said) + len(settled)

    def _open(self) -> list[tuple[Case, OrderRun]]:
        return [
            (case, order)
            for case in self.cases
            for order in case.orders
            if order.placed.is_set() and not order.settled.is_set()
        ]

    def _quiet(self) -> bool:
        return not self.tasks.running and all(case.settled for case in self.cases)

    async def _each(
        self, pairs: Iterable[tuple[Case, OrderRun]], look: Callable[[Case, OrderRun], Awaitable[None]]
    ) -> None:
        await asyncio.gather(*(look(case, order) for case, order in pairs))

    async def _look(self, case: Case, order: OrderRun) -> None:
        async with self._looks:
            reply = await self.wire.call("GET", f"/v1/orders/{order.id}", self.key)
            if reply.status != HTTPStatus.OK:
                case.notes.append(f"order {order.id} was shown as {reply.status}")
                order.settled.set()
                return
            order.show(reply.body)
            if case.script.operator and order.state in STUCK:
                await self.wire.call("POST", f"/v1/orders/{order.id}/retry", self.ops_key, {})

    async def _look_again(self, case: Case, order: OrderRun) -> None:
        before = order.state
        await self._look(case, order)
        if before is not None and before.settled and order.state is not before:
            case.notes.append(f"order {order.id} had settled as {before} and moved to {order.state}")
