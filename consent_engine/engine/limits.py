"""A performer's limits: calls at once, their times, and the clock; and how often a worker process looks."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits of a performer. in_flight: outside calls at a time · watch: seconds by a clock that never jumps."""

    in_flight: int = 64
    startable_s: float = 50.0
    """How long after its lease a call may still begin: the rest of the lease is longer than any call."""
    call_ms: int = 10_000
    """How long a call may last."""
    watch: Callable[[], float] = monotonic
    rest: Callable[[float], object] = sleep
    """Waits so many seconds."""

    @property
    def lease_ms(self) -> int:
        """How long a lease lasts."""
        return int(self.startable_s * 1000) + self.call_ms


TICK_S = 1.0
"""How often the clock of a worker process looks at its lanes, and its other threads at their work."""
EASY = Pace()
