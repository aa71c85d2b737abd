"""Group commit at the edge: items that arrive while a batch is under way form the next; each batch runs in one thread.

All that waits behind a store that does not answer is answered with it: nobody waits longer than one question takes.

The engine is synchronous and not safe for several threads, so an `EnginePool` gives every thread an engine of its own.
"""

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from time import monotonic
from typing import Generic, TypeVar

from consent_engine.engine.engine import Engine
from consent_engine.errors import StoreUnavailable, place_of

log = logging.getLogger(__name__)
T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_ASKED = 2_000
"""How many requests may wait for a pool; the next is turned away."""
MOST_IN_BATCH = 500


class _Own(threading.local):
    engine: Engine | None = None


class EnginePool:
    """A few threads, each with an engine of its own. most: how many requests may wait for them."""

    def __init__(self, engines: Callable[[], Engine], size: int, name: str, *, most: int = MOST_ASKED) -> None:
        self._most = most
        self._engines = engines
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=f"consent-{name}")
        self._own = _Own()
        self._asked = 0
        self._silent_at = 0.0

    async def ask(self, work: Callable[[Engine], T]) -> T:
        """Have `work` done in one of the threads. Raises StoreUnavailable when too many wait."""
        if self._asked >= self._most:
            raise StoreUnavailable("too many requests wait: the same request again is safe")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work, monotonic())
        finally:
            self._asked -= 1

    def _do(self, work: Callable[[Engine], T], asked_at: float) -> T:
        if asked_at < self._silent_at:
            raise StoreUnavailable("the store does not answer: the same request again is safe", silent=True)
        try:
            if self._own.engine is None:
                self._own.engine = self._engines()
            return work(self._own.engine)
        except StoreUnavailable as error:
            self._silent_at = monotonic() if error.silent else self._silent_at
            raise

    def close(self) -> None:
        """Let work under way end, and start none."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Batcher(Generic[Item, Result]):
    """Runs a function over all items that came since its last run.

    work: takes an engine and items, returns a result for each, in order; safe to be called again with the same items ·
    most: how much may wait, in the units of `weigh` · defects: counts, by type, errors that should never be raised
    """

    def __init__(
        self,
        pool: EnginePool,
        work: Callable[[Engine, Sequence[Item]], Sequence[Result]],
        *,
        most: int,
        defects: Counter[str],
        weigh: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        self._pool = pool
        self._work = work
        self._most = most
        self._defects = defects
        self._weigh = weigh
        self._waiting: deque[tuple[Item, int, asyncio.Future[Result]]] = deque()
        self._weight = 0
        self._at_work: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Result:
        """Return the item's result, once its batch is done. Raises StoreUnavailable when too much waits."""
        weight = self._weigh(item)
        if self._waiting and self._weight + weight > self._most:
            raise StoreUnavailable("too many requests wait: the same request again is safe")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, weight, future))
        self._weight += weight
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.ensure_future(self._work_off())
        return await future

    async def _work_off(self) -> None:
        while self._waiting:
            batch = self._next()
            if not batch:
                continue
            try:
                results = await self._pool.ask(partial(self._run, [item for item, _ in batch]))
                for (_, future), result in zip(batch, results, strict=True):
                    _settle(future, result)
                if all(isinstance(each, StoreUnavailable) and each.silent for each in results):
                    self._turn_away(results[0])
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers wait for an answer
                for _, future in batch:
                    _settle(future, error)

    def _turn_away(self, silent: Result | Exception) -> None:
        """Answer all that waits with the error of the batch that it waited for."""
        turned, self._waiting, self._weight = self._waiting, deque(), 0
        for _, _, future in turned:
            _settle(future, silent)

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """Take the next batch, of one item or up to MOST_IN_BATCH by weight. Items whose caller left are dropped."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        heavy = 0
        while self._waiting and (not batch or heavy + self._waiting[0][1] <= MOST_IN_BATCH):
            item, weight, future = self._waiting.popleft()
            self._weight -= weight
            if not future.done():
                batch.append((item, future))
                heavy += weight
        return batch

    def _run(self, items: Sequence[Item], engine: Engine) -> list[Result | Exception]:
        """Do the work, in the thread: a result or an error for each item."""
        try:
            return [result for _, result in zip(items, self._work(engine, items), strict=True)]
        except StoreUnavailable as error:
            return [copy(error) for _ in items]
        except Exception as error:  # noqa: BLE001 - the edge: logged by type, for the message may quote a person
            self._defects[type(error).__name__] += 1
            log.error("a batch of %d failed: %s", len(items), place_of(error))
            if len(items) == 1:
                return [error]
            # One item that always fails must not fail its batch: each is tried alone.
            return [result for item in items for result in self._run([item], engine)]


def _settle(future: "asyncio.Future[Result]", result: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
