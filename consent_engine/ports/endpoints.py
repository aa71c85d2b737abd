"""The results of calls to each gateway and the BSS: which of them answered, and which did not."""

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.effects import Accepted, Millis, Outcome, Rejected, Throttled, Unavailable, Untaken

GATEWAY, BSS = "gateway", "bss"
HALF_MS = 60_000
"""The half-life (ms) of a call in the share of failed calls, which so describes about the last two minutes."""
AWAY_AFTER_MS = 5_000
"""How long a target may give no answer before only a call now and then tries it, until the first answer."""


class Endpoint(NamedTuple):
    """A gateway or the BSS. to: which of the two · name: its name in the settings"""

    to: str
    name: str


class EndpointKnown(Struct, frozen=True, array_like=True):
    """The results of all processes with a target; instants by the store's clock, 0 for never.

    accepted: the last acceptance · answered: the last answer, whatever it was · failed: the last call in doubt or
    without one · since: when the failures after the last answer began, or those before it did ·
    lost: how many there are · refused: the last refusal of our account, which is a failed call · calls, failures: how
    many calls ended, and how many of them failed, weighted by their age at the instant `at` · logged, refusal_logged:
    since when the outage was that a worker logged, and the refusal of our account · stalled, back: since when its calls
    failed in a row, and when it answered again, until its doubts are seen to · returned: its first answer after it was
    away · op: of the last change
    """

    accepted: Millis = 0
    answered: Millis = 0
    failed: Millis = 0
    since: Millis = 0
    lost: int = 0
    refused: Millis = 0
    calls: float = 0.0
    failures: float = 0.0
    at: Millis = 0
    logged: Millis = 0
    refusal_logged: Millis = 0
    stalled: Millis = 0
    back: Millis = 0
    returned: Millis = 0
    op: str = ""

    def after(self, outcome: Outcome, at: Millis) -> "EndpointKnown":
        """Return this with one more call, which ended at `at`. One that comes late changes nothing that is newer."""
        took = isinstance(outcome, (Accepted, Rejected, Throttled, Untaken))
        answered, failed = max(self.answered, at if took else 0), max(self.failed, 0 if took else at)
        since, lost = self.since, self.lost
        ends = took and at > since > self.answered and at - since >= AWAY_AFTER_MS
        if since <= answered < failed:
            since, lost = answered + 1 if took else at, 1
        elif not took and at > answered:
            since, lost = min(since, at), lost + 1
        newest = max(self.at, at)
        less = 0.5 ** ((newest - self.at) / HALF_MS)
        return replace(
            self,
            accepted=max(self.accepted, at if isinstance(outcome, Accepted) else 0),
            answered=answered,
            failed=failed,
            since=since,
            lost=lost,
            returned=at if ends else self.returned,
            refused=max(self.refused, at if isinstance(outcome, Unavailable) and outcome.refusing else 0),
            calls=self.calls * less + 1,
            failures=self.failures * less + (not took),
            at=newest,
        )
