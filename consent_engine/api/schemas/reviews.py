"""Reviews: the forms that reviewers send, and the views of reviews and of pressure selling."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from consent_engine.api.schemas.forms import Reasoned
from consent_engine.api.schemas.views import AsOf, At, Listed, View
from consent_engine.domain.call.call_counters import Covered
from consent_engine.domain.forms import StrictForm
from consent_engine.domain.invisible_characters import LINES, is_legible
from consent_engine.domain.msisdn import contains_number
from consent_engine.domain.order.sales_outcomes import SalesOutcomes, Sold
from consent_engine.engine.call_book import Waiting
from consent_engine.errors import FieldError, Malformed

MOST_NOTE, MOST_REASONS = 500, 20
_Reason = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_Note = Annotated[str, Field(max_length=MOST_NOTE)]


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

    verdict: Literal["pass", "fail"]
    reasons: list[_Reason] = Field([], max_length=MOST_REASONS, examples=[["price_not_told"]])

    def check(self, *, played_here: bool) -> None:
        """Raise Malformed for a failed review without reasons, and as `check_heard` does."""
        if self.verdict == "fail" and not self.reasons:
            raise Malformed([FieldError("reasons", "missing", "must be given: why the call failed")])
        self.check_heard(passes=self.verdict == "pass", played_here=played_here)


class LookAgain(Listened):
    """The second look at a failed review: upheld, or the sale goes on, which is to be heard as a first review is."""

    uphold: bool


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

    order: str
    call: str
    agent: str
    since: At


class WaitingList(Listed):
    """Orders that wait for a first review."""

    orders: list[WaitingView]
    cursor: str = Field(description="send it to get the next page; empty: this is the last page")

    @classmethod
    def of(cls, rows: Sequence[Waiting], cursor: str, as_of: AsOf) -> "WaitingList":
        return cls(orders=[WaitingView.shown(each) for each in rows], cursor=cursor, as_of=as_of)


class LetGoView(View):
    """The orders that may go on: how many, and of how many calls."""

    orders: int
    calls: int
    cursor: str = Field(description="repeat the request with it to continue; empty: no more are left")


class CoveredView(View):
    """Counts of the calls of one day, agent or carrier."""

    key: str
    recorded: int
    reviewed: int
    failed: int = Field(description="failed for good: upheld by a second look")
    gap: int = Field(description="recorded, but not reviewed")


class CoverageView(Listed):
    """How many of the recorded calls were reviewed, the widest gap first."""

    by: str
    rows: list[CoveredView]

    @classmethod
    def of(cls, by: str, rows: Sequence[Covered], as_of: AsOf) -> "CoverageView":
        shown = [CoveredView.shown(each, gap=each.recorded - each.reviewed) for each in rows]
        return cls(by=by, rows=shown, as_of=as_of)


class PressedView(View):
    """Outcomes of the orders of one agent, or for one plan."""

    key: str
    placed: int
    confirmed: int
    declined: int
    refused: int = Field(description="orders whose subscriber wants no more calls")
    suspect: int = Field(description="orders with a yes that no person can have written")
    review_failed: int = Field(description="cancelled because the call failed its review")
    ended_soon: int = Field(description="activated on these days, and ended within a week")
    confirm_rate: float = Field(description="confirmed orders as a share of those placed, 0 to 1")
    presses: bool = Field(description="so much went wrong that a person should listen to the calls")


class PressureView(Listed):
    """Pressure selling in figures: those where most went wrong first."""

    by: str
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
