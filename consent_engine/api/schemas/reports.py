"""Views of reports of calls."""

from types import SimpleNamespace
from typing import Annotated

from pydantic import Field

from consent_engine.api.schemas import views
from consent_engine.api.schemas.examples import Eg
from consent_engine.api.schemas.views import AsOf, At, Listed, View, veiled
from consent_engine.domain.call.report import Report
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import mask
from consent_engine.engine.report_book import ReportPage


class DueView(View):
    """The deadlines of a report, each the last instant of a day."""

    forward_by: Annotated[str | None, Eg(None)] = Field(
        description="deadline for 12321 to forward the report; null: none"
    )
    answer_by: Annotated[str, Eg("2025-08-16T23:59:59.999+08:00")]
    tell_by: Annotated[str | None, Eg(None)] = Field(
        description="deadline for telling the reporter the decision; null until then"
    )

    @classmethod
    def of(cls, report: Report, days: Days) -> "DueView":
        """Show the deadlines by the clocks of the business: staff read the same day as in the SMS to the reporter."""
        received = report.received
        return cls(
            forward_by=days.instant(received.forward_by) if received.forward_by else None,
            answer_by=days.instant(received.answer_by),
            tell_by=days.instant(report.decided.tell_by) if report.decided else None,
        )


class ReportEventView(View):
    """A decision on a report, or a later one on its reward."""

    at: At
    by: str
    class_: str = Field(serialization_alias="class")
    reward: str
    amount: views.OrNone = Field(description="in yuan, if a reward was granted or paid")
    note: str
    forwarded: str


class ReportView(View):
    """A report of a call."""

    id: views.Id
    number: Annotated[str, Eg("MMZYCG69")] = Field(description="the number of the report, given to the reporter")
    state: Annotated[str, Eg("open")] = Field(description="open or decided")
    version: views.Version
    head: views.Head = Field(
        description="head of the report's hash chain: a copy of it reveals any later change of its past"
    )
    msisdn: views.Masked = Field(description="in full for the agent who took the report, else masked")
    carrier: views.CarrierName
    caller_number: Annotated[str, Eg("10085")] = Field(
        description="the number shown; unless it is official, masked for all others"
    )
    called_at: Annotated[At, Eg("2025-08-01T10:00:00.000+08:00")]
    received_at: Annotated[At, Eg("2025-08-01T16:00:00.000+08:00")]
    what: Annotated[str, Eg("推销5G套餐")] = Field(
        description="the reporter's words; for all others, without telephone numbers"
    )
    channel: Annotated[str, Eg("hotline")]
    by: Annotated[str, Eg("desk-bj")]
    ref: Annotated[str, Eg("")]
    class_: Annotated[str, Eg("ours_forbidden")] = Field(
        serialization_alias="class", description="the class decided; until then the proposed one"
    )
    proposed: Annotated[str, Eg("ours_forbidden")]
    reasons: Annotated[list[str], Eg(["refused_number"])] = Field(description="why this class was proposed")
    call: Annotated[views.OrNone, Eg("0ce7" + "1" * 24)] = Field(
        description="id of the recorded call that the report is about"
    )
    reward: Annotated[str, Eg("eligible")]
    no_reward: Annotated[views.OrNone, Eg(None)] = Field(description="why no reward was proposed")
    due: DueView
    overdue: Annotated[bool, Eg(False)]
    decisions: Annotated[list[ReportEventView], Eg([])]

    @classmethod
    def of(cls, report: Report, now: Millis, days: Days, *, whole: bool) -> "ReportView":
        """Show the report as a reader may see it. whole: with full numbers, and the reporter's words as they are."""
        received, person = report.received, report.person
        return cls.shown(
            report,
            received,
            msisdn=person.msisdn if whole else mask(person.msisdn),
            caller_number=person.caller if whole else shown_caller(report),
            what=person.what if whole else veiled(person.what),
            channel=received.door,
            class_=report.found,
            no_reward=received.why,
            due=DueView.of(report, days),
            overdue=report.is_overdue(now),
            decisions=[ReportEventView.shown(each, _REWARDED, class_=report.found) for each in report.events],
        )


def shown_caller(report: Report) -> str:
    """The calling number as staff may see it: our own in full, of another only its ends where enough stays hidden."""
    caller = report.person.caller
    if report.received.official:
        return caller
    return f"{caller[:3]}****{caller[-2:]}" if len(caller) > 6 else "****"  # noqa: PLR2004 - a digit is left to guess


_REWARDED = SimpleNamespace(note="", forwarded="")
"""What a later decision on the reward lacks of the first one."""


class ReportReceipt(View):
    """The receipt for a reporter: the report's number and state, and by when it is answered."""

    number: Annotated[str, Eg("MMZYCG69")]
    state: Annotated[str, Eg("open")]
    received_at: Annotated[At, Eg("2025-08-01T16:00:00.000+08:00")]
    answer_by: Annotated[str, Eg("2025-08-16T23:59:59.999+08:00")]

    @classmethod
    def of(cls, report: Report, days: Days) -> "ReportReceipt":
        """Show only the facts that the reporter may know."""
        return cls.shown(report, report.received, answer_by=days.instant(report.received.answer_by))


class CodeSent(View):
    """A code is on its way to the number. minutes: how long it is valid."""

    minutes: Annotated[int, Eg(10)]
    ticket: Annotated[str, Eg("0f1e2d3c4b5a69788796a5b4c3d2e1f0")] = Field(
        description="send it with the code: then nobody else can use up your tries"
    )


class ReportList(Listed):
    """Reports, newest first."""

    reports: list[ReportView]
    cursor: views.Cursor = Field(description="send it to get the next page; empty: this is the last page")

    @classmethod
    def of(cls, page: ReportPage, days: Days, as_of: AsOf, *, whole: bool) -> "ReportList":
        shown = [ReportView.of(each, page.now, days, whole=whole) for each in page.reports]
        return cls(reports=shown, cursor=page.cursor, as_of=as_of)
