"""The counts of a slice, as a job's result shows them."""

from collections import Counter
from dataclasses import dataclass, field

from consent_engine.domain.effects import Accepted, Outcome, Rejected, Uncertain


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
