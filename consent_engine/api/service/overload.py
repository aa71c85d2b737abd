"""Admission: an order is taken only while its question can be sent in time. Messages never pass through here."""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType

from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.config.durations import millis
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.engine import Engine
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import LaneDepth

Depths = Mapping[Lane, LaneDepth]
Asks = Callable[[Callable[[Engine], Depths]], Awaitable[Depths]]
"""The function that asks the store: `Front.ask`."""
LANES = (Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
"""Lanes in which an order waits its turn. A timer waits for its instant, not for its turn."""


class Busy(StoreUnavailable, code="busy"):
    """As many orders wait as can be asked in time. Repeating the same request later is safe."""


class Admission:
    """Limits how many orders come in: enter it around placing one. Raises Busy when the lanes have no room."""

    def __init__(self, ask: Asks, settings: Settings, look_s: float) -> None:
        self._ask = ask
        self._patience = millis(settings.confirm_within) // 2
        self._most = most_waiting(settings)
        self._looked: Recent[None] = Recent(look_s)
        self._room = 0
        self._under_way = 0

    async def __aenter__(self) -> None:
        """Take a place, or raise Busy."""
        await self._looked.of("", self._look)
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
        depths = await self._ask(lambda engine: engine.depths())
        # An order that is being placed may not be in a lane yet.
        self._room = room(depths, self._most, self._patience) - self._under_way


def most_waiting(settings: Settings) -> int:
    """Return how many calls may wait in a lane so that one worker, at its slowest, makes them in half the allowed time.

    Every place in flight is free again after CONSENT_CALL_TIMEOUT at the latest, so this is no guess about a gateway:
    whatever it does, the last in line is called within half of CONSENT_CONFIRM_WITHIN. The other half is for retries.
    """
    turns = settings.confirm_within / 2 // settings.call_timeout
    return settings.in_flight * max(1, turns)


def room(depths: Depths, most: int, patience: Millis) -> int:
    """Return how many more orders may come in; 0 while an effect in a lane is more than `patience` (ms) late."""
    lanes = [depths[lane] for lane in LANES]
    if any(depth.late > patience for depth in lanes):
        return 0
    return most - max(depth.waiting - depth.parked for depth in lanes)
