"""What was counted of calls to subscribers, as metrics: how many, how many were recorded, what was wrong with them."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from consent_engine.domain.call.counted import Count, Row
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import CARRIERS


def of_dialled(days: Mapping[str, Sequence[Row]]) -> Iterator[Metric]:
    """Calls by the day they began on, and their carrier; agents are left out. Each from 0 on."""
    calls = GaugeMetricFamily(
        "consent_calls", "Calls by the day (in China) they began on, and what came of them",
        labels=("began", "carrier", "what"),
    )  # fmt: skip
    violations = GaugeMetricFamily(
        "consent_call_violations", "What was wrong with calls, by the day (in China) they began on",
        labels=("began", "carrier", "violation"),
    )  # fmt: skip
    for day, rows in days.items():
        for carrier in CARRIERS:
            ours = [row for row in rows if row.carrier == carrier]
            for what in Count:
                calls.add_metric((day, carrier, what.value), sum(row.counts.get(what, 0) for row in ours))
            for violation in Violation:
                found = sum(row.violations.get(violation, 0) for row in ours)
                violations.add_metric((day, carrier, violation.value), found)
    yield calls
    yield violations
