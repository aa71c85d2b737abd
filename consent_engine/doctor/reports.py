"""Checks of call reports: overdue answers, and whether the calendar knows the days they are due on."""

from collections.abc import Iterator
from shlex import quote

from consent_engine.config.calendars import bundled
from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.doctor.orders import DAY_MS, newest
from consent_engine.domain.call.report_terms import ANSWERED_IN, OWN_DAYS, TOLD_IN, ReportTerms
from consent_engine.domain.days import later
from consent_engine.domain.effects import Millis
from consent_engine.ports import Reports

AHEAD = max(60, 2 * (ANSWERED_IN + TOLD_IN))
"""How many days ahead the calendar must reach. Reports of today are due no later; the State Council announces next
year's days in November, which leaves time to add them.
"""
MOST_LOOKED_AT, PIECE = 20_000, 500
"""Most reports in the store that are looked at: the open ones, and those decided whose reward is not over."""


def reports(kept: Reports, terms: ReportTerms, now: Millis) -> Iterator[Finding]:
    """Check for overdue reports, for promised rewards that were forgotten, and for a calendar that ends too soon."""
    waiting = kept.awaited()
    late = [each for each in waiting if each.answer_by < now]
    if late:
        yield bad(
            f"{len(late):,} of {len(waiting):,} open reports of calls should have been answered",
            "consent reports --overdue; decide each at POST /v1/reports/{id}/decide",
        )
    elif waiting:
        yield good(f"{len(waiting):,} open reports of calls, none of them overdue")
    yield from _promised(kept, now)
    until = later(terms.days.of(now), AHEAD)
    if not terms.calendar.knows(until):
        yield warn(
            f"the calendar says nothing of {until[:4]}: due dates then skip weekends, but not holidays",
            f"copy {quote(str(bundled()))}, add the year and its days from the State Council's notice, and name the "
            "copy in CONSENT_CALENDAR; restart APIs and workers",
        )


def _promised(kept: Reports, now: Millis) -> Iterator[Finding]:
    """Check for rewards that were promised to reporters and are neither paid nor refused: a reward has no due date, so
    no timer would ever bring it up.
    """
    since = [
        report.events[-1].at
        for page in newest(kept.listed, MOST_LOOKED_AT, PIECE)
        for report in kept.look([name for name, _ in page])[1].values()
        if report.decided and not report.over_at
    ]
    days = (now - min(since, default=now)) // DAY_MS
    if days >= OWN_DAYS:
        yield warn(
            f"{len(since):,} rewards for reports of calls were promised and are not paid, the oldest for {days} days",
            "consent reports --state decided --reward granted, and --reward eligible; pay, then decide each at "
            "POST /v1/reports/{id}/decide",
        )
