"""Staying awake while work flows: one wake-up is worth a second of work, and nobody need wake whoever is awake.

A wake-up costs dozens of RQ's commands and two threads' turns, and finds little as long as each effect has its own.
Where effects come fast, the process that was woken goes on looking at its lanes by itself, every few milliseconds,
later after it found much, so that what comes meanwhile is one batch; where little comes, each is woken for, at once,
and nothing waits. Meanwhile it promises to be awake a moment longer, again and again, and who makes something due
believes that (`rq_queue`). A promise that is over is followed by one more look, so nothing that was made due under it
is left; where the process dies, the clocks find it, as they find every lost wake-up.
"""

import asyncio
import logging
from collections.abc import Collection
from time import monotonic

from consent_engine.adapters.rq_queue import PROMISE_S
from consent_engine.domain.effects import Lane
from consent_engine.engine.engine import Engine
from consent_engine.errors import StoreUnavailable

log = logging.getLogger(__name__)

AWAKE_S = 1.0
"""So long at most a job goes on: then RQ's books are brought up to date, and somebody who is to stop can."""
FLOW, HALF_S = 8.0, 0.05
"""Work flows when of the last effects, each counting half after so long, this much is left: some 110 a second."""
SHORTEST_S, EACH_S, LONGEST_S = 0.003, 0.0007, 0.010
"""Between two looks: at least, more for each effect that the last one found, at most."""
RECRUIT, RECRUIT_EVERY_S = 32, 0.1
"""So much found at one look is work for another process, too."""
MARGIN_S = 0.01
LOOKED_AT = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
"""Timers are not among them: they are due at instants of their own, and the clocks see to them."""


class Awake:
    """How one process stays awake, on the loop of its engine."""

    def __init__(self, engine: Engine, lanes: Collection[Lane], awake_s: float = AWAKE_S) -> None:
        self._engine = engine
        self._awake_s = awake_s
        self._lanes = [lane for lane in LOOKED_AT if lane in lanes]
        self._flow, self._flow_at = 0.0, monotonic()
        self.promised = self._renew_at = self._recruit_at = 0.0

    def did(self, count: int) -> None:
        """So many effects were done just now."""
        now = monotonic()
        self._flow = self._flow * 0.5 ** ((now - self._flow_at) / HALF_S) + count
        self._flow_at = now

    def flows(self) -> bool:
        """Whether there is work enough to stay awake for it."""
        self.did(0)
        return self._flow >= FLOW

    async def stay(self) -> None:
        """Look at the lanes again and again while work flows, and once more after that.

        Not where another process does so already: two would halve each other's batches. While the store cannot be
        reached there is nothing to stay awake for.
        """
        if not self._lanes or not self.flows():
            return
        if monotonic() >= self.promised and self._engine.queue.attended(self._lanes[0]):
            return
        try:
            await self._stay()
        except StoreUnavailable as error:
            log.error("not now: %s", error)

    async def _stay(self) -> None:
        end = monotonic() + self._awake_s
        performer = self._engine.performer
        performer.awake = frozenset(self._lanes)
        try:
            while self.flows() and monotonic() < end:
                self._promise()
                found = await self._look()
                await asyncio.sleep(min(LONGEST_S, SHORTEST_S + found * EACH_S))
        finally:
            performer.awake = frozenset()
            asyncio.get_running_loop().call_later(max(0.0, self.promised - monotonic()), self._look_after)
        found = await self._look()  # what was made due while nobody was woken for it
        if self.flows():
            self._engine.queue.leaves(self._lanes)
            self._engine.queue.wake(self._lanes[0], found, more=True)

    async def _look(self) -> int:
        found = 0
        for lane in self._lanes:
            if taken := self._engine.performer.take(lane):
                found += taken
                await asyncio.sleep(0)
        self.did(found)
        if found >= RECRUIT and monotonic() >= self._recruit_at:
            self._recruit_at = monotonic() + RECRUIT_EVERY_S
            self._engine.queue.wake(self._lanes[-1], found, more=True)
        return found

    def _promise(self) -> None:
        if monotonic() < self._renew_at:
            return
        self._renew_at = monotonic() + PROMISE_S / 2
        if self._engine.queue.stays(self._lanes):
            self.promised = monotonic() + PROMISE_S + MARGIN_S

    def _look_after(self) -> None:
        """The promise is over: wake somebody for what was made due under it. Not where it was given anew."""
        if monotonic() < self.promised:
            return
        try:
            depths = self._engine.lanes.depths()
        except StoreUnavailable as error:
            log.warning("nobody looks for what was made due just now, the clocks do: %s", error)
            return
        for lane in self._lanes:
            if depths[lane].due:
                self._engine.queue.wake(lane, depths[lane].due)
