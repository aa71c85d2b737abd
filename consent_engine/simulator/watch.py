"""The watch over a run's orders, over HTTP: until all have settled and no reply is due any more, or time is up."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from consent_engine.domain.lifecycle import ENGAGED, SETTLED
from consent_engine.simulator.case import Case, OrderRun
from consent_engine.simulator.tasks import Tasks
from consent_engine.simulator.wire import Wire

ROUND_S = 0.7
LINGER_S = 1.0
"""How long the watch waits at the end, so that events that must not happen any more have a chance to show."""
LOOKS_AT_ONCE = 8
STUCK = ENGAGED - SETTLED
"""States between the yes and the notification, in which an operator retries if the script says so."""


@dataclass(slots=True)
class Watch:
    """Looks at every open order once per round."""

    wire: Wire
    key: str
    ops_key: str
    cases: Sequence[Case]
    tasks: Tasks
    _looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS_AT_ONCE))

    async def until_quiet(self, deadline_s: float) -> None:
        """Return when all orders have settled and all tasks have ended, or after the deadline."""
        for _ in range(int(deadline_s / ROUND_S)):
            await self._each(self._open(), self._look)
            if self._quiet():
                break
            await asyncio.sleep(ROUND_S)
        await asyncio.sleep(LINGER_S)
        placed = [(case, order) for case in self.cases for order in case.orders if order.id]
        await self._each(placed, self._look_again)

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
