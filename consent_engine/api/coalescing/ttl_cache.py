"""Recent: one look-up shared by all callers within a moment, so that a crowd costs the store as much as one caller."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from time import monotonic
from typing import Any, TypeVar

Value = TypeVar("Value")
MOST_KNOWN = 10_000


class Recent:
    """Look-ups by name. An answer is at most `seconds` older than its request; failures are not kept."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def of(self, name: Hashable, seconds: float, look_up: Callable[[], Awaitable[Value]]) -> Value:
        """Return the answer of `look_up`, or of a look-up of the same name that began less than `seconds` ago."""
        begun, found = self._known.get(name, (0.0, None))
        # Age counts from a look-up's beginning: an answer that came later may still be from before a change.
        if found is None or monotonic() - begun >= seconds:
            found = self._begin(name, look_up)
        answer: Value = found.result() if found.done() else await asyncio.shield(found)
        return answer

    def _begin(self, name: Hashable, look_up: Callable[[], Awaitable[Value]]) -> asyncio.Future[Value]:
        self._known.pop(name, None)
        if len(self._known) >= MOST_KNOWN:
            self._known.pop(next(iter(self._known)))
        begun = monotonic()
        found = asyncio.ensure_future(look_up())
        self._known[name] = begun, found
        found.add_done_callback(partial(self._ended, name))
        return found

    def _ended(self, name: Hashable, found: asyncio.Future[Any]) -> None:
        if found.cancelled() or found.exception() is not None:
            _, kept = self._known.get(name, (0.0, None))
            if kept is found:
                del self._known[name]
