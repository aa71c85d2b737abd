"""One slice of a lane's work: its limits, its end, which effects that it makes due it does itself, and its result."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from consent_engine.domain.effects import Accepted, Lane, Outcome, Rejected, Uncertain


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


FEW = 32
"""Most effects that a slice makes due and does itself, at once; more are work for others, too. As `rq_queue.MUCH`."""


@dataclass(slots=True)
class Slice:
    """One slice of a lane: its end, and the few effects that it made due in lanes that its job does itself."""

    lane: Lane
    end: float
    own: frozenset[Lane] = frozenset()
    made_due: Counter[Lane] = field(default_factory=Counter)

    @property
    def is_over(self) -> bool:
        return monotonic() >= self.end

    def claims(self, lane: Lane, count: int) -> bool:
        """Whether it does these itself; if so, they are noted."""
        if lane not in self.own or self.made_due[lane] + count > FEW:
            return False
        self.made_due[lane] += count
        return True


@dataclass(slots=True)
class Tally:
    """The counts of a slice; `left` when effects were still due."""

    counts: Counter[str] = field(default_factory=Counter)
    left: bool = False

    @property
    def done(self) -> int:
        """About how many effects were done: a measure of the flow."""
        return self.counts.total()


def word_of(outcome: Outcome, *, parked: bool) -> str:
    """Return the word under which a call that ended is counted."""
    if parked:
        return "parked"
    words = {Accepted: "accepted", Rejected: "rejected", Uncertain: "doubtful"}
    return words.get(type(outcome), "retried")
