"""What workers measured of outside calls, as metrics."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from consent_engine.api.service import door_look_up
from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.counters import (
    BEYOND,
    BUCKETS,
    CALL_SECONDS,
    CALLS,
    NOTIFIED_SECONDS,
    OUTCOMES,
    PROMPT_S,
    UNASKED,
)
from consent_engine.engine.outside_health import FEW_CALLS, Health
from consent_engine.ports import Target
from consent_engine.ports.pauses import LANE
from consent_engine.ports.targets import GATEWAY

_LATE = (*(str(bound) for bound in BUCKETS if bound > PROMPT_S), BEYOND)


def of_calls(counted: Mapping[str, float], health: Sequence[Health] = ()) -> Iterator[Metric]:
    """Calls by gateway or BSS and by outcome, how long they took, and how soon after an activation its notification was
    handed over."""
    calls = CounterMetricFamily(
        "consent_outside_calls", "Calls to gateways and BSS that ended", labels=("to", "outcome", "name")
    )
    # Each from 0 on: a rate does not see the first of a series.
    ended = {(each.target.to, outcome, each.target.name): 0.0 for each in health for outcome in OUTCOMES}
    for name, count in counted.items():
        kind, *labels = name.split("|")
        if kind == CALLS:
            to, outcome, *of = labels
            ended[to, outcome, of[0] if of else ""] = count
    for key, count in sorted(ended.items()):
        calls.add_metric(key, count)
    yield calls
    lasted = HistogramMetricFamily("consent_outside_call_duration_seconds", "How long they took", labels=("to",))
    for to in sorted({name.split("|")[1] for name in counted if name.startswith(f"{CALL_SECONDS}|")}):
        lasted.add_metric((to,), *_histogram(counted, f"{CALL_SECONDS}|{to}"))
    yield lasted
    told = HistogramMetricFamily(
        "consent_notification_delay_seconds", "From activation to the notification's hand-over"
    )
    told.add_metric((), *_histogram(counted, f"{NOTIFIED_SECONDS}|"))
    yield told
    late = sum(counted.get(f"{NOTIFIED_SECONDS}||{bound}", 0) for bound in _LATE)
    yield CounterMetricFamily(
        "consent_notifications_late", "Notifications handed over later than 5 minutes after the activation", value=late
    )
    unasked = "Orders that expired before their question could be handed over"
    yield CounterMetricFamily("consent_orders_expired_unasked", unasked, value=counted.get(UNASKED, 0))


def of_look_ups(counted: Mapping[str, int]) -> Metric:
    """How the door's questions to the BSS ended: each from 0 on."""
    told = "Orders whose number the door asked the BSS about, or was not to wait for; unanswered and unasked are taken"
    counter = CounterMetricFamily("consent_door_look_ups", told, labels=("outcome",))
    for outcome in door_look_up.OUTCOMES:
        counter.add_metric((outcome,), counted.get(outcome, 0))
    return counter


def of_outside(health: Sequence[Health]) -> Iterator[Metric]:
    """How each gateway and the BSS is."""
    labels = ("to", "name")
    last = GaugeMetricFamily(
        "consent_outside_last_success_timestamp_seconds", "When it last took something; 0: never", labels=labels
    )
    failing = GaugeMetricFamily(
        "consent_outside_failing_seconds", "For how long it has not answered at all; 0: it does", labels=labels
    )
    share = GaugeMetricFamily(
        "consent_outside_failed_ratio", "Share of calls of the last minutes that nobody answered", labels=labels
    )
    for each in health:
        last.add_metric(each.target, each.accepted / 1000)
        failing.add_metric(each.target, each.failing / 1000)
        share.add_metric(each.target, each.failed_share if each.calls >= FEW_CALLS else 0)
    yield from (last, failing, share)


def of_paused(paused: Mapping[Target, Millis], health: Sequence[Health], now: Millis) -> Metric:
    """For how long a person has stopped a lane or a gateway; each from 0 on."""
    told = "For how long a person has stopped this lane or gateway; 0: it goes on"
    known = [Target(LANE, lane.value) for lane in Lane] + [e.target for e in health if e.target.to == GATEWAY]
    gauge = GaugeMetricFamily("consent_paused_seconds", told, labels=("to", "name"))
    for target in sorted({*known, *paused}):
        gauge.add_metric(target, max(0, now - paused.get(target, now)) / 1000)
    return gauge


def _histogram(counted: Mapping[str, float], name: str) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets, and the sum."""
    buckets, total = [], 0.0
    for bound in (*map(str, BUCKETS), BEYOND):
        total += counted.get(f"{name}|{bound}", 0)
        buckets.append((bound, total))
    return buckets, counted.get(f"{name}|sum", 0.0)
