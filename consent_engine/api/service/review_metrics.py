"""Metrics of waiting reviews: calls that nobody has heard, second looks, and the orders that wait for them."""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from prometheus_client.core import GaugeMetricFamily, Metric

from consent_engine.api.service.families import age, gauge
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.days import later
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.engine import Engine
from consent_engine.engine.sales_outcomes import WEEK, Over, PressureWatch
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Tally


class ReviewsSeen(Struct, frozen=True):
    """Reviews at one look. calls: pending and contested ones · orders: those whose activation waits for a review ·
    pressing: how many agents seem to press, by the days looked at · ended_soon: services switched on in the last week
    and taken back within a week
    """

    calls: Mapping[Verdict, Tally]
    orders: Tally
    pressing: Mapping[Over, int]
    ended_soon: int


def reviews_seen(engine: Engine, pressing: PressureWatch) -> ReviewsSeen | None:
    """Return the figures of reviews; None while SQL cannot be asked."""
    days = engine.terms.reporting.days
    today, ask = days.of(engine.registry.now()), engine.store.queries
    try:
        soon = ask.orders.ended_soon(days.begins(later(today, 1 - WEEK)), days.ends(today))
        pressed = pressing.look(ask.orders, days, today)
        return ReviewsSeen(ask.calls.waiting(), ask.restrictions.tally(Kind.REVIEW), pressed, soon)
    except ArchiveUnavailable:  # consent_archive_up reports it
        return None


def of_reviews(seen: ReviewsSeen, now: Millis) -> Iterator[Metric]:
    """Calls and orders that wait for a review, agents that seem to press, services taken back within a week."""
    calls, of = [((verdict.value,), tally) for verdict, tally in seen.calls.items()], ("verdict",)
    text = "Recorded calls that wait for a reviewer"
    yield gauge("consent_reviews_waiting", text, of, ((name, tally.count) for name, tally in calls))
    text = "How long ago the oldest waiting call ended"
    yield gauge("consent_reviews_oldest_seconds", text, of, ((name, age(tally, now)) for name, tally in calls))
    text = "Orders whose activation waits for a review"
    yield GaugeMetricFamily("consent_orders_in_review", text, value=seen.orders.count)
    text = "How long the oldest order in review has waited"
    yield GaugeMetricFamily("consent_orders_in_review_oldest_seconds", text, value=age(seen.orders, now))
    text = "Agents that seem to press: too many orders end in refusals, suspect yeses, failed reviews or within a week"
    yield gauge("consent_agents_pressing", text, ("over",), (((over.value,), n) for over, n in seen.pressing.items()))
    text = "Services switched on in the last seven days, today included, that were taken back within a week"
    yield GaugeMetricFamily("consent_services_ended_within_week", text, value=seen.ended_soon)
