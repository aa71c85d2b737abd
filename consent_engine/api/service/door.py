"""The door, before an order is taken. It is taken only while its question can be sent in time; messages never pass
through here. And the BSS is asked about its number's subscriber, where it can answer.

The look-up may refuse an order, and never delays one for long: without an answer in time the order is taken, and the
number is looked up again before anything is activated.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from time import monotonic
from types import TracebackType
from typing import Protocol, TypeVar

from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.http.bodies import Bounds
from consent_engine.config.settings import Settings
from consent_engine.config.values import millis
from consent_engine.domain.effects import Lane, Millis, Unavailable
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.line.holder import Subscriber
from consent_engine.engine.engine import Engine
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import LaneDepth, Subscribers

log = logging.getLogger(__name__)
T = TypeVar("T")
LANES = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
"""Lanes in which an order waits its turn. A timer waits for its instant, not for its turn."""


class Ask(Protocol):
    """A function that has work done with an engine."""

    def __call__(self, work: Callable[[Engine], T], /) -> Awaitable[T]:
        """Return the result of the work."""


class Busy(StoreUnavailable, code="busy"):
    """As many orders wait as can be asked in time. Repeating the same request later is safe."""


class Admission:
    """Limits how many orders come in: enter it around placing one. Raises Busy when the lanes have no room."""

    def __init__(self, ask: Ask, settings: Settings, look_s: float) -> None:
        self._ask = ask
        self._patience = millis(settings.confirm_within) // 2
        self._most = most_waiting(settings)
        self._looked, self._look_s = Recent(), look_s
        self._room = 0
        self._under_way = 0

    async def __aenter__(self) -> None:
        """Take a place, or raise Busy."""
        await self._looked.of("", self._look_s, self._look)
        if self._room <= 0:
            raise Busy("too many orders wait to be asked in time: the same request again, later, is safe")
        self._room -= 1
        self._under_way += 1

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        """Free the place: the order was placed, or refused."""
        self._under_way -= 1

    async def _look(self) -> None:
        depths, rated = await self._ask(lambda engine: (engine.depths(), engine.rated()))
        # An order that is being placed may not be in a lane yet.
        self._room = room(depths, self._most, self._patience, rated) - self._under_way


def most_waiting(settings: Settings) -> int:
    """Return how many calls may wait in a lane so that one worker, at its slowest, makes them in half the allowed time.

    Every place in flight is free again after CONSENT_CALL_TIMEOUT at the latest, so this is no guess about a gateway:
    whatever it does, the last in line is called within half of CONSENT_CONFIRM_WITHIN. The other half is for retries.
    """
    turns = settings.confirm_within / 2 // settings.call_timeout
    return settings.in_flight * max(1, turns)


def room(depths: Mapping[Lane, LaneDepth], most: int, patience: Millis, rated: Collection[tuple[int, int]] = ()) -> int:
    """Return how many more orders may come in; 0 while an effect in a lane is more than `patience` (ms) late. rated: of
    each gateway with a rate, how many SMS wait for it, and how many a second it gets
    """
    lanes = [depths[lane] for lane in LANES]
    if any(depth.late > patience for depth in lanes):
        return 0
    by_rate = (rate * patience // 1000 - waiting for waiting, rate in rated)
    return min([most - max(depth.waiting - depth.parked for depth in lanes), *by_rate])


ANSWERED, UNANSWERED, NOT_ASKED = OUTCOMES = "answered", "unanswered", "unasked"


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
