"""/reports: reports of subscribers, the next due first; one report with all facts for its decision, and the SMS that
its reporter gets. Decisions go through the API like those of any other client.
"""

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.http.queries import Waits
from consent_engine.api.schemas.calls import UP
from consent_engine.api.schemas.reports import ReportView, shown_caller
from consent_engine.api.schemas.views import AsOf, At, Listed, MaybeAt, OrNone, View
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.api.web.rendering import MAY_OPEN
from consent_engine.domain.call.report import BARS_DIALLING, PASSED_ON, Report, ReportClass
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Restriction
from consent_engine.domain.msisdn import hidden
from consent_engine.domain.sms import segments
from consent_engine.engine.engine import Engine
from consent_engine.engine.report_book import CALLER, FORWARDED, Around, CallNear, DueReports
from consent_engine.ports import ApiKey


class CallNearView(View):
    """A call to the number, around the reported instant."""

    id: str
    meant: bool = Field(description="the call that the report was matched with")
    started_at: At
    ended_at: MaybeAt
    from_: str = Field(serialization_alias="from")
    carrier: str
    agent: str
    outcome: str | None
    plan: OrNone
    violations: list[str]
    verdict: str | None
    permit: str = Field(description="none; ours: given by this installation; not_ours: any other")
    permit_since: MaybeAt
    permit_until: MaybeAt

    @classmethod
    def of(cls, near: CallNear, meant: str) -> "CallNearView":
        call, permit = near.call, near.permit
        given = "ours" if permit else "not_ours"
        return cls.shown(
            call, call.began, call.end or UP, meant=call.id == meant, from_=call.person.caller,
            permit=given if call.began.permit else "none", permit_since=permit.since if permit else None,
            permit_until=permit.until if permit else None,
        )  # fmt: skip


class StandingView(View):
    """A restriction that stands on the number."""

    kind: str
    carrier: str
    plan: str
    since: At
    until: MaybeAt
    door: str
    stood: bool = Field(description="the restriction was in force at the time of the call")
    by_this: bool = Field(description="the restriction was added by this report")

    @classmethod
    def of(cls, each: Restriction, report: Report) -> "StandingView":
        by_this = each.ref == report.id
        return cls.shown(each, stood=each.since <= report.received.called_at and not by_this, by_this=by_this)


class TextView(View):
    """An SMS to the reporter, without telephone numbers of persons."""

    text: str
    segments: int
    at: At | None = Field(description="when the SMS was queued; null: not sent, only a preview")
    waits: bool
    stuck: bool

    @classmethod
    def of(
        cls, text: str, report: Report, at: Millis | None = None, *, waits: bool = False, stuck: bool = False
    ) -> "TextView":
        """Show the SMS as staff may read it; `{forwarded}` stands for the receiver of the trace."""
        counted = segments(text.replace(FORWARDED, "12321").replace(CALLER, report.person.caller))
        shown = hidden(text.replace(CALLER, shown_caller(report)))
        return cls.shown(text=shown, segments=counted, at=at, waits=waits, stuck=stuck)


class AnswerView(View):
    """A possible decision, and the SMS that it would send to the reporter."""

    class_: str = Field(serialization_alias="class")
    reward: str
    sms: TextView


class AroundView(View):
    """A report on the page of reports."""

    report: ReportView
    language: str
    official: bool = Field(description="our official number was shown: it cannot be decided as another's call")
    silent: bool = Field(description="no SMS is sent: the number has another holder, or is erased")
    calls: list[CallNearView] | None = Field(description="null: the archive is unavailable")
    standing: list[StandingView]
    written: list[TextView]
    would: list[AnswerView]

    @classmethod
    def of(cls, near: Around, days: Days) -> "AroundView":
        report = near.report
        shown = [each for each in near.standing if each.kind.value in _SHOWN]
        return cls(
            report=ReportView.of(report, near.now, days, whole=False), language=report.received.language,
            official=bool(report.received.official), silent=near.silent,
            calls=None if near.calls is None else [CallNearView.of(each, report.received.call) for each in near.calls],
            standing=[StandingView.of(each, report) for each in sorted(shown, key=lambda each: each.since)],
            written=[TextView.of(w.text, report, w.at, waits=w.waits, stuck=w.stuck) for w in near.written],
            would=[
                AnswerView(class_=found.value, reward=reward.value, sms=TextView.of(text, report))
                for (found, reward), text in near.would.items()
            ],
        )  # fmt: skip


_SHOWN = frozenset(kind.value for kind in BARS_DIALLING)
"""The kinds that bar dialling; the others bar activations only."""


class DueList(Listed):
    """The undecided reports, the next due first."""

    reports: list[ReportView]
    open: int
    overdue: int

    @classmethod
    def of(cls, found: DueReports, days: Days, as_of: AsOf) -> "DueList":
        rows = [ReportView.of(each, found.now, days, whole=False) for each in found.reports]
        return cls(reports=rows, open=found.open, overdue=found.overdue, as_of=as_of)


operations = Operations(whose=visitor_of)
MOST_SHOWN = 50


@operations.add("GET", "/reports", PUBLIC)
async def reports(request: Request) -> Response:
    """For operations; auditors may read."""
    classes = [each.value for each in ReportClass]
    return await behind_sign_in(request, "reported.html", classes=classes, of_others=sorted(PASSED_ON))


@operations.add("GET", "/reports/due", MAY_OPEN["/reports"])
def due(engine: Engine, _caller: ApiKey, form: Waits, as_of: AsOf) -> DueList:
    """The open reports, the next due first. Roles: ops, auditor (masked)."""
    return DueList.of(engine.reports.due(MOST_SHOWN), engine.reports.terms.days, as_of)


@operations.add("GET", "/reports/around/{report_id}", MAY_OPEN["/reports"])
def around(engine: Engine, _caller: ApiKey, report_id: str) -> AroundView:
    """The page's data for one report. Roles: ops, auditor (masked). Raises ReportNotFound."""
    return AroundView.of(engine.reports.around(report_id), engine.reports.terms.days)
