"""Staying awake while work flows: one wake-up is worth all that comes then, and nobody need wake whoever is awake.

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
from consent_engine.domain.defects import place_of
from consent_engine.domain.effects import Lane
from consent_engine.engine.engine import Engine
from consent_engine.errors import StoreUnavailable

log = logging.getLogger(__name__)

AWAKE_S = 1.0
"""So long at most a job goes on, for its process has others to do. It stays awake all the same; the next job tells."""
FLOW, HALF_S = 8.0, 0.05
"""Work flows when of the last effects, each counting half after so long, this much is left: some 110 a second."""
SHORTEST_S, EACH_S, LONGEST_S = 0.003, 0.0007, 0.015
"""Between two looks: at least, more for each effect that the last one found, at most."""
RECRUIT, RECRUIT_EVERY_S = 160, 0.1
"""So much found at one look, most of what it can find, is work for another process, too: less than that would only be
smaller batches of two, and jobs of RQ's."""
MARGIN_S = 0.01
LOOKED_AT = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
"""Timers are not among them: they are due at instants of their own, and the clocks see to them."""


class Awake:
    """How one process stays awake, on the loop of its engine."""

    def __init__(self, engine: Engine, lanes: Collection[Lane], awake_s: float = AWAKE_S) -> None:
        self._engine = engine
        self._staying: asyncio.Task[None] | None = None
        self._is_to_end = False
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
        """Look at the lanes again and again while work flows, and for as long as anybody believes it after that; wait
        for its end for as long as a job may go on.

        Not where another process does so already: two would halve each other's batches. While the store cannot be
        reached there is nothing to stay awake for.
        """
        if self._staying is None:
            if not self._lanes or not self.flows() or not self._promise():
                return
            self._staying = asyncio.ensure_future(self._stay())
            self._staying.add_done_callback(self._ended)
        await asyncio.wait([self._staying], timeout=self._awake_s)

    async def end(self) -> None:
        """Look no more: others are woken for what comes."""
        self._is_to_end = True
        if self._staying is not None:
            await asyncio.wait([self._staying])
            for lane in self._lanes:
                self._engine.queue.wake(lane, 1, more=True)
            # Whoever was woken may be done before nobody believes the promise any more, and this process be gone.
            await asyncio.sleep(max(0.0, self.promised - monotonic()))
            self._look_after()

    def _ended(self, staying: "asyncio.Task[None]") -> None:
        self._staying = None
        defect = staying.exception()
        if isinstance(defect, StoreUnavailable):
            log.error("not now: %s", defect)
        elif defect is not None:
            log.error("defect while awake: %s", place_of(defect))

    async def _stay(self) -> None:
        performer = self._engine.performer
        performer.awake = frozenset(self._lanes)
        try:
            while not self._is_to_end and (self._promise() if self.flows() else monotonic() < self.promised):
                found = self._look()
                await asyncio.sleep(min(LONGEST_S, SHORTEST_S + found * EACH_S))
        finally:
            performer.awake = frozenset()
            asyncio.get_running_loop().call_later(max(0.0, self.promised - monotonic()), self._look_after)
        if self._is_to_end:
            self._engine.queue.leaves(self._lanes)
        else:
            self._look()  # what was made due while nobody was woken for it

    def _look(self) -> int:
        found = self._engine.performer.look(self._lanes)
        self.did(found)
        full = self._engine.performer.full(self._lanes)
        if (full or found >= RECRUIT) and monotonic() >= self._recruit_at:
            self._recruit_at = monotonic() + RECRUIT_EVERY_S
            self._recruit(found, full)
        return found

    def _recruit(self, found: int, full: Collection[Lane]) -> None:
        """Wake others though this process is awake: for what it has no place for, or finds much of."""
        depths = self._engine.lanes.depths() if full else {}
        for lane in [each for each in full if depths[each].due]:
            self._engine.queue.wake(lane, depths[lane].due, more=True)
        for lane in self._lanes if found >= RECRUIT else ():
            self._engine.queue.wake(lane, found, more=True)

    def _promise(self) -> bool:
        """Promise to be awake for longer, where that is to be said again; False where another has promised it."""
        if monotonic() < self._renew_at:
            return True
        if not self._engine.queue.stays(self._lanes):
            return False
        self._renew_at = monotonic() + PROMISE_S / 2
        self.promised = monotonic() + PROMISE_S + MARGIN_S
        return True

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
