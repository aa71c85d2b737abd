"""How much a performer does at once, by which clock, and how often a worker process looks."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Pace:
    """in_flight: calls to the outside at a time · watch: seconds by a clock that never jumps."""

    in_flight: int = 64
    startable_s: float = 50.0
    """How long after its lease a call may still begin: what is left is longer than any call."""
    call_ms: int = 10_000
    """How long one may last."""
    watch: Callable[[], float] = monotonic


TICK_S = 1.0
"""How often the clock of a worker process looks at its lanes, and its other threads at their work."""
EASY = Pace()
