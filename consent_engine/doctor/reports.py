"""Checks of call reports: overdue answers, and whether the calendar knows the days they are due on."""

from collections.abc import Iterator
from shlex import quote

from consent_engine.config.calendars import bundled
from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.call.report_terms import ANSWERED_IN, TOLD_IN, ReportTerms
from consent_engine.domain.days import later
from consent_engine.domain.effects import Millis
from consent_engine.ports import Reports

AHEAD = max(60, 2 * (ANSWERED_IN + TOLD_IN))
"""How many days ahead the calendar must reach. Reports of today are due no later; the State Council announces next
year's days in November, which leaves time to add them.
"""


def reports(kept: Reports, terms: ReportTerms, now: Millis) -> Iterator[Finding]:
    """Check for overdue reports, and for a calendar that ends too soon."""
    waiting = kept.awaited()
    late = [each for each in waiting if each.answer_by < now]
    if late:
        yield bad(
            f"{len(late):,} of {len(waiting):,} open reports of calls should have been answered",
            "consent reports --overdue; decide each at POST /v1/reports/{id}/decide",
        )
    elif waiting:
        yield good(f"{len(waiting):,} open reports of calls, none of them overdue")
    until = later(terms.days.of(now), AHEAD)
    if not terms.calendar.knows(until):
        yield warn(
            f"the calendar says nothing of {until[:4]}: due dates then skip weekends, but not holidays",
            f"copy {quote(str(bundled()))}, add the year and its days from the State Council's notice, and name the "
            "copy in CONSENT_CALENDAR; restart APIs and workers",
        )
