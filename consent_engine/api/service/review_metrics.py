"""What waits for a reviewer, as metrics: calls nobody has heard, second looks, and the orders that wait for them."""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from prometheus_client.core import GaugeMetricFamily, Metric

from consent_engine.domain.call.review import Verdict
from consent_engine.domain.days import later
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.engine import Engine
from consent_engine.ports import Tally

WEEK = 7
"""How many days of activations the metric of endings covers."""


class ReviewsSeen(Struct, frozen=True):
    """calls: those that are pending, and contested · orders: whose activation waits for a review · pressing: how many
    agents seem to press · ended_soon: services of the last week that were taken back within one
    """

    calls: Mapping[Verdict, Tally]
    orders: Tally
    pressing: int
    ended_soon: int


def reviews_seen(engine: Engine) -> ReviewsSeen:
    """What waits now."""
    today = engine.terms.reporting.days.of(engine.registry.now())
    pressing = sum(each.presses for each in engine.calls.pressure([today], "agent"))
    soon = engine.lists.ended_soon([later(today, -n) for n in range(WEEK)])
    return ReviewsSeen(engine.lists.waiting_for_review(), engine.lists.tally(Kind.REVIEW), pressing, soon)


def of_reviews(seen: ReviewsSeen, now: Millis) -> Iterator[Metric]:
    """How many wait, and for how long the oldest does."""
    waits = GaugeMetricFamily(
        "consent_reviews_waiting", "Recorded calls in the store that a reviewer is to hear", labels=("verdict",)
    )
    oldest = GaugeMetricFamily(
        "consent_reviews_oldest_seconds", "How long ago the oldest of them ended", labels=("verdict",)
    )
    for verdict, tally in seen.calls.items():
        waits.add_metric((verdict.value,), tally.count)
        oldest.add_metric((verdict.value,), _age(tally, now))
    yield waits
    yield oldest
    yield GaugeMetricFamily(
        "consent_orders_in_review", "Orders whose activation waits for a review", value=seen.orders.count
    )
    yield GaugeMetricFamily(
        "consent_orders_in_review_oldest_seconds",
        "How long the oldest of them has waited",
        value=_age(seen.orders, now),
    )
    told = "Agents whose orders of today end so often in refusals, suspect answers or failed reviews that they press"
    yield GaugeMetricFamily("consent_agents_pressing", told, value=seen.pressing)
    told = "Services switched on in the last seven days, today with them, that were taken back within a week"
    yield GaugeMetricFamily("consent_services_ended_within_week", told, value=seen.ended_soon)


def _age(tally: Tally, now: Millis) -> float:
    return max(0, (now - tally.oldest) / 1000) if tally.count else 0
