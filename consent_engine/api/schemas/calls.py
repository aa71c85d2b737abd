"""Views of calls: their permits, their transcripts, their reviews with the forms that reviewers send, and pressure
selling; and whether a number may be dialled.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from consent_engine.api.schemas import views
from consent_engine.api.schemas.examples import Eg
from consent_engine.api.schemas.forms import Instant, Reasoned
from consent_engine.api.schemas.views import AsOf, At, Hidden, Listed, View, instant
from consent_engine.domain.call.call import Call, OrderRefused
from consent_engine.domain.call.review import Reviewed, SecondLook
from consent_engine.domain.call.sales_figures import Covered, SalesOutcomes, Sold
from consent_engine.domain.call.transcript import Hints, Spoken
from consent_engine.domain.days import millis
from consent_engine.domain.forms import LINES, StrictForm, is_legible, visible
from consent_engine.domain.msisdn import contains_number, hidden, mask
from consent_engine.engine.call_book import CallPage
from consent_engine.errors import FieldError, Malformed


class RecordingView(View):
    """The recording of a call."""

    ref: Annotated[Hidden, Eg("rec-20250801-000123")]
    sha256: Annotated[str, Eg("9f" * 32)] = Field(
        description="SHA-256 of the recording, 64 hex digits; empty if it was not given"
    )
    seconds: Annotated[int, Eg(302)]


class DisclosureView(View):
    """A disclosure that the agent read to the subscriber."""

    id: Annotated[str, Eg("price")]
    at: At


class RefusedOrderView(View):
    """An order that was refused at the door because of the call or the call's number."""

    at: At
    code: str


class ReviewView(View):
    """A reviewer's verdict on a call: of the first review, or of the second look at one that failed."""

    at: At
    by: Annotated[str, Eg("reviewer-bj")]
    passed: Annotated[bool, Eg(False)]
    second: Annotated[bool, Eg(False)]
    reasons: Annotated[list[str], Eg(["price_not_told"])]
    note: Annotated[str, Eg("the price after the promotion")]
    heard: Annotated[int | None, Eg(214)] = Field(
        description="seconds of the recording that were played; null: not said"
    )
    unplayed: Annotated[bool, Eg(False)] = Field(description="the recording could not be played")

    @classmethod
    def of(cls, event: Reviewed | SecondLook) -> "ReviewView":
        if isinstance(event, SecondLook):
            return cls.shown(event, passed=not event.upheld, second=True, reasons=[])
        return cls.shown(event, second=False)


UP = SimpleNamespace(ended_at=None, outcome=None, plan=None, disclosures=())
"""Stands in the place of the end of a call that has none."""


class CallView(View):
    """A call, with all its violations and reviews."""

    id: views.Id
    state: Annotated[str, Eg("ended")] = Field(
        description="up, ended, or abandoned: its end was not reported within four hours"
    )
    version: views.Version
    head: views.Head = Field(
        description="head of the call's hash chain: a copy of it reveals any later change of its past"
    )
    from_: Annotated[str, Eg("10085")] = Field(
        serialization_alias="from",
        description="the calling number, in full for every reader: one that is not official is the evidence",
    )
    to: views.Masked = Field(description="the number called, masked for all but the agent")
    carrier: views.CarrierName
    agent: views.Agent
    script: Annotated[views.OrNone, Eg("5g-2025-07")]
    permit: Annotated[bool, BeforeValidator(bool), Eg(True)] = Field(
        description="whether the call named a permit of this installation"
    )
    started_at: At
    ended_at: Annotated[views.MaybeAt, Eg("2025-08-01T10:05:02.000+08:00")]
    outcome: Annotated[str | None, Eg("agreed")] = Field(description="agreed, declined, refused, no_answer or other")
    plan: Annotated[views.OrNone, Eg("5g-smart-199")]
    recording: RecordingView | None
    disclosures: list[DisclosureView]
    violations: Annotated[list[str], Eg([])] = Field(
        description="rules that the call broke, as known now: a call or an event that is reported later may show one. "
        "No order may be placed for a call with a violation, and its open orders are cancelled"
    )
    refused_orders: Annotated[list[RefusedOrderView], Eg([])]
    verdict: Annotated[str | None, Eg("contested")] = Field(
        description="result of the review: pending, passed, contested or failed; null: no recording"
    )
    reviews: list[ReviewView]

    @classmethod
    def of(cls, call: Call, *, whole: bool) -> "CallView":
        """Show the call as a reader may see it. whole: with full numbers."""
        return cls.shown(
            call,
            call.began,
            call.end or UP,
            from_=call.person.caller,
            to=call.person.msisdn if whole else mask(call.person.msisdn),
            refused_orders=[each for each in call.events if isinstance(each, OrderRefused)],
            reviews=[ReviewView.of(each) for each in call.events if isinstance(each, Reviewed | SecondLook)],
        )


