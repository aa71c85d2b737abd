"""Measurements of outside calls and lanes: counters that Prometheus reads from each worker; and the throughput and
the health of gateways and BSS, to which all workers add.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, reduce
from itertools import chain, product
from math import inf
from threading import Lock
from time import monotonic
from typing import NamedTuple

import prometheus_client
from msgspec import Struct
from prometheus_client import CollectorRegistry, Histogram

from consent_engine.domain.call.sales_figures import Wronged, pressing, wronged_by_agent
from consent_engine.domain.days import Days, later
from consent_engine.domain.effects import (
    Accepted,
    Lane,
    Millis,
    Outcome,
    Rejected,
    Throttled,
    Unavailable,
    Uncertain,
    Untaken,
)
from consent_engine.ports import Endpoint, Outside, Registry
from consent_engine.ports.queries import OrderQueries
from consent_engine.ports.registry import AWAY_AFTER_MS, BSS, GATEWAY, HALF_MS, LANE, EndpointKnown, FlowStep

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
PROMPT_S = 300.0
"""Longest delay of a prompt notification after the activation, in seconds."""
UNANSWERED_MS = 2_000
"""How long a call goes on before all hear that it has no answer: few begin before it is known that a gateway hangs."""
MOST_HEARD, MOST_STALE = 1_000, 5
"""Most calls to a target that are reported at a time, and how often that is tried where other processes come first."""
_WORDS = {kind: kind.__name__.lower() for kind in (Accepted, Rejected, Throttled, Unavailable, Uncertain, Untaken)}
_FAILED = frozenset({Unavailable, Uncertain})
OUTCOMES = tuple(_WORDS.values())
# Without this, every series gets another one that says when it began.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # untyped in the library


def clipped(longest_s: float) -> list[float]:
    """Return the upper bounds of BUCKETS for what lasts so long at most, by its time-out."""
    return [min(bound, longest_s) for bound in BUCKETS]


class _Heard(NamedTuple):
    """A call, as EndpointKnown.after takes it."""

    outcome: Outcome | None
    at: Millis
    lasted: Millis
    lost: bool


def _after(known: EndpointKnown, call: _Heard) -> EndpointKnown:
    return known.after(call.outcome, call.at, call.lasted, lost=call.lost)


class Measures:
    """The measurements of one process. registry: those that Prometheus reads; others are kept until they are reported ·
    targets: their series are there before the first call ends · longest_s: how long a call may last
    """

    def __init__(self, targets: Iterable[Endpoint] = (), longest_s: float = inf) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> prometheus_client.Counter:
            return prometheus_client.Counter(name, text, labels, registry=self.registry)

        ended = counter("consent_outside_calls", "Calls to gateways and BSS that ended", "to", "outcome", "name")
        self._ended = cache(ended.labels)
        lasted = Histogram(
            "consent_outside_call_duration_seconds", "Duration of outside calls", ("to",),
            buckets=sorted({*clipped(longest_s)}), registry=self.registry,
        )  # fmt: skip
        self._lasted = cache(lasted.labels)
        text = "From activation to the notification's hand-over"
        self._delay = Histogram("consent_notification_delay_seconds", text, buckets=BUCKETS, registry=self.registry)
        text = "Notifications handed over later than 5 minutes after the activation"
        self._late = counter("consent_notifications_late", text)
        text = "Orders that expired before their question could be handed over"
        self._unasked = counter("consent_orders_expired_unasked", text)
        for target, outcome in product(targets, OUTCOMES):  # a rate does not see the first increment of a new series
            self._ended(target.to, outcome, target.name)
            self._lasted(target.to)
        self._heard: dict[Endpoint, deque[_Heard]] = {}
        self._under_way: dict[int, tuple[Endpoint, Millis]] = {}
        self._begun = 0
        self._flow: Counter[str] = Counter()

    def begins(self, target: Endpoint, at: Millis) -> int:
        """Note an outside call that begins at `at`; return its number. A long one is reported before its end."""
        self._begun += 1
        self._under_way[self._begun] = target, at
        return self._begun

    def over(self, number: int) -> bool:
        """Note the end of a call; return whether it was not yet reported as a long one."""
        return self._under_way.pop(number, None) is not None

    def called(self, target: Endpoint, outcome: Outcome, seconds: float, at: Millis, *, lost: bool = True) -> None:
        """Count an outside call that ended at `at`. lost: as in EndpointKnown.after"""
        self._ended(target.to, _WORDS[type(outcome)], target.name).inc()
        self._lasted(target.to).observe(seconds)
        self._heard.setdefault(target, deque(maxlen=MOST_HEARD)).append(_Heard(outcome, at, int(seconds * 1000), lost))
        place = f"{target.to}|{target.name}|"
        self._flow[f"{place}calls"] += 1
        self._flow[f"{place}{bisect_left(BUCKETS, seconds)}"] += 1
        if type(outcome) in _FAILED:
            self._flow[f"{place}failed"] += 1

    def performed(self, lane: Lane, count: int) -> None:
        self._flow[f"lane|{lane}|calls"] += count

    def late(self, lane: Lane, seconds: float) -> None:
        """Count how late the oldest due effect of a lane is; sampled once a second."""
        self._flow[f"lane|{lane}|{bisect_left(BUCKETS, seconds)}"] += 1

    def unasked(self) -> None:
        """Count an order that expired before its question could be handed over."""
        self._unasked.inc()

    def notified(self, seconds: float) -> None:
        """Count a notification that was handed over this many seconds after its activation."""
        self._delay.observe(seconds)
        if seconds > PROMPT_S:
            self._late.inc()

    def report(self, registry: Registry) -> None:
        """Add throughput and results of targets since the last report to those of all processes. Raises
        StoreUnavailable: then they are lost.
        """
        (heard, self._heard), (flow, self._flow) = (self._heard, {}), (self._flow, Counter())
        if flow:
            registry.count(flow)
        now = registry.now() if self._under_way else 0
        for number, (target, began) in list(self._under_way.items()):
            if now - began >= UNANSWERED_MS and self.over(number):
                heard.setdefault(target, deque()).append(_Heard(None, now, now - began, lost=True))
        for target, calls in heard.items():
            for _ in range(MOST_STALE):
                was = registry.known().get(target, EndpointKnown())
                if registry.know(target, was, reduce(_after, calls, was)):
                    break


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
    """The health of a target now."""

    target: Endpoint
    known: EndpointKnown
    now: Millis

    @property
    def troubled(self) -> Millis:
        """Since when calls have failed and none was answered, even without an outage; 0: the last one was answered, or
        none was made for long.
        """
        known = self.known
        fails = min(known.failed, known.since) > known.answered and self.now - known.failed <= ASKED_WITHIN_MS
        return known.since if fails else 0

    @property
    def failing(self) -> Millis:
        """How long no call has been answered (ms), 0 while calls are answered."""
        return max(1, self.now - self.troubled) if self.troubled and self.known.lost >= LEAST_LOST else 0

    @property
    def refusing(self) -> bool:
        """Whether it refuses our account, and has taken nothing since."""
        return self.failing > 0 and self.known.refused > self.known.answered

    @property
    def is_down(self) -> bool:
        """Whether this is an outage: our account is refused, or it has lasted long enough; and it goes on."""
        return self.refusing or self.failing >= DOWN_AFTER_MS

    @property
    def is_away(self) -> bool:
        """Whether only a call now and then shall try it: it refuses our account, or has not answered for a while."""
        return self.failing >= AWAY_AFTER_MS or self.refusing

    @property
    def late(self) -> Millis:
        """How late what waits for it can be (ms): nothing could begin while it was away."""
        return 0 if self.is_away else self.now - self.known.returned

    @property
    def calls(self) -> float:
        """How many calls ended lately, weighted by their age."""
        half_lives = max(0, self.now - self.known.at) / HALF_MS
        return float(self.known.calls * 0.5**half_lives)

    @property
    def failed_share(self) -> float:
        return self.known.failures / self.known.calls if self.known.calls else 0

    @property
    def words(self) -> str:
        return f"{'the BSS' if self.target.to == BSS else self.target.to} {self.target.name}"


def targets_of(outside: Outside) -> list[Endpoint]:
    """Return the targets that an engine calls."""
    gateways = [Endpoint(GATEWAY, name) for name in sorted({*chain(*outside.routes.values())})]
    asked = [each.name for each in (outside.bss, outside.subscribers) if each is not None]
    return gateways + [Endpoint(BSS, name) for name in asked]


def gateways_away(registry: Registry, outside: Outside) -> dict[str, Millis]:
    """Return the gateways that are away, by name, and for how long (ms). Raises StoreUnavailable."""
    health = health_of(registry, targets_of(outside), registry.now())
    return {each.target.name: each.failing for each in health if each.target.to == GATEWAY and each.is_away}


def latest(
    health: Iterable[Health], routes: Mapping[str, Iterable[str]], paused: Container[Endpoint]
) -> dict[str, Millis | None]:
    """Return how late the SMS of each carrier can be (ms); None where all its gateways are paused. routes: these"""
    late = {each.target.name: each.late for each in health if each.target.to == GATEWAY and each.target not in paused}
    return {of: max((late[name] for name in names if name in late), default=None) for of, names in routes.items()}


def health_of(registry: Registry, targets: Iterable[Endpoint], now: Millis) -> list[Health]:
    """Return the health of each of these targets. One that was never called is healthy. Raises StoreUnavailable."""
    known = registry.known()
    return [Health(target, known.get(target, EndpointKnown()), now) for target in targets]


WEEK = 7
TODAY_S = 300.0
BEFORE_S = 3600.0
"""How old the counts of today, and of an earlier day, may be: then they are read again, one day a look."""


class Over(StrEnum):
    """The periods whose days are counted together."""

    TODAY = "today"
    WEEK = "week"
    """The last seven days, today with them."""
    WEEK_BEFORE = "week_before"
    """The seven days before: services of these that are taken back within a week are known, but for the last hours."""


class PressureWatch:
    """How many agents seem to press subscribers, over two weeks; for all threads of a process.

    A day of 8,000 agents is some 100,000 counts, so one day is read at a look. The outcome of today's orders is known
    within minutes; a service is taken back days later, so a week is read again when no more of that can come.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Mapping[str, Wronged]]] = {}
        self._looking = Lock()

    def look(self, orders: OrderQueries, days_of: Days, today: str) -> dict[Over, int]:
        """Return how many agents seem to press; this reads one day at most. Periods with a day that is not read yet
        are left out: some minutes after a start all are there. Raises ArchiveUnavailable.
        """
        days = [later(today, -n) for n in range(2 * WEEK)]
        with self._looking:
            self._known = {day: known for day, known in self._known.items() if day in days}
            if day := self._due(days):
                self._known[day] = monotonic(), wronged_by_agent(orders.sold(days_of.begins(day), days_of.ends(day)))
            spans = {Over.TODAY: days[:1], Over.WEEK: days[:WEEK], Over.WEEK_BEFORE: days[WEEK:]}
            return {
                over: pressing(self._known[day][1] for day in span)
                for over, span in spans.items()
                if self._known.keys() >= set(span)
            }

    def _due(self, days: Sequence[str]) -> str:
        """Return the day to be read now; '' for none. Today comes first, then unknown days, then the oldest reading."""
        now = monotonic()
        today = days[0]
        if today not in self._known or now - self._known[today][0] >= TODAY_S:
            return today
        if unknown := [day for day in days if day not in self._known]:
            return unknown[0]
        read_at, oldest = min((self._known[day][0], day) for day in days[1:])
        return oldest if now - read_at >= BEFORE_S else ""
