"""Families of metrics: a name, a description, and a value for each combination of labels; by subject."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from consent_engine.domain.effects import Millis
from consent_engine.ports import Tally

Rows = Iterable[tuple[Sequence[str], float]]
"""Rows of a family: the values of its labels, and the metric's value."""


def gauge(name: str, text: str, labels: Sequence[str], rows: Rows) -> Metric:
    """Make a gauge: values that may rise and fall."""
    made = GaugeMetricFamily(name, text, labels=labels)
    for row in rows:
        made.add_metric(*row)
    return made


def counter(name: str, text: str, labels: Sequence[str], rows: Rows) -> Metric:
    """Make a counter: values that only grow."""
    made = CounterMetricFamily(name, text, labels=labels)
    for row in rows:
        made.add_metric(*row)
    return made


def age(tally: Tally, now: Millis) -> float:
    """Return for how many seconds the oldest has waited; 0 where there is none."""
    return max(0, (now - tally.oldest) / 1000) if tally.count else 0
