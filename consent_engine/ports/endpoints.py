"""The results of a process's calls to each gateway and the BSS: which of them answered, and which did not."""

from typing import NamedTuple

from consent_engine.domain.effects import Accepted, Millis, Outcome, Rejected, Unavailable, Untaken

GATEWAY, BSS = "gateway", "bss"
HALF_MS = 60_000
"""The half-life (ms) of a call in the share of failed calls, which so describes about the last two minutes."""


class Endpoint(NamedTuple):
    """A gateway or the BSS. to: which of the two · name: its name in the settings"""

    to: str
    name: str


class EndpointHeard(NamedTuple):
    """One process's results with a target since it last reported them; instants by the store's clock, 0 for never.

    accepted: the last acceptance · answered: the last answer (accepted, rejected or untaken) · failed: the last call in
    doubt or without an answer · first: the first failure after the last answer · calls, failures: how many calls
    ended, and how many of them failed · refused: the last refusal of our account, which is a failed call
    """

    target: Endpoint
    accepted: Millis = 0
    answered: Millis = 0
    failed: Millis = 0
    first: Millis = 0
    calls: int = 0
    failures: int = 0
    refused: Millis = 0

    def after(self, outcome: Outcome, at: Millis) -> "EndpointHeard":
        """Return these results with one more call, which ended at `at`; calls may be added out of order."""
        if isinstance(outcome, (Accepted, Rejected, Untaken)):
            accepted = max(self.accepted, at) if isinstance(outcome, Accepted) else self.accepted
            first = 0 if at >= self.failed else self.first
            answered = max(self.answered, at)
            return self._replace(accepted=accepted, answered=answered, first=first, calls=self.calls + 1)
        refuses = isinstance(outcome, Unavailable) and outcome.refusing
        return self._replace(
            failed=max(self.failed, at),
            first=self.first or (at if at > self.answered else 0),
            calls=self.calls + 1,
            failures=self.failures + 1,
            refused=max(self.refused, at) if refuses else self.refused,
        )


def field_of(target: Endpoint, value: str) -> str:
    """Return the field of the measures that keeps one value (`value`) of a target."""
    return f"outside|{target.to}|{target.name}|{value}"
