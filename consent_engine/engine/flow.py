"""How much passed, and how fast: of each lane, each gateway and the BSS, by the minute and by ten minutes.

Kept as counts that many processes add to, for a day: `<to>|<name>|calls`, `...|failed`, and `...|<n>`, how many of
them lasted up to the n-th of BUCKETS. A lane's latency is how late its oldest is, looked at once a second.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.metrics import BUCKETS
from consent_engine.ports import Registry, Target
from consent_engine.ports.pauses import LANE
from consent_engine.ports.registry import FlowStep
from consent_engine.ports.targets import BSS, GATEWAY

SPANS = {"hour": (FlowStep.MINUTE, 60), "day": (FlowStep.TEN_MINUTES, 144)}
LATELY = 5
"""Minutes that say how it is now."""
_ORDER = (LANE, GATEWAY, BSS)


class Series(Struct, frozen=True):
    """What passed in one place. The lists have a number a step, oldest first; p50, p95: in ms, None where none did"""

    target: Target
    calls: list[int]
    failed: list[int]
    p50: list[int | None]
    p95: list[int | None]
    all_p50: int | None
    all_p95: int | None


class Flow(Struct, frozen=True):
    """What passed in a while. since: when the first step began · step: how long each is (ms)"""

    since: Millis
    step: Millis
    series: list[Series]


def flow_of(registry: Registry, span: str, targets: Sequence[Target]) -> Flow:
    """The last hour or day, with a row for each lane and each of these, and for what else was called."""
    step, count = SPANS[span]
    last = registry.now() // step.ms
    slots = registry.flow(step, last - count + 1, last)
    named = {Target(LANE, lane.value) for lane in Lane} | set(targets) | {_target(name) for s in slots for name in s}
    known = sorted(named, key=lambda each: (_ORDER.index(each.to) if each.to in _ORDER else len(_ORDER), each.name))
    return Flow((last - count + 1) * step.ms, step.ms, [_series(target, slots) for target in known])


def lately(registry: Registry, targets: Sequence[Target]) -> list[Series]:
    """What passed in each of these in the last minutes."""
    last = registry.now() // FlowStep.MINUTE.ms
    slots = registry.flow(FlowStep.MINUTE, last - LATELY + 1, last)
    return [_series(target, slots) for target in targets]


def _target(name: str) -> Target:
    to, of, _ = name.split("|")
    return Target(to, of)


def _series(target: Target, slots: Sequence[Mapping[str, int]]) -> Series:
    begin = f"{target.to}|{target.name}|"
    lasted = [[slot.get(f"{begin}{n}", 0) for n in range(len(BUCKETS) + 1)] for slot in slots]
    total = [sum(column) for column in zip(*lasted, strict=True)]
    return Series(
        target,
        [slot.get(f"{begin}calls", 0) for slot in slots],
        [slot.get(f"{begin}failed", 0) for slot in slots],
        [quantile(each, 0.5) for each in lasted],
        [quantile(each, 0.95) for each in lasted],
        quantile(total, 0.5),
        quantile(total, 0.95),
    )


def quantile(lasted: Sequence[int], q: float) -> int | None:
    """A quantile in ms, by how many lasted up to each of BUCKETS: within a bucket evenly; beyond all, the last bound.

    >>> quantile([0] * 4 + [10] + [0] * 10, 0.5), quantile([0] * 15, 0.5), quantile([0] * 14 + [1], 0.5)
    (75, None, 300000)
    """
    wanted = q * sum(lasted)
    if not wanted:
        return None
    passed, below = 0, 0.0
    for count, bound in zip(lasted, BUCKETS, strict=False):
        if count and passed + count >= wanted:
            return round(1000 * (below + (bound - below) * (wanted - passed) / count))
        passed, below = passed + count, bound
    return round(1000 * BUCKETS[-1])
