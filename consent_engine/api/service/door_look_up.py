"""The door's look-up: before an order is taken, the BSS is asked about its number's subscriber, where it can answer.

It may refuse an order, and never delays one for long: without an answer in time the order is taken, and the number is
looked up again before anything is activated.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol, TypeVar

from consent_engine.api.http.bodies import Bounds
from consent_engine.domain.effects import Unavailable
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.line.holder import Subscriber
from consent_engine.engine.engine import Engine
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.ports import Subscribers

log = logging.getLogger(__name__)
T = TypeVar("T")
ANSWERED, UNANSWERED, NOT_ASKED = OUTCOMES = "answered", "unanswered", "unasked"


class Ask(Protocol):
    """A function that has work done with an engine."""

    def __call__(self, work: Callable[[Engine], T], /) -> Awaitable[T]:
        """Return the result of the work."""


class DoorLookUp:
    """The look-ups of all requests of a process. counted: by outcome, `unasked` in the pause after one failed."""

    def __init__(self, ask: Ask, bounds: Bounds) -> None:
        self.counted: Counter[str] = Counter()
        self._ask = ask
        self._bounds = bounds
        self._known: tuple[Subscribers | None] | None = None
        self._rests_until = 0.0
        self._trouble = LogOnChange(log, "the BSS does not say who has a number: orders are taken without")

    async def of(self, msisdn: str) -> Subscriber | None:
        """Return the number's subscriber; None where no BSS can be asked, or it did not answer in time."""
        if self._known is None:
            self._known = (await self._ask(lambda engine: engine.outside.subscribers),)
        subscribers = self._known[0]
        if subscribers is None:
            return None
        if monotonic() < self._rests_until:
            self.counted[NOT_ASKED] += 1
            return None
        return await self._looked_up(subscribers, msisdn)

    async def _looked_up(self, subscribers: Subscribers, msisdn: str) -> Subscriber | None:
        try:
            async with asyncio.timeout(self._bounds.look_up_s):
                answer = await subscribers.look_up(msisdn)
        except TimeoutError:
            answer = Unavailable(Hitch.LOOK_UP.of(Hitch.NO_ANSWER.of()))
        if isinstance(answer, Unavailable):
            self._rests_until = monotonic() + self._bounds.look_up_rest_s
            self.counted[UNANSWERED] += 1
            self._trouble.met(TimeoutError(answer.reason))
            return None
        self.counted[ANSWERED] += 1
        self._trouble.over()
        return answer
