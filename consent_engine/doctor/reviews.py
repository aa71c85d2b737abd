"""Checks of call reviews: the calls that wait for a reviewer, and since when."""

from collections.abc import Iterator, Mapping

from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import Millis
from consent_engine.ports import Tally

HOUR_MS = 3_600_000
ORDERS_WAIT_MS = 4 * HOUR_MS
"""How long orders with a yes may wait for a review."""
CALLS_WAIT_MS = 24 * HOUR_MS
"""How long a call may wait unheard."""
REVIEW = "ask the reviewers: GET /v1/reviews, oldest first"


def reviews(
    orders: Tally, calls: Mapping[Verdict, Tally], now: Millis, *, review_first: bool = True
) -> Iterator[Finding]:
    """Check orders that wait for a review, calls without a review, and failed ones that wait for a second look.

    review_first: CONSENT_REVIEW is `before`; if not, orders that still wait are from the time when it was
    """
    if orders.count:
        said = f"{orders.count} orders wait for the review of their call, the oldest for {_hours(orders, now)}"
        yield (
            bad(said, REVIEW if review_first else f"{REVIEW}; consent reviews waiting")
            if now - orders.oldest > ORDERS_WAIT_MS
            else good(said)
        )
    pending, contested = calls[Verdict.PENDING], calls[Verdict.CONTESTED]
    if pending.count:
        said = f"{pending.count} recorded calls were heard by nobody, the oldest ended {_hours(pending, now)} ago"
        yield warn(said, REVIEW) if now - pending.oldest > CALLS_WAIT_MS else good(said)
    if contested.count:
        said = f"{contested.count} failed reviews wait for a second look: after a day without one the failure stands"
        yield warn(said, f"{REVIEW}, verdict=contested")


def _hours(tally: Tally, now: Millis) -> str:
    return f"{max(0, now - tally.oldest) / HOUR_MS:.1f} h"
