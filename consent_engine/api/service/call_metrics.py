"""Metrics of calls to subscribers: how many there were, how many were recorded, and their violations."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from consent_engine.api.service.families import Rows, gauge
from consent_engine.domain.call.call_counters import Count, Summed
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import CARRIERS


def of_dialled(days: Mapping[str, Summed]) -> Iterator[Metric]:
    """Calls by carrier and the day they began on, from each day's sums; every series from 0 on."""

    def by(kinds: type[Count | Violation]) -> Rows:
        for day, sums in days.items():
            for carrier in CARRIERS:
                yield from (((day, carrier, each.value), sums[carrier, each]) for each in kinds)

    text = "Calls by the day (in China) they began on, and what happened to them"
    yield gauge("consent_calls", text, ("began", "carrier", "what"), by(Count))
    text = "Violations of calls, by the day (in China) the calls began on"
    yield gauge("consent_call_violations", text, ("began", "carrier", "violation"), by(Violation))
