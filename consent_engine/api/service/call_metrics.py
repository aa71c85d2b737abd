"""What workers measured of outside calls, as metrics."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from consent_engine.engine.counters import BEYOND, BUCKETS, CALL_SECONDS, CALLS, NOTIFIED_SECONDS


def of_calls(counted: Mapping[str, float]) -> Iterator[Metric]:
    """Calls by whom they went to and how they ended, how long they took, and how soon a subscriber was told."""
    calls = CounterMetricFamily(
        "consent_outside_calls", "Calls to gateways and BSS that ended", labels=("to", "outcome")
    )
    for name, count in sorted(counted.items()):
        kind, *labels = name.split("|")
        if kind == CALLS:
            calls.add_metric(labels, count)
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


def _histogram(counted: Mapping[str, float], name: str) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets, and the sum."""
    buckets, total = [], 0.0
    for bound in (*map(str, BUCKETS), BEYOND):
        total += counted.get(f"{name}|{bound}", 0)
        buckets.append((bound, total))
    return buckets, counted.get(f"{name}|sum", 0.0)
