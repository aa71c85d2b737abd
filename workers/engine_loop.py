"""One engine on one event loop in one thread: a process's jobs use it, and its calls run there between jobs."""

import asyncio
import sys
import threading
from collections.abc import Callable, Collection

from consent_engine.domain.effects import Lane
from consent_engine.engine.engine import Engine
from consent_engine.engine.slice_result import Tally
from workers.awake import Awake

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
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()


async def _made(make: Callable[[], Engine]) -> Engine:
    """Make an engine on the loop: its clients belong to the thread that they are made in."""
    return make()
