"""What a slice did, in counts: what a job's result says."""

from collections import Counter
from dataclasses import dataclass, field

from consent_engine.domain.effects import Accepted, Outcome, Rejected, Uncertain


@dataclass(slots=True)
class Tally:
    """What a slice did, in counts; `left` when something was still due."""

    counts: Counter[str] = field(default_factory=Counter)
    left: bool = False

    @property
    def done(self) -> int:
        """How many effects, about: what flows."""
        return self.counts.total()


def word_of(outcome: Outcome, *, parked: bool) -> str:
    """Under which word a call that ended is counted."""
    if parked:
        return "parked"
    words = {Accepted: "accepted", Rejected: "rejected", Uncertain: "doubtful"}
    return words.get(type(outcome), "retried")
