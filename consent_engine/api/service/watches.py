"""Streams of server-sent events, and the watches of orders: one task asks the store for changes, for all together."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import cast

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from consent_engine.api.coalescing.group_commit import EnginePool
from consent_engine.api.http.bodies import Bounds
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.errors import Forbidden, OrderNotFound, StoreUnavailable, Unauthenticated, place_of
from consent_engine.ports import ApiKey

log = logging.getLogger(__name__)
RETRY = b"retry: 3000\n\n"
"""How soon a browser reconnects: the first line of a stream."""
HEADERS = {"X-Accel-Buffering": "no"}
NO_ORDER = ""


class EventStream(StreamingResponse):
    """A response of server-sent events. A client that stops reading for `send_s` seconds is disconnected."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], send_s: float) -> None:
        super().__init__(events, headers=HEADERS)
        self._send_s = send_s

    async def stream_response(self, send: Send) -> None:
        """Send the events; raises ClientDisconnect when one send takes longer than `send_s`."""

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(self._send_s):
                await send(message)

        try:
            await super().stream_response(bounded)
        except TimeoutError:
            raise ClientDisconnect from None
        finally:
            # Close it now, not at garbage collection: it holds one of a limited number of streams.
            await cast(AsyncGenerator[bytes, None], self.body_iterator).aclose()


class TooManyStreams(StoreUnavailable, code="too_many_streams"):
    """This process has as many streams as it may, or this key has its share of them."""


class Watch:
    """One stream's view of its order: its newest state, and a bell. Nothing is queued: a slow reader costs nothing.

    key: the name of its reader's key · order: None once the store no longer has it, and of a stream without one
    """

    def __init__(self, key: str, order: Order | None) -> None:
        self.key = key
        self.order = order
        self._bell = asyncio.Event()

    def found(self, version: int, order: Order | None) -> None:
        """Take in the order as the store has it; version 0: the store no longer has it."""
        if not version:
            self.order = None
        elif order is not None and self.order is not None and order.version > self.order.version:
            self.order = order
        self._bell.set()

    def ring(self) -> None:
        """Wake the reader of the stream."""
        self._bell.set()

    async def wait(self, seconds: float) -> None:
        """Wait until the bell rings, for `seconds` at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return
        self._bell.clear()


class Streams:
    """All watches of this process. ending: whether the server is about to stop."""

    def __init__(self, pool: EnginePool, defects: Counter[str], bounds: Bounds) -> None:
        self._pool = pool
        self._bounds = bounds
        self._defects = defects
        self._watches: dict[str, set[Watch]] = {}
        self._versions: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self.ending: Callable[[], bool] = lambda: False

    @property
    def open(self) -> int:
        return sum(map(len, list(self._watches.values())))  # a copy: other threads ask, too

    def check_room(self, key: str) -> None:
        """Raise TooManyStreams when there is no room for another watch of this key: it has as many as are free, so that
        no key, nor some together, take all.
        """
        own = sum(watch.key == key for watches in self._watches.values() for watch in watches)
        if own >= self._bounds.most_streams - self.open:
            raise TooManyStreams("the limit of watched orders is reached: try again in a moment")

    @contextmanager
    def watch(self, key: str, order: Order | None) -> Iterator[Watch]:
        """Watch an order that was just read; or none: then the bell rings when the server stops."""
        watch, name = Watch(key, order), order.id if order else NO_ORDER
        self._watches.setdefault(name, set()).add(watch)
        if order:
            # The lowest version that a watch has: one with a newer version is rung once more, and finds nothing new.
            self._versions[name] = min(order.version, self._versions.get(name, order.version))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._look_after())
        try:
            yield watch
        finally:
            self._watches[name].discard(watch)
            if not self._watches[name]:
                del self._watches[name]
                self._versions.pop(name, None)

    async def _look_after(self) -> None:
        pause = self._bounds.look_s
        while self._watches and not self.ending():
            await asyncio.sleep(pause)
            try:
                await self._look()
                pause = self._bounds.look_s
            except StoreUnavailable:
                pause = min(pause * 2, self._bounds.most_trouble_s)
            except Exception as error:  # noqa: BLE001 - the edge: a look that fails must not end all streams
                self._defects[type(error).__name__] += 1
                log.error("a look at the watched orders failed: %s", place_of(error))
                pause = min(pause * 2, self._bounds.most_trouble_s)
        for watches in self._watches.values():
            for watch in watches:
                watch.ring()

    async def _look(self) -> None:
        known = dict(self._versions)
        if not known:
            return
        versions, orders = await self._pool.ask(lambda engine: changes(engine, known))
        for order_id, version in versions.items():
            if order_id not in self._watches:
                continue
            self._versions[order_id] = version
            for watch in self._watches[order_id]:
                watch.found(version, orders.get(order_id))


class Teller:
    """Tells one client of events, until it may not hear of them any more, none will come, or the server stops.

    whose: looks the caller up again · every_s: how often it looks for events at least · over: the last event, for a
    client that may hear no more
    """

    def __init__(
        self, bounds: Bounds, caller: ApiKey, whose: Callable[[], Awaitable[ApiKey]], every_s: float, over: bytes = b""
    ) -> None:
        self._bounds, self._caller, self._whose = bounds, caller, whose
        self._every_s, self._over = every_s, over
        self._checked_at = self._sent_at = monotonic()

    def news(self, order: Order | None) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the events not sent yet, and whether they are the last. order: as the watch has it"""
        raise NotImplementedError

    async def events(self, streams: Streams, order: Order | None) -> AsyncIterator[bytes]:
        """Yield events. While the store is away the client stays connected, and nothing is lost."""
        yield RETRY
        with streams.watch(self._caller.name, order) as watch:
            while not streams.ending():
                try:
                    if not await self._may_go_on():
                        break
                    async for news, last in self.news(watch.order):
                        self._sent_at = monotonic()
                        yield news
                        if last:
                            return
                except (Unauthenticated, Forbidden, OrderNotFound):
                    break
                except StoreUnavailable:
                    pass  # the store is away: the next round reads it again
                if monotonic() - self._sent_at >= self._bounds.heartbeat_s:
                    self._sent_at = monotonic()
                    yield b": alive\n\n"
                await watch.wait(self._every_s)
            else:
                return
        yield self._over

    async def _may_go_on(self) -> bool:
        """Whether the caller is the same as before; looked up again every `key_check_s` seconds, before further events.
        Raises Unauthenticated and Forbidden.
        """
        if monotonic() - self._checked_at < self._bounds.key_check_s:
            return True
        caller = await self._whose()
        self._checked_at = monotonic()
        return caller == self._caller


def changes(engine: Engine, known: dict[str, int]) -> tuple[dict[str, int], dict[str, Order]]:
    """Return the versions that differ from the known ones, and those orders."""
    found = dict(zip(known, engine.lookup.versions(list(known)), strict=True))
    changed = {order_id: version for order_id, version in found.items() if version != known[order_id]}
    orders = engine.lookup.load(list(changed))[1] if changed else {}
    return changed, orders
