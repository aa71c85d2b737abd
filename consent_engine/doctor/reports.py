"""Checks of reports and of reviews: overdue answers, whether the calendar knows the days that they are due on; calls
and orders that wait for a reviewer.
"""

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from consent_engine.config.yaml_files import bundled
from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.call.report import ANSWERED_IN, OWN_DAYS, TOLD_IN, Report, ReportState, ReportTerms, Reward
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.days import DAY_MS, later
from consent_engine.domain.effects import Millis
from consent_engine.ports import OpenReports, ReportFilter, Store, Tally
from consent_engine.ports.queries import NOTHING, Position

AHEAD = max(60, 2 * (ANSWERED_IN + TOLD_IN))
"""How many days ahead the calendar must reach. Reports of today are due no later; the State Council announces next
year's days in November, which leaves time to add them.
"""
PIECE = 200
MOST_LOOKED_AT = 20_000
"""Most decided reports of each reward that are looked at: those whose reward is not over."""


def reports(store: Store, terms: ReportTerms, now: Millis) -> Iterator[Finding]:
    """Check for overdue reports, for promised rewards that were forgotten, and for a calendar that ends too soon.
    store: without its queries where SQL cannot be asked
    """
    if store.queries is not NOTHING:
        yield from _overdue(store.queries.reports.waiting(now))
        yield from _promised(store, now)
    until = later(terms.days.of(now), AHEAD)
    if not terms.calendar.knows(until):
        yield warn(
            f"the calendar says nothing of {until[:4]}: due dates then skip weekends, but not holidays",
            f"copy {quote(str(bundled()))}, add the year and its days from the State Council's notice, and name the "
            "copy in CONSENT_CALENDAR; restart APIs and workers",
        )


def _overdue(waiting: Sequence[OpenReports]) -> Iterator[Finding]:
    count, late = sum(each.open for each in waiting), sum(each.overdue for each in waiting)
    if late:
        yield bad(
            f"{late:,} of {count:,} open reports of calls should have been answered",
            "consent reports --overdue; decide each at POST /v1/reports/{id}/decide",
        )
    elif count:
        yield good(f"{count:,} open reports of calls, none of them overdue")


def _promised(store: Store, now: Millis) -> Iterator[Finding]:
    """Check for rewards that were promised to reporters and are neither paid nor refused: a reward has no due date, so
    no timer would ever bring it up.
    """
    since = [
        report.events[-1].at
        for reward in (Reward.ELIGIBLE, Reward.GRANTED)
        for page in _decided(store, reward)
        for report in store.records.look({Report: page}).of(Report).values()
        if report.decided and not report.over_at
    ]
    days = (now - min(since, default=now)) // DAY_MS
    if days >= OWN_DAYS:
        yield warn(
            f"{len(since):,} rewards for reports of calls were promised and are not paid, the oldest for {days} days",
            "consent reports --state decided --reward granted, and --reward eligible; pay, then decide each at "
            "POST /v1/reports/{id}/decide",
        )


def _decided(store: Store, reward: Reward) -> Iterator[list[str]]:
    """Yield decided reports that have this reward, a page at a time."""
    wanted, before = ReportFilter(state=ReportState.DECIDED, reward=reward), None
    for _ in range(MOST_LOOKED_AT // PIECE):
        rows: list[Position] = store.queries.reports.page(wanted, before, PIECE)
        yield [report for _, report in rows]
        if len(rows) < PIECE:
            return
        before = rows[-1]


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