class CallList(Listed):
    """Calls, newest first."""

    calls: list[CallView]
    cursor: views.Cursor = Field(description="send it to get the next page; empty: this is the last page")

    @classmethod
    def of(cls, page: CallPage, as_of: AsOf, *, whole: bool) -> "CallList":
        return cls(calls=[CallView.of(call, whole=whole) for call in page.calls], cursor=page.cursor, as_of=as_of)


MOST_LINES, MOST_TEXT = 1_000, 500


class SpokenLine(StrictForm):
    """One line of a transcript."""

    at: Instant
    by: Annotated[Literal["agent", "subscriber"], Eg("agent")]
    text: Annotated[str, Field(min_length=1, max_length=MOST_TEXT), Eg("每月一百九十九元")]


class Transcribe(StrictForm):
    """The words of a call, as transcribed from its recording."""

    recording: Annotated[str, Field(min_length=1, max_length=128), Eg("rec-20250801-000123")]
    lines: list[SpokenLine] = Field(min_length=1, max_length=MOST_LINES)

    def spoken(self) -> tuple[Spoken, ...]:
        return tuple(Spoken(millis(each.at), each.by, each.text) for each in self.lines)


class SpokenView(View):
    """A line as a reviewer sees it, without numbers."""

    at: At
    by: str
    text: Annotated[str, BeforeValidator(lambda text: hidden(visible(text)))]


class PhraseView(View):
    """A forbidden phrase, and when it was said."""

    at: At
    phrase: str


class TranscriptView(View):
    """The words of a call, and the hints in them."""

    edition: int = Field(description="edition of the list of forbidden phrases")
    lines: list[SpokenView]
    spoken: dict[str, At] = Field(description="disclosures that seem to have been read aloud, and when")
    phrases: list[PhraseView]

    @classmethod
    def of(cls, lines: tuple[Spoken, ...], hints: Hints) -> "TranscriptView":
        phrases = [PhraseView(at=instant(at), phrase=phrase) for at, phrase in hints.phrases]
        return cls.shown(hints, lines=lines, phrases=phrases)


class DialView(View):
    """Whether a number may be dialled."""

    callable: Annotated[bool, Eg(False)]
    reason: Annotated[str | None, Eg("refused")] = Field(
        default=None,
        description="refused; suspected: a reply may be a refusal, and a person has not decided yet; marketing_free; "
        "cool_off: the subscriber declined the plan before; quiet_hours: no calls at this time of day; "
        "too_often: the number was called as often as allowed today; "
        "number_changed: the number has no holder, or left the carrier; minor: its holder is one, as the BSS said",
    )
    since: Annotated[views.MaybeAt, Eg("2025-08-01T10:04:40.512+08:00")] = None


_PERMITS = [
    {
        "permit": "AQEAESIzRFVm_9clswpsw9DgFB9M2wz7Q0xOG44YAAABmraX6AAADbug5IcR75KYyjxW8TavMXNpcEVe",
        "until": "2025-08-01T10:19:40.512+08:00",
    },
    {"denied": "refused", "since": "2025-08-01T10:04:40.512+08:00"},
]


class PermitRow(View):
    """A permit, or the reason why there is none."""

    permit: str | None = Field(default=None, description="send it with the call as `permit`: POST /v1/calls")
    until: str | None = Field(default=None, description="when the permit ends; a call that began before may continue")
    denied: str | None = Field(
        default=None,
        description="why there is no permit: refused, suspected, marketing_free, cool_off, quiet_hours, too_often, "
        "number_changed or minor, as in the answer of /v1/callable",
    )
    since: str | None = Field(
        default=None, description="since when the reason applies; left out if the record cannot be read"
    )


class PermitsView(View):
    """The answers to a request for permits, in the order of its numbers."""

    id: Annotated[str, Eg("00112233445566ff")] = Field(
        description="id of the request, which is kept with its caller, carrier, plan and counts"
    )
    permits: Annotated[list[PermitRow], Eg(_PERMITS)]


MOST_NOTE, MOST_REASONS = 500, 20
_Reason = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_Note = Annotated[str, Field(max_length=MOST_NOTE), Eg("the price after the promotion")]


class Listened(StrictForm):
    """How much of a recording was heard."""

    heard: int | None = Field(None, ge=0, le=86_400, description="seconds of the recording that were played")
    unplayed: bool = Field(default=False, description="the recording cannot be played")
    note: _Note = ""

    def check_heard(self, *, passes: bool, played_here: bool) -> None:
        """Raise Malformed for a call that passes though nothing of its recording was played, and for a note that
        `check_note` refuses. played_here: recordings are played on /review
        """
        if passes and played_here and not self.heard and not self.unplayed:
            raise Malformed([FieldError("heard", "not_heard", "must be given: nothing of the recording was played")])
        check_note(self.note)


class ReviewCall(Listened):
    """The first review of a call. A failed one names its reasons; where recordings are played on /review
    (CONSENT_RECORDING_URL), one that passes was heard, or cannot be played.
    """

    verdict: Annotated[Literal["pass", "fail"], Eg("fail")]
    reasons: list[_Reason] = Field([], max_length=MOST_REASONS, examples=[["price_not_told"]])

    def check(self, *, played_here: bool) -> None:
        """Raise Malformed for a failed review without reasons, and as `check_heard` does."""
        if self.verdict == "fail" and not self.reasons:
            raise Malformed([FieldError("reasons", "missing", "must be given: why the call failed")])
        self.check_heard(passes=self.verdict == "pass", played_here=played_here)


