"""Throughput and latency of each lane, each gateway and the BSS, by the minute and by ten minutes.

Kept for a day as counts that many processes add to: `<to>|<name>|calls`, `...|failed`, and `...|<n>`, the calls that
lasted up to the n-th of BUCKETS. A lane's latency is the lateness of its oldest effect, sampled once a second. No call
is shown as longer than its time-out.
"""

from collections.abc import Mapping, Sequence
from math import inf

from msgspec import Struct

from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.metrics import BUCKETS, clipped
from consent_engine.ports import Endpoint, Registry
from consent_engine.ports.endpoints import BSS, GATEWAY
from consent_engine.ports.registry import LANE, FlowStep

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


def flow_of(registry: Registry, span: str, targets: Sequence[Endpoint], call_ms: Millis) -> Flow:
    """Return the last hour or day: a series for each lane, each of these targets, and any other target called. call_ms:
    how long a call may last
    """
    step, count = SPANS[span]
    last = registry.now() // step.ms
    slots = registry.flow(step, last - count + 1, last)
    named = {Endpoint(LANE, lane.value) for lane in Lane} | set(targets) | {_target(name) for s in slots for name in s}
    known = sorted(named, key=lambda each: (_ORDER.index(each.to) if each.to in _ORDER else len(_ORDER), each.name))
    return Flow((last - count + 1) * step.ms, step.ms, [_series(target, slots, call_ms) for target in known])


def lately(registry: Registry, targets: Sequence[Endpoint], call_ms: Millis) -> list[Series]:
    """Return the series of these targets for the last LATELY minutes. call_ms: as in `flow_of`"""
    last = registry.now() // FlowStep.MINUTE.ms
    slots = registry.flow(FlowStep.MINUTE, last - LATELY + 1, last)
    return [_series(target, slots, call_ms) for target in targets]


def _target(name: str) -> Endpoint:
    to, of, _ = name.split("|")
    return Endpoint(to, of)


def _series(target: Endpoint, slots: Sequence[Mapping[str, int]], call_ms: Millis) -> Series:
    longest_s = inf if target.to == LANE else call_ms / 1000
    begin = f"{target.to}|{target.name}|"
    lasted = [[slot.get(f"{begin}{n}", 0) for n in range(len(BUCKETS) + 1)] for slot in slots]
    total = [sum(column) for column in zip(*lasted, strict=True)]
    return Series(
        target,
        [slot.get(f"{begin}calls", 0) for slot in slots],
        [slot.get(f"{begin}failed", 0) for slot in slots],
        [quantile(each, 0.5, longest_s) for each in lasted],
        [quantile(each, 0.95, longest_s) for each in lasted],
        quantile(total, 0.5, longest_s),
        quantile(total, 0.95, longest_s),
    )


def quantile(lasted: Sequence[int], q: float, longest_s: float = inf) -> int | None:
    """Return a quantile in ms of counts per bucket: linear within a bucket; beyond all, the last bound of BUCKETS.

    longest_s: no bucket reaches beyond it: a call that timed out lasted a moment longer, and not a bucket

    >>> quantile([0] * 4 + [10] + [0] * 10, 0.5), quantile([0] * 15, 0.5), quantile([0] * 14 + [1], 0.5)
    (75, None, 300000)
    >>> quantile([0] * 11 + [10] + [0] * 3, 0.95, longest_s=10)
    10000
    """
    wanted = q * sum(lasted)
    if not wanted:
        return None
    passed, below = 0, 0.0
    for count, bound in zip(lasted, clipped(longest_s), strict=False):
        if count and passed + count >= wanted:
            return round(1000 * (below + (bound - below) * (wanted - passed) / count))
        passed, below = passed + count, bound
    return round(1000 * below)
