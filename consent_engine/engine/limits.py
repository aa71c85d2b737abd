"""How much a performer does at once, and by which clock."""

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


EASY = Pace()
