"""Views of reports of calls."""

from pydantic import Field

from consent_engine.api.schemas.views import AsOf, Listed, View, instant, veiled
from consent_engine.domain.call.report import Decided, Report, ReportState
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import mask
from consent_engine.engine.report_book import ReportPage


class DueView(View):
    """The deadlines of a report, each the last instant of a day."""

    forward_by: str | None = Field(description="deadline for 12321 to forward the report; null: none")
    answer_by: str
    tell_by: str | None = Field(description="deadline for telling the reporter the decision; null until then")

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

    at: str
    by: str
    class_: str = Field(serialization_alias="class")
    reward: str
    amount: str | None = Field(description="in yuan, if a reward was granted or paid")
    note: str
    forwarded: str


class ReportView(View):
    """A report of a call."""

    id: str
    number: str = Field(description="the number of the report, given to the reporter")
    state: str = Field(description="open or decided")
    version: int
    head: str = Field(description="head of the report's hash chain: a copy of it reveals any later change of its past")
    msisdn: str = Field(description="in full for the agent who took the report, else masked")
    carrier: str
    caller_number: str = Field(description="the number shown; unless it is official, masked for all others")
    called_at: str
    received_at: str
    what: str = Field(description="the reporter's words; for all others, without telephone numbers")
    channel: str
    by: str
    ref: str
    class_: str = Field(serialization_alias="class", description="the class decided; until then the proposed one")
    proposed: str
    reasons: list[str] = Field(description="why this class was proposed")
    call: str | None = Field(description="id of the recorded call that the report is about")
    reward: str
    no_reward: str | None = Field(description="why no reward was proposed")
    due: DueView
    overdue: bool
    decisions: list[ReportEventView]

    @classmethod
    def of(cls, report: Report, now: Millis, days: Days, *, whole: bool) -> "ReportView":
        """Show the report as a reader may see it. whole: with full numbers, and the reporter's words as they are."""
        received, person = report.received, report.person
        return cls.shown(
            report,
            msisdn=person.msisdn if whole else mask(person.msisdn),
            carrier=received.carrier,
            caller_number=person.caller if whole else shown_caller(report),
            called_at=instant(received.called_at),
            received_at=instant(received.received_at),
            what=person.what if whole else str(veiled(person.what)),
            channel=received.door.value,
            by=received.by,
            ref=received.ref,
            class_=report.found.value,
            proposed=received.proposed.value,
            reasons=list(received.reasons),
            call=received.call or None,
            no_reward=received.why or None,
            due=DueView.of(report, days),
            overdue=report.is_overdue(now),
            decisions=_events(report),
        )


def shown_caller(report: Report) -> str:
    """The calling number as staff may see it: our own in full, of another only its ends where enough stays hidden."""
    caller = report.person.caller
    if report.received.official:
        return caller
    return f"{caller[:3]}****{caller[-2:]}" if len(caller) > 6 else "****"  # noqa: PLR2004 - a digit is left to guess


def _events(report: Report) -> list[ReportEventView]:
    return [
        ReportEventView(
            at=instant(each.at), by=each.by, class_=report.found.value, reward=each.reward.value,
            amount=each.amount or None, note=each.note if isinstance(each, Decided) else "",
            forwarded=each.forwarded if isinstance(each, Decided) else "",
        )
        for each in report.events
    ]  # fmt: skip


class ReportReceipt(View):
    """The receipt for a reporter: the report's number and state, and by when it is answered."""

    number: str
    state: str
    received_at: str
    answer_by: str

    @classmethod
    def of(cls, report: Report, days: Days) -> "ReportReceipt":
        """Show only the facts that the reporter may know."""
        received = report.received
        return cls(
            number=report.number, state=ReportState.OPEN.value if not report.decided else report.state.value,
            received_at=instant(received.received_at), answer_by=days.instant(received.answer_by),
        )  # fmt: skip


class CodeSent(View):
    """A code is on its way to the number. minutes: how long it is valid."""

    minutes: int
    ticket: str = Field(description="send it with the code: then nobody else can use up your tries")


class ReportList(Listed):
    """Reports, newest first."""

    reports: list[ReportView]
    cursor: str = Field(description="send it to get the next page; empty: this is the last page")

    @classmethod
    def of(cls, page: ReportPage, days: Days, as_of: AsOf, *, whole: bool) -> "ReportList":
        shown = [ReportView.of(each, page.now, days, whole=whole) for each in page.reports]
        return cls(reports=shown, cursor=page.cursor, as_of=as_of)
