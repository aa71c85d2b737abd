"""Views of calls: their permits, their transcripts, and whether a number may be dialled."""

from pydantic import Field

from consent_engine.api.schemas.views import AsOf, At, Hidden, Listed, View, instant
from consent_engine.domain.call.call import Call, OrderRefused
from consent_engine.domain.call.review import Reviewed, SecondLook
from consent_engine.domain.msisdn import mask
from consent_engine.engine.call_book import CallPage


class RecordingView(View):
    """The recording of a call."""

    ref: Hidden
    sha256: str = Field(description="SHA-256 of the recording, 64 hex digits; empty if it was not given")
    seconds: int


class DisclosureView(View):
    """A disclosure that the agent read to the subscriber."""

    id: str
    at: At


class RefusedOrderView(View):
    """An order that was refused at the door because of the call or the call's number."""

    at: At
    code: str


class ReviewView(View):
    """A reviewer's verdict on a call: of the first review, or of the second look at one that failed."""

    at: str
    by: str
    passed: bool
    second: bool
    reasons: list[str]
    note: str

    @classmethod
    def of(cls, event: Reviewed | SecondLook) -> "ReviewView":
        second = isinstance(event, SecondLook)
        passed = not event.upheld if isinstance(event, SecondLook) else bool(event.passed)
        reasons = [] if isinstance(event, SecondLook) else list(event.reasons)
        return cls(at=instant(event.at), by=event.by, passed=passed, second=second, reasons=reasons, note=event.note)


class CallView(View):
    """A call, with all its violations and reviews."""

    id: str
    state: str = Field(description="up, ended, or abandoned: its end was not reported within four hours")
    version: int
    head: str = Field(description="head of the call's hash chain: a copy of it reveals any later change of its past")
    from_: str = Field(
        serialization_alias="from",
        description="the calling number, in full for every reader: one that is not official is the evidence",
    )
    to: str = Field(description="the number called, masked for all but the agent")
    carrier: str
    agent: str
    script: str | None
    permit: bool = Field(description="whether the call named a permit of this installation")
    started_at: str
    ended_at: str | None
    outcome: str | None = Field(description="agreed, declined, refused, no_answer or other")
    plan: str | None
    recording: RecordingView | None
    disclosures: list[DisclosureView]
    violations: list[str] = Field(
        description="rules that the call broke, as known now: a call or an event that is reported later may show one. "
        "No order may be placed for a call with a violation, and its open orders are cancelled"
    )
    refused_orders: list[RefusedOrderView]
    verdict: str | None = Field(
        description="result of the review: pending, passed, contested or failed; null: no recording"
    )
    reviews: list[ReviewView]

    @classmethod
    def of(cls, call: Call, *, whole: bool) -> "CallView":
        """Show the call as a reader may see it. whole: with full numbers."""
        began, end = call.began, call.end
        return cls.shown(
            call,
            from_=call.person.caller,
            to=call.person.msisdn if whole else mask(call.person.msisdn),
            agent=began.agent,
            script=began.script or None,
            permit=bool(began.permit),
            started_at=instant(began.started_at),
            ended_at=instant(end.ended_at) if end else None,
            outcome=end.outcome.value if end else None,
            plan=end.plan or None if end else None,
            recording=RecordingView.shown(call.recording) if call.recording else None,
            disclosures=[DisclosureView.shown(each) for each in end.disclosures] if end else [],
            violations=[each.value for each in call.violations],
            refused_orders=[RefusedOrderView.shown(each) for each in call.events if isinstance(each, OrderRefused)],
            reviews=[ReviewView.of(each) for each in call.events if isinstance(each, Reviewed | SecondLook)],
        )


class CallList(Listed):
    """Calls, newest first."""

    calls: list[CallView]
    cursor: str = Field(description="send it to get the next page; empty: this is the last page")

    @classmethod
    def of(cls, page: CallPage, as_of: AsOf, *, whole: bool) -> "CallList":
        return cls(calls=[CallView.of(call, whole=whole) for call in page.calls], cursor=page.cursor, as_of=as_of)
