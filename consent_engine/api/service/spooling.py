"""Spooling: gateways' messages that come while the store is away are kept on disk, acknowledged, and stored once it is
back, as of the instant at which they came.

What was acknowledged must be in force before anything begins. So a spool has a pause of everything that begins by
itself unless it is moved on, each second while nothing waits; a message is acknowledged only once it has begun for
every process, also for one that reaches the store. It stays while anything waits, also where its API was killed.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf
from pathlib import Path
from time import monotonic

from consent_engine.adapters.spool import Spool
from consent_engine.api.coalescing.group_commit import EnginePool
from consent_engine.config.data_folder import sync
from consent_engine.engine.engine import Engine
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.receive import Incoming
from consent_engine.errors import StoreUnavailable, place_of
from consent_engine.ports import Endpoint, Stored
from consent_engine.ports.records import CLOCKS_APART_MS
from consent_engine.ports.registry import HOLDS_MS, SPOOL, Pause

log = logging.getLogger(__name__)
EVERY_S, HOST = 1.0, socket.gethostname()


class Spooling:
    """A spool in use. pool: a thread that stores · usable_from, in_force: in monotonic time, when each worker knows of
    the spool, and nothing begins before all that was kept is stored · offset: the store's time less that (ms), or 0
    """

    def __init__(self, spool: Spool, pool: EnginePool, watch: Callable[[], float] = monotonic) -> None:
        self.spool, self._pool, self._watch = spool, pool, watch
        self.offset = self.in_force = 0.0
        self._target = Endpoint(SPOOL, spool.name)
        self.usable_from = inf
        self._first: Path | None = None
        self._trouble = LogOnChange(log, f"messages in {spool.folder} cannot be stored, and nothing begins")

    def keep(self, _engine: Engine, messages: Sequence[Incoming]) -> Sequence[Stored]:
        """Keep messages, on disk when this returns. Raises StoreUnavailable where they cannot be kept."""
        if self._watch() < self.usable_from:
            raise StoreUnavailable("the store cannot be reached, and not every worker knows of the spool yet")
        if messages:
            path = self.spool.add(messages)
            # The pause was put for HOLDS_MS at most when nothing waited: before the oldest of our files that is there.
            # Since then another server may have taken over, whose clock is behind.
            if self._first is None or not self._first.exists():
                self._first, self.in_force = path, self._watch() + (HOLDS_MS + CLOCKS_APART_MS) / 1000
        return [Stored(is_new=True, at=0)] * len(messages)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Move the pause on, and store what waits, until the context ends; then the pause ends if nothing waits."""
        task = asyncio.ensure_future(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            with suppress(StoreUnavailable):
                await self._pool.ask(self.leave)

    async def _run(self) -> None:
        while True:
            try:
                with suppress(StoreUnavailable):  # said elsewhere
                    await self._pool.ask(self.turn)
                    self._trouble.over()
            except Exception as error:  # noqa: BLE001 - a damaged file, or a defect: nothing begins until it is over
                self._trouble.met(RuntimeError(place_of(error)))
            await asyncio.sleep(EVERY_S)

    def leave(self, engine: Engine) -> None:
        """Give the spool up; its pause ends where no other process has it, and nothing waits."""
        if self.spool.leave():
            engine.registry.pauses.announce(self._target, None)

    def turn(self, engine: Engine) -> None:
        """Store what waits, then move the pause on. Raises StoreUnavailable, and what reading a file raises."""
        while True:
            before, now = self._watch(), engine.registry.now()  # first: what is kept from here on waits
            self.offset = now - (before + self._watch()) / 2 * 1000
            files = self.spool.files()
            waits = f"{self.spool.waiting} messages wait" if files else "no API is heard from: messages may wait"
            # In force, it stays so where another server takes over.
            begins = now + (-CLOCKS_APART_MS if files else HOLDS_MS)
            pause = Pause(begins, SPOOL, f"{waits} in {self.spool.folder} of {HOST}")
            engine.registry.pauses.announce(self._target, pause)
            self.usable_from = min(self.usable_from, self._watch() + HOLDS_MS / 1000)
            if not files:
                return
            for path in files:
                with suppress(FileNotFoundError):  # another process was first
                    engine.receive(self.spool.read(path))
                    path.unlink()
            sync(self.spool.folder)
