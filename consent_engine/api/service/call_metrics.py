"""What was counted of calls to subscribers, as metrics: how many, how many were recorded, what was wrong with them."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from consent_engine.domain.call.counted import Count, sum_of
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import CARRIERS


def of_dialled(days: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
    """Calls by the day they began on, and their carrier, from a day's sums; agents are left out. Each from 0 on."""
    calls = GaugeMetricFamily(
        "consent_calls", "Calls by the day (in China) they began on, and what came of them",
        labels=("began", "carrier", "what"),
    )  # fmt: skip
    violations = GaugeMetricFamily(
        "consent_call_violations", "What was wrong with calls, by the day (in China) they began on",
        labels=("began", "carrier", "violation"),
    )  # fmt: skip
    for day, sums in days.items():
        for carrier in CARRIERS:
            for what in Count:
                calls.add_metric((day, carrier, what.value), sums.get(sum_of(what, carrier), 0))
            for violation in Violation:
                violations.add_metric((day, carrier, violation.value), sums.get(sum_of(violation, carrier), 0))
    yield calls
    yield violations
