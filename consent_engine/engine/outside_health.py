"""How gateways and the BSS are, by what workers heard of them: who answers, since when not, how many calls fail.

Kept beside the counts, as fields `outside|<to>|<name>|<what>`: `accepted`, `answered`, `failed`, `since` (the first
failure after the last answer), `lost` (failures since then), `calls` and `failures` (weighed by age, as they were at
`at`), and `told` (the outage whose beginning stands in a log).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consent_engine.domain.effects import Millis
from consent_engine.ports import Outside, Target
from consent_engine.ports.targets import BSS, GATEWAY, HALF_MS, field_of

LEAST_LOST = 3
"""Fewer failures in a row are an accident: a call that timed out in a quiet night is no outage."""
DOWN_AFTER_MS = 30_000
ASKED_WITHIN_MS = 20 * 60_000
"""Whatever is wanted is tried more often than that. Nobody asked for longer: then nobody knows, and it is no outage."""
FEW_CALLS = 10
"""Of fewer calls a share says nothing."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a target is. accepted, answered: when it last did, 0 for never. calls: weighed by age."""

    target: Target
    accepted: Millis = 0
    answered: Millis = 0
    failing: Millis = 0
    """how long no call was answered (ms), 0 while calls are"""
    since: Millis = 0
    """of that, or of the last outage"""
    calls: float = 0
    failed_share: float = 0
    told: Millis = 0
    troubled: Millis = 0
    """since when calls fail of which none was answered, be it an accident; 0: the last one was"""

    @property
    def is_down(self) -> bool:
        """Whether this is an outage: it has lasted, and it goes on."""
        return self.failing >= DOWN_AFTER_MS

    @property
    def words(self) -> str:
        return f"{'the BSS' if self.target.to == BSS else self.target.to} {self.target.name}"


def targets_of(outside: Outside) -> list[Target]:
    """Those that an engine calls."""
    gateways = [Target(GATEWAY, name) for name in sorted(set(outside.routes.values()))]
    asked = [each.name for each in (outside.bss, outside.subscribers) if each is not None]
    return gateways + [Target(BSS, name) for name in asked]


def health_of(counted: Mapping[str, float], targets: Iterable[Target], now: Millis) -> list[Health]:
    """How each of these is. What was never called is well."""
    return [_health(counted, target, now) for target in targets]


def _health(counted: Mapping[str, float], target: Target, now: Millis) -> Health:
    def kept(what: str) -> float:
        return counted.get(field_of(target, what), 0)

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
        told=int(kept("told")),
        troubled=since if failed > answered and since > answered and asked else 0,
    )
