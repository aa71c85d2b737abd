"""Metrics of outside calls, as workers measured them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from consent_engine.api.service import door_look_up
from consent_engine.api.service.families import counter, gauge
from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.metrics import (
    BEYOND,
    BUCKETS,
    CALL_SECONDS,
    CALLS,
    NOTIFIED_SECONDS,
    OUTCOMES,
    PROMPT_S,
    UNASKED,
    clipped,
)
from consent_engine.engine.outside_health import FEW_CALLS, Health
from consent_engine.ports import Endpoint
from consent_engine.ports.endpoints import GATEWAY
from consent_engine.ports.pauses import LANE

_OF_OUTSIDE: tuple[tuple[str, str, Callable[[Health], float]], ...] = (
    ("last_success_timestamp_seconds", "When it last accepted something; 0: never", lambda one: one.accepted / 1000),
    ("failing_seconds", "For how long it has not answered at all; 0: it answers", lambda one: one.failing / 1000),
    (
        "refusing_seconds", "For how long it has refused our account (401, 403); 0: it does not",
        lambda one: one.failing / 1000 if one.refusing else 0,
    ),
    (
        "failed_ratio", "Share of calls in the last minutes that got no answer",
        lambda one: one.failed_share if one.calls >= FEW_CALLS else 0,
    ),
)  # fmt: skip
_LATE = (*(str(bound) for bound in BUCKETS if bound > PROMPT_S), BEYOND)


def of_calls(counted: Mapping[str, float], health: Sequence[Health] = (), longest_s: float = inf) -> Iterator[Metric]:
    """Calls by gateway or BSS and by outcome, their durations, and the time from an activation to the hand-over of its
    notification. longest_s: how long a call may last; one that timed out lasted so long, and no bucket lies beyond
    """
    # Every series from 0 on: a rate does not see the first increment of a new series.
    ended = {(each.target.to, outcome, each.target.name): 0.0 for each in health for outcome in OUTCOMES}
    for name, count in counted.items():
        kind, *labels = name.split("|")
        if kind == CALLS:
            to, outcome, target = labels
            ended[to, outcome, target] = count
    text = "Calls to gateways and BSS that ended"
    yield counter("consent_outside_calls", text, ("to", "outcome", "name"), sorted(ended.items()))
    lasted = HistogramMetricFamily("consent_outside_call_duration_seconds", "Duration of outside calls", labels=("to",))
    for to in sorted({name.split("|")[1] for name in counted if name.startswith(f"{CALL_SECONDS}|")}):
        lasted.add_metric((to,), *_histogram(counted, f"{CALL_SECONDS}|{to}", longest_s))
    yield lasted
    text = "From activation to the notification's hand-over"
    delay = HistogramMetricFamily("consent_notification_delay_seconds", text)
    delay.add_metric((), *_histogram(counted, f"{NOTIFIED_SECONDS}|"))
    yield delay
    late = sum(counted.get(f"{NOTIFIED_SECONDS}||{bound}", 0) for bound in _LATE)
    yield CounterMetricFamily(
        "consent_notifications_late", "Notifications handed over later than 5 minutes after the activation", value=late
    )
    unasked = "Orders that expired before their question could be handed over"
    yield CounterMetricFamily("consent_orders_expired_unasked", unasked, value=counted.get(UNASKED, 0))


def of_look_ups(counted: Mapping[str, int]) -> Metric:
    """Outcomes of the door's look-ups at the BSS; every series from 0 on."""
    text = "Orders by how the BSS look-up of their number ended at the door; unanswered and unasked ones are taken"
    rows = (((outcome,), counted.get(outcome, 0)) for outcome in door_look_up.OUTCOMES)
    return counter("consent_door_look_ups", text, ("outcome",), rows)


def of_outside(health: Sequence[Health]) -> Iterator[Metric]:
    for name, text, value in _OF_OUTSIDE:
        yield gauge(f"consent_outside_{name}", text, ("to", "name"), ((each.target, value(each)) for each in health))


def of_paused(paused: Mapping[Endpoint, Millis], health: Sequence[Health], now: Millis) -> Metric:
    """For how long a person has stopped each lane or gateway; every series from 0 on."""
    text = "For how long a person has stopped this lane or gateway; 0: it is running"
    known = [Endpoint(LANE, lane.value) for lane in Lane] + [e.target for e in health if e.target.to == GATEWAY]
    rows = ((target, max(0, now - paused.get(target, now)) / 1000) for target in sorted({*known, *paused}))
    return gauge("consent_paused_seconds", text, ("to", "name"), rows)


def _histogram(
    counted: Mapping[str, float], name: str, longest_s: float = inf
) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets, and the sum."""
    buckets, total = dict[str, float](), 0.0
    for bound, shown in zip((*BUCKETS, BEYOND), (*clipped(longest_s), BEYOND), strict=True):
        total += counted.get(f"{name}|{bound}", 0)
        buckets[str(shown)] = total
    return list(buckets.items()), counted.get(f"{name}|sum", 0.0)
