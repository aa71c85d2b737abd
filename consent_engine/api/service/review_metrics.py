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
from consent_engine.engine.pressure import WEEK, Over, PressureWatch
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Tally


class ReviewsSeen(Struct, frozen=True):
    """Reviews at one look. calls: pending and contested ones · archived: calls that left for the archive unheard ·
    orders: those whose activation waits for a review; None for both: SQL cannot be asked · pressing: how many agents
    seem to press, by the days looked at · ended_soon: services switched on in the last week and taken back within one
    """

    calls: Mapping[Verdict, Tally]
    archived: Tally | None
    orders: Tally | None
    pressing: Mapping[Over, int]
    ended_soon: int


def reviews_seen(engine: Engine, pressing: PressureWatch) -> ReviewsSeen:
    days = engine.terms.reporting.days
    today, pressed, soon = days.of(engine.registry.now()), dict[Over, int](), 0
    try:
        archived: Tally | None = engine.calls.archived_waiting()
        orders: Tally | None = engine.store.queries.restrictions.tally(Kind.REVIEW)
        soon = engine.store.queries.orders.ended_soon(days.begins(later(today, 1 - WEEK)), days.ends(today))
        pressed = pressing.look(engine.store.queries.orders, days, today)
    except StoreUnavailable:  # consent_archive_up reports it
        archived = orders = None
    return ReviewsSeen(engine.lists.waiting_for_review(), archived, orders, pressed, soon)


def of_reviews(seen: ReviewsSeen, now: Millis) -> Iterator[Metric]:
    """Calls and orders that wait for a review, agents that seem to press, services taken back within a week."""
    calls, of = [((verdict.value,), tally) for verdict, tally in seen.calls.items()], ("verdict",)
    told = "Recorded calls in the store that wait for a reviewer"
    yield gauge("consent_reviews_waiting", told, of, ((name, tally.count) for name, tally in calls))
    told = "How long ago the oldest waiting call ended"
    yield gauge("consent_reviews_oldest_seconds", told, of, ((name, age(tally, now)) for name, tally in calls))
    if (left := seen.archived) is not None:
        told = "Recorded calls that were archived unheard; 10,000: so many or more"
        yield GaugeMetricFamily("consent_reviews_archived", told, value=left.count)
        told = "How long ago the oldest unheard archived call ended"
        yield GaugeMetricFamily("consent_reviews_archived_oldest_seconds", told, value=age(left, now))
    if seen.orders is not None:
        told = "Orders whose activation waits for a review"
        yield GaugeMetricFamily("consent_orders_in_review", told, value=seen.orders.count)
        told = "How long the oldest order in review has waited"
        yield GaugeMetricFamily("consent_orders_in_review_oldest_seconds", told, value=age(seen.orders, now))
    told = "Agents that seem to press: too many orders end in refusals, suspect yeses, failed reviews or within a week"
    yield gauge("consent_agents_pressing", told, ("over",), (((over.value,), n) for over, n in seen.pressing.items()))
    told = "Services switched on in the last seven days, today included, that were taken back within a week"
    yield GaugeMetricFamily("consent_services_ended_within_week", told, value=seen.ended_soon)
