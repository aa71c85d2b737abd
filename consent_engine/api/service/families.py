"""Families of metrics: a name, what it tells, and a value for each of its labels."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from consent_engine.domain.effects import Millis
from consent_engine.ports import Tally, Waiting

Rows = Iterable[tuple[Sequence[str], float]]
"""Each with the values of the labels."""


def gauge(name: str, told: str, labels: Sequence[str], rows: Rows) -> Metric:
    """What stands so now."""
    made = GaugeMetricFamily(name, told, labels=labels)
    for row in rows:
        made.add_metric(*row)
    return made


def counter(name: str, told: str, labels: Sequence[str], rows: Rows) -> Metric:
    """What only grows."""
    made = CounterMetricFamily(name, told, labels=labels)
    for row in rows:
        made.add_metric(*row)
    return made


def age(tally: Tally | Waiting, now: Millis) -> float:
    """For how many seconds the oldest has waited; 0 where there is none."""
    return max(0, (now - tally.oldest) / 1000) if tally.count else 0
