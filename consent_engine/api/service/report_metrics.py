"""Metrics of reports of calls: how many are undecided, and how many of these are overdue."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from consent_engine.api.service.families import gauge
from consent_engine.ports import OpenReports


def of_codes(asked: int, most: int) -> Iterator[Metric]:
    """Codes of the public door that were requested this hour, and the most that are sent in an hour."""
    text = "Codes requested this hour at the public door of reports, over all numbers"
    yield GaugeMetricFamily("consent_report_codes_hour", text, value=asked)
    yield GaugeMetricFamily("consent_report_codes_most", "The most such codes sent in an hour", value=most)


def of_reports(waiting: Sequence[OpenReports]) -> Iterator[Metric]:
    """Undecided reports by their door and proposed class; every series from 0 on."""
    labels, text = ("door", "class"), "Reports of calls that are not decided"
    named = [((each.door.value, each.proposed.value), each) for each in waiting]
    yield gauge("consent_reports_open", text, labels, ((names, each.open) for names, each in named))
    text = "Undecided reports whose answer is overdue"
    yield gauge("consent_reports_overdue", text, labels, ((names, each.overdue) for names, each in named))
