"""One slice of a lane's work: its end, and which of the effects that it makes due it does itself."""

from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from consent_engine.domain.effects import Lane

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
