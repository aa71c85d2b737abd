"""Health of gateways and the BSS, from what workers heard: which answers, since when not, how many calls fail.

Kept beside the counts, as fields `outside|<to>|<name>|<what>`: `accepted`, `answered`, `failed`, `since` (the first
failure after the last answer), `lost` (failures since then), `refused` (the last refusal of our account), `calls` and
`failures` (weighted by age, as they were at `at`), `told` and `told_refusing` (the outage whose beginning was logged),
`stalled` (its failures in a row, an outage or not), `back` (their end, until what they left in doubt is seen to).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consent_engine.domain.effects import Millis
from consent_engine.ports import Endpoint, Outside
from consent_engine.ports.endpoints import BSS, GATEWAY, HALF_MS, field_of

LEAST_LOST = 3
"""Fewest failures in a row that make an outage: one call that timed out in a quiet night makes none."""
DOWN_AFTER_MS = 30_000
"""How long a target may give no answer before that is an outage. A refusal of our account is one at once."""
ASKED_WITHIN_MS = 20 * 60_000
"""Every effect is retried more often than this. If a target was not called for longer, nothing is known: no outage."""
FEW_CALLS = 10
"""Fewest calls whose share of failures means anything."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a target. accepted, answered: when it last did, 0 for never. calls: weighted by age."""

    target: Endpoint
    accepted: Millis = 0
    answered: Millis = 0
    failing: Millis = 0
    """how long no call has been answered (ms), 0 while calls are answered"""
    since: Millis = 0
    """when that, or the last outage, began"""
    calls: float = 0
    failed_share: float = 0
    refusing: bool = False
    """whether it refuses our account, and has taken nothing since"""
    logged: Millis = 0
    refusal_logged: Millis = 0
    stalled: Millis = 0
    back: Millis = 0
    """since when its calls failed in a row, and when it answered again, until their doubts are seen to; 0: they are"""
    troubled: Millis = 0
    """since when calls have failed and none was answered, even without an outage; 0: the last one was answered"""

    @property
    def is_down(self) -> bool:
        """Whether this is an outage: our account is refused, or it has lasted long enough; and it goes on."""
        return self.refusing or self.failing >= DOWN_AFTER_MS

    @property
    def words(self) -> str:
        return f"{'the BSS' if self.target.to == BSS else self.target.to} {self.target.name}"


def targets_of(outside: Outside) -> list[Endpoint]:
    """Return the targets that an engine calls."""
    gateways = [Endpoint(GATEWAY, name) for name in sorted(set(outside.routes.values()))]
    asked = [each.name for each in (outside.bss, outside.subscribers) if each is not None]
    return gateways + [Endpoint(BSS, name) for name in asked]


def health_of(counted: Mapping[str, float], targets: Iterable[Endpoint], now: Millis) -> list[Health]:
    """Return the health of each of these targets. One that was never called is healthy."""
    return [_health(counted, target, now) for target in targets]


def _health(counted: Mapping[str, float], target: Endpoint, now: Millis) -> Health:
    def kept(name: str) -> float:
        return counted.get(field_of(target, name), 0)

    answered, failed, since = int(kept("answered")), int(kept("failed")), int(kept("since"))
    asked = now - failed <= ASKED_WITHIN_MS
    fails = failed > answered and since > answered and kept("lost") >= LEAST_LOST and asked
    calls = kept("calls")
    return Health(
        target,
        accepted=int(kept("accepted")),
        answered=answered,
        failing=max(1, now - since) if fails else 0,
        since=since,
        calls=calls * 0.5 ** (max(0, now - kept("at")) / HALF_MS),
        failed_share=kept("failures") / calls if calls else 0,
        refusing=fails and kept("refused") > answered,
        logged=int(kept("told")),
        refusal_logged=int(kept("told_refusing")),
        stalled=int(kept("stalled")),
        back=int(kept("back")),
        troubled=since if failed > answered and since > answered and asked else 0,
    )
