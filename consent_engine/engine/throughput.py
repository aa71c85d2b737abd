"""Throughput and latency of each lane, each gateway and the BSS, by the minute and by ten minutes.

Kept for a day as counts that many processes add to: `<to>|<name>|calls`, `...|failed`, and `...|<n>`, the calls that
lasted up to the n-th of BUCKETS. A lane's latency is the lateness of its oldest effect, sampled once a second.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.metrics import BUCKETS
from consent_engine.ports import Endpoint, Registry
from consent_engine.ports.endpoints import BSS, GATEWAY
from consent_engine.ports.pauses import LANE
from consent_engine.ports.registry import FlowStep

SPANS = {"hour": (FlowStep.MINUTE, 60), "day": (FlowStep.TEN_MINUTES, 144)}
LATELY = 5
"""The last minutes, which count as the present."""
_ORDER = (LANE, GATEWAY, BSS)


class Series(Struct, frozen=True):
    """The calls of one target. Lists have a number per step, oldest first; p50, p95: in ms, None without any call"""

    target: Endpoint
    calls: list[int]
    failed: list[int]
    p50: list[int | None]
    p95: list[int | None]
    all_p50: int | None
    all_p95: int | None


class Flow(Struct, frozen=True):
    """The calls of a period. since: when the first step began · step: length of each (ms)"""

    since: Millis
    step: Millis
    series: list[Series]


def flow_of(registry: Registry, span: str, targets: Sequence[Endpoint]) -> Flow:
    """Return the last hour or day: a series for each lane, each of these targets, and any other target called."""
    step, count = SPANS[span]
    last = registry.now() // step.ms
    slots = registry.flow(step, last - count + 1, last)
    named = {Endpoint(LANE, lane.value) for lane in Lane} | set(targets) | {_target(name) for s in slots for name in s}
    known = sorted(named, key=lambda each: (_ORDER.index(each.to) if each.to in _ORDER else len(_ORDER), each.name))
    return Flow((last - count + 1) * step.ms, step.ms, [_series(target, slots) for target in known])


def lately(registry: Registry, targets: Sequence[Endpoint]) -> list[Series]:
    """Return the series of these targets for the last LATELY minutes."""
    last = registry.now() // FlowStep.MINUTE.ms
    slots = registry.flow(FlowStep.MINUTE, last - LATELY + 1, last)
    return [_series(target, slots) for target in targets]


def _target(name: str) -> Endpoint:
    to, of, _ = name.split("|")
    return Endpoint(to, of)


def _series(target: Endpoint, slots: Sequence[Mapping[str, int]]) -> Series:
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
    """Return a quantile in ms of counts per bucket: linear within a bucket; beyond all, the last bound of BUCKETS.

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
