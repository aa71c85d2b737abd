"""Policy: the numbers a business may change. Frozen into each order at the door."""

from dataclasses import astuple, dataclass, fields
from datetime import timedelta
from typing import Any

from consent_engine.domain.effects import Millis

LATE_MARGIN = int(timedelta(hours=48).total_seconds() * 1000)
"""How long after its window an order still counts as one that a reply may mean (design part 7, rule 3)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All durations in milliseconds.

    reply_window: from hand-over of the question to the end of the wait · confirm_within: from placing to hand-over ·
    retry_base, retry_max: backoff, exponential with full jitter · max_attempts: bounds doubts and lost leases only ·
    uncertain_hold: how long a doubtful SMS waits for a report before it is sent once more ·
    tell_declined: answer a NO with an SMS
    """

    reply_window: int = 24 * 3_600_000
    confirm_within: int = 2 * 3_600_000
    retry_base: int = 2_000
    retry_max: int = 600_000
    max_attempts: int = 5
    uncertain_hold: int = 600_000
    tell_declined: bool = True

    def backoff(self, attempt: int, roll: float, after: int = 0) -> int:
        """Milliseconds until the next try after `attempt` (from 1): full jitter by `roll` (0..1), at least `after`."""
        ceiling = min(self.retry_max, self.retry_base * 2 ** min(max(attempt, 1) - 1, 20))
        return max(after, int(ceiling * (0.1 + 0.9 * roll)))

    def remembered_until(self, settled_at: Millis) -> Millis:
        """Until when a reply may still mean an order that settled at `settled_at`."""
        return settled_at + self.reply_window + LATE_MARGIN

    def frozen(self) -> list[int]:
        """As kept in the order: the numbers in the order of the fields above; new ones are only ever appended."""
        return [int(value) for value in astuple(self)]

    @classmethod
    def thaw(cls, kept: list[int]) -> "Policy":
        """The policy an order was placed under; what its time did not know takes its default."""
        known: dict[str, Any] = {
            f.name: bool(n) if f.type is bool else n for f, n in zip(fields(cls), kept, strict=False)
        }
        return cls(**known)