class LookAgain(Listened):
    """The second look at a failed review: upheld, or the sale goes on, which is to be heard as a first review is."""

    uphold: Annotated[bool, Eg(True)]


class LetGoOn(StrictForm):
    """The reason why orders that wait for a first review go on without it."""

    reason: Reasoned = Field(examples=["nobody can review this week: decided by the head of sales"])
    cursor: str = Field("", max_length=200, description="the cursor of the answer before; empty: begin with the newest")


def check_note(note: str) -> None:
    """Raise Malformed for a note with a telephone number, since notes stand in a chain of events, which outlives the
    person part, and for one with invisible characters.
    """
    if contains_number(note):
        raise Malformed([FieldError("note", "contains_number", "must not contain a telephone number")])
    if not is_legible(note, LINES):
        raise Malformed([FieldError("note", "unseen_character", "must not contain characters that nobody sees")])


class WaitingView(View):
    """An order whose activation waits for the first review of its call, since when, and the agent of the call."""

    order: views.Id
    call: Annotated[str, Eg("0ce7" + "1" * 24)]
    agent: views.Agent
    since: At


class WaitingList(Listed):
    """Orders that wait for a first review."""

    orders: list[WaitingView]
    cursor: views.Cursor = Field(description="send it to get the next page; empty: this is the last page")


class LetGoView(View):
    """The orders that may go on: how many, and of how many calls."""

    orders: Annotated[int, Eg(118)]
    calls: Annotated[int, Eg(117)]
    cursor: views.Cursor = Field(description="repeat the request with it to continue; empty: no more are left")


class CoveredView(View):
    """Counts of the calls of one day, agent or carrier."""

    key: Annotated[str, Eg("2025-08-01")]
    recorded: Annotated[int, Eg(9)]
    reviewed: Annotated[int, Eg(7)]
    failed: Annotated[int, Eg(1)] = Field(description="failed for good: upheld by a second look")
    gap: Annotated[int, Eg(2)] = Field(description="recorded, but not reviewed")


class CoverageView(Listed):
    """How many of the recorded calls were reviewed, the widest gap first."""

    by: Annotated[str, Eg("day")]
    rows: list[CoveredView]

    @classmethod
    def of(cls, by: str, rows: Sequence[Covered], as_of: AsOf) -> "CoverageView":
        shown = [CoveredView.shown(each, gap=each.recorded - each.reviewed) for each in rows]
        return cls(by=by, rows=shown, as_of=as_of)


class WorkdayView(View):
    """The day of one agent so far."""

    agent: str = Field(description="empty: whoever asks")
    in_call: int = Field(description="calls that are up now")
    calls: int
    permits: int = Field(description="calls that named a permit of this engine")
    placed: int
    confirmed: int
    refused: int = Field(description="calls and orders whose subscriber wants no more calls")
    held: int = Field(description="numbers, also with orders of earlier days, whose reply waits for a person")
    failed: int = Field(description="calls, also of earlier days, that failed their review for good today")
    wrong_rate: float = Field(description="orders that went wrong as a share of those placed, 0 to 1")
    presses: bool = Field(description="so much went wrong that a person should listen to the calls")


class PressedView(View):
    """Outcomes of the orders of one agent, or for one plan."""

    key: views.Agent
    placed: Annotated[int, Eg(120)]
    confirmed: Annotated[int, Eg(61)]
    declined: Annotated[int, Eg(20)]
    refused: Annotated[int, Eg(25)] = Field(description="orders whose subscriber wants no more calls")
    suspect: Annotated[int, Eg(3)] = Field(description="orders with a yes that no person can have written")
    review_failed: Annotated[int, Eg(1)] = Field(description="cancelled because the call failed its review")
    ended_soon: Annotated[int, Eg(4)] = Field(description="activated on these days, and ended within a week")
    confirm_rate: Annotated[float, Eg(0.5083)] = Field(
        description="confirmed orders as a share of those placed, 0 to 1"
    )
    presses: Annotated[bool, Eg(True)] = Field(
        description="so much went wrong that a person should listen to the calls"
    )


class PressureView(Listed):
    """Pressure selling in figures: those where most went wrong first."""

    by: Annotated[str, Eg("agent")]
    rows: list[PressedView]

    @classmethod
    def of(cls, by: str, rows: Sequence[SalesOutcomes], as_of: AsOf) -> "PressureView":
        shown = [
            PressedView.shown(
                each, **{outcome.value: each.counts.get(outcome, 0) for outcome in Sold},
                confirm_rate=round(each.share(Sold.CONFIRMED), 4),
            )
            for each in rows
        ]  # fmt: skip
        return cls(by=by, rows=shown, as_of=as_of)
