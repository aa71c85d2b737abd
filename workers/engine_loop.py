"""One engine on one event loop in one thread: a process's jobs use it, and its calls run there between jobs."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Collection
from time import monotonic

from consent_engine.adapters.rq_queue import PROMISE_S
from consent_engine.domain.effects import Lane
from consent_engine.engine.engine import Engine
from consent_engine.engine.slice import Tally
from consent_engine.errors import StoreUnavailable, place_of

log = logging.getLogger(__name__)

AWAKE_S = 1.0
"""How long a job goes on at most: its process has others to do. It stays awake all the same; the next job reports."""
FLOW, HALF_S = 8.0, 0.05
"""Work flows when of the last effects, each counting half after HALF_S, FLOW is left: some 110 a second."""
SHORTEST_S, EACH_S, LONGEST_S = 0.003, 0.0007, 0.015
"""The pause between two looks: at least, more for each effect that the last one found, at most."""
RECRUIT, RECRUIT_EVERY_S = 160, 0.1
"""Effects found at one look, most of what it can find, that are work for another process, too: with fewer, two would
only have smaller batches, and more jobs of RQ's."""
MARGIN_S = 0.01
LOOKED_AT = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
"""The lanes to look at. Timers are not among them: they are due at their own instants, and the clocks see to them."""


class Awake:
    """The staying awake of one process, on the loop of its engine."""

    def __init__(self, engine: Engine, lanes: Collection[Lane], awake_s: float = AWAKE_S) -> None:
        self._engine = engine
        self._staying: asyncio.Task[None] | None = None
        self._is_to_end = False
        self._awake_s = awake_s
        self._lanes = [lane for lane in LOOKED_AT if lane in lanes]
        self._flow, self._flow_at = 0.0, monotonic()
        self.promised = self._renew_at = self._recruit_at = 0.0

    def did(self, count: int) -> None:
        """Count effects that were done just now."""
        now = monotonic()
        self._flow = self._flow * 0.5 ** ((now - self._flow_at) / HALF_S) + count
        self._flow_at = now

    def flows(self) -> bool:
        """Whether there is enough work to stay awake for."""
        self.did(0)
        return self._flow >= FLOW

    async def stay(self) -> None:
        """Look at the lanes again and again while work flows, and after that until the promise is over; wait for
        the end of this for as long as a job may go on.

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
        """Stop looking: others are woken for new effects."""
        self._is_to_end = True
        if self._staying is not None:
            await asyncio.wait([self._staying])
            for lane in self._lanes:
                self._engine.queue.wake(lane, 1, more=True)
            # The woken process may be done before the promise ends: effects that come until then need another look.
            await asyncio.sleep(max(0.0, self.promised - monotonic()))
            self._look_after()

    def _ended(self, staying: "asyncio.Task[None]") -> None:
        self._staying = None
        defect = staying.exception()
        if isinstance(defect, StoreUnavailable):
            log.error("the lanes cannot be performed now: %s", defect)
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
            self._look()  # for effects made due without a wake-up

    def _look(self) -> int:
        found = self._engine.performer.look(self._lanes)
        self.did(found)
        full = self._engine.performer.full(self._lanes)
        if (full or found >= RECRUIT) and monotonic() >= self._recruit_at:
            self._recruit_at = monotonic() + RECRUIT_EVERY_S
            self._recruit(found, full)
        return found

    def _recruit(self, found: int, full: Collection[Lane]) -> None:
        """Wake others though this process is awake: for effects that it has no place for, or finds many of."""
        depths = self._engine.lanes.depths() if full else {}
        for lane in [each for each in full if depths[each].due]:
            self._engine.queue.wake(lane, depths[lane].due, more=True)
        for lane in self._lanes if found >= RECRUIT else ():
            self._engine.queue.wake(lane, found, more=True)

    def _promise(self) -> bool:
        """Promise to be awake for longer, when it is time to renew; False where another process has promised it."""
        if monotonic() < self._renew_at:
            return True
        if not self._engine.queue.stays(self._lanes):
            return False
        self._renew_at = monotonic() + PROMISE_S / 2
        self.promised = monotonic() + PROMISE_S + MARGIN_S
        return True

    def _look_after(self) -> None:
        """Wake a process for effects made due under a promise that is over. Not where it was renewed."""
        if monotonic() < self.promised:
            return
        try:
            depths = self._engine.lanes.depths()
        except StoreUnavailable as error:
            log.warning("newly due effects could not be looked up, the clocks find them: %s", error)
            return
        for lane in self._lanes:
            if depths[lane].due:
                self._engine.queue.wake(lane, depths[lane].due)


CLOSE_S = 5.0


class EngineLoop:
    """The engine, and the thread that runs its calls."""

    def __init__(self, make: Callable[[], Engine], lanes: Collection[Lane] = frozenset(Lane)) -> None:
        self._lanes = lanes
        self._loop = asyncio.new_event_loop()
        if sys.version_info >= (3, 12):  # a call that ends at once needs no turn of the loop
            self._loop.set_task_factory(asyncio.eager_task_factory)
        self._thread = threading.Thread(target=self._loop.run_forever, name="calls", daemon=True)
        self._thread.start()
        self.engine = asyncio.run_coroutine_threadsafe(_made(make), self._loop).result()
        self._awake = Awake(self.engine, lanes)

    def perform(self, lane: Lane, seconds: float, bound_s: float) -> dict[Lane, Tally]:
        """Perform a slice of a lane, with the few effects that it makes due in others, and more while work flows
        (`awake`); a lane with work left is queued again.

        Raises TimeoutError when it has not ended after `bound_s`.
        """
        return asyncio.run_coroutine_threadsafe(self._slice(lane, seconds), self._loop).result(bound_s)

    async def _slice(self, lane: Lane, seconds: float) -> dict[Lane, Tally]:
        tallies = await self.engine.performer.perform_on(lane, seconds, self._lanes)
        self._awake.did(sum(tally.done for tally in tallies.values()))
        await self._awake.stay()
        for each, counts in self.engine.performer.drained().items():
            tallies.setdefault(each, Tally()).counts.update(counts)
        if left := [each for each, tally in tallies.items() if tally.left]:
            depths = self.engine.lanes.depths()
            for each in left:
                self.engine.queue.wake(each, depths[each].due)
        return tallies

    def land(self, seconds: float) -> int:
        """Let calls in flight end, and record them; return how many are in flight after `seconds`."""
        landing = asyncio.run_coroutine_threadsafe(self._land(seconds), self._loop)
        try:
            return landing.result(seconds + CLOSE_S)
        except TimeoutError:
            return self.engine.performer.in_flight()

    async def _land(self, seconds: float) -> int:
        await self._awake.end()
        return await self.engine.performer.land(seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()


async def _made(make: Callable[[], Engine]) -> Engine:
    """Make an engine on the loop: its clients belong to the thread that they are made in."""
    return make()
