"""The simulator's own tasks: none is lost, none outlives the simulator, and a failure is recorded."""

import asyncio
from collections.abc import Coroutine, MutableSequence
from dataclasses import dataclass, field
from typing import Any

from consent_engine.simulator.wire import Unreachable


@dataclass(slots=True)
class Tasks:
    """The tasks that run beside the requests: replies before they are sent, reports on their way."""

    errors: MutableSequence[str]
    running: set[asyncio.Task[None]] = field(default_factory=set)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else."""
        task = asyncio.create_task(self._guarded(work))
        self.running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.errors.append(f"the simulator itself failed: {error!r}")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Unreachable as error:
            self.errors.append(str(error))

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the simulator's end."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End everything: running tasks are cancelled and awaited, then the requests that still wait are answered."""
        tasks = list(self.running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.closing.set()
