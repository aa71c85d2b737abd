"""What a process hears of the outside: which gateway or BSS answered, and which did not."""

from typing import NamedTuple

from consent_engine.domain.effects import Accepted, Millis, Outcome, Rejected, Untaken

GATEWAY, BSS = "gateway", "bss"
HALF_MS = 60_000
"""A call counts half in the failed share after so long: what it says is of about the last two minutes."""


class Target(NamedTuple):
    """A gateway or the BSS. to: which of the two; name: as it is set up."""

    to: str
    name: str


class TargetHeard(NamedTuple):
    """What one process heard of a target since it last said so; instants by the store's clock, 0 for never.

    answered: taken, refused or not known, for any of these is an answer · failed: nobody answered, or nobody can tell ·
    first: the first failure after the last answer · calls, failures: how many ended, and how many of them failed
    """

    target: Target
    accepted: Millis = 0
    answered: Millis = 0
    failed: Millis = 0
    first: Millis = 0
    calls: int = 0
    failures: int = 0

    def after(self, outcome: Outcome, at: Millis) -> "TargetHeard":
        """With one more call, which ended at `at`; calls may come out of their order."""
        if isinstance(outcome, (Accepted, Rejected, Untaken)):
            accepted = max(self.accepted, at) if isinstance(outcome, Accepted) else self.accepted
            first = 0 if at >= self.failed else self.first
            answered = max(self.answered, at)
            return TargetHeard(self.target, accepted, answered, self.failed, first, self.calls + 1, self.failures)
        first, failed = self.first or (at if at > self.answered else 0), max(self.failed, at)
        return TargetHeard(self.target, self.accepted, self.answered, failed, first, self.calls + 1, self.failures + 1)


def field_of(target: Target, what: str) -> str:
    """The name under which something of a target is kept among what is measured."""
    return f"outside|{target.to}|{target.name}|{what}"
