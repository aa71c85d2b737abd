"""Reviews over HTTP: list calls to review, give a first or second verdict, free waiting orders, count reviews."""

from starlette.requests import Request

from consent_engine.api.document.operations import Operations
from consent_engine.api.http.queries import AskPressure, Coverage, ListReviews, Paged
from consent_engine.api.routes.calls import page_of_calls, view_of
from consent_engine.api.schemas import calls
from consent_engine.api.schemas.views import AsOf
from consent_engine.api.service.callers import FULL_NUMBERS, OPS, OPS_OR_AUDITOR, REVIEWER, REVIEWER_OR_AUDITOR
from consent_engine.api.service.service import front_of
from consent_engine.domain.call.review import (
    UNDECIDED,
    AlreadyReviewed,
    NotContested,
    NotReviewable,
    OwnCall,
    ReviewAwaited,
    SameReviewer,
    Verdict,
)
from consent_engine.engine.engine import Engine
from consent_engine.engine.review import Review
from consent_engine.ports import ApiKey, CallFilter

operations = Operations("reviews", "/v1/reviews")


@operations.add("GET", "", REVIEWER, "List reviews")
def list_(engine: Engine, caller: ApiKey, form: ListReviews, as_of: AsOf) -> calls.CallList:
    """Recorded calls by verdict, a page at a time: calls to be heard (`pending`, `contested`) oldest first, the others
    newest first. A page of calls to be heard may be short or empty and still have a cursor: one with another verdict by
    now is left out. Role: reviewer (masked)."""
    verdict, whole = Verdict(form.verdict), caller.role in FULL_NUMBERS
    if verdict not in UNDECIDED:
        return page_of_calls(engine, caller, CallFilter(verdict=verdict), form, as_of)
    return calls.CallList.of(engine.calls.to_review(verdict, form.cursor, form.limit), as_of, whole=whole)


@operations.add("GET", "/coverage", REVIEWER_OR_AUDITOR, "Count reviews")
def coverage(engine: Engine, caller: ApiKey, form: Coverage, as_of: AsOf) -> calls.CoverageView:
    """How many of the recorded calls that began on these days were reviewed, by day, agent or carrier, the largest gap
    first; 92 days at most. Roles: reviewer, auditor."""
    return calls.CoverageView.of(form.by, engine.calls.coverage(form.days(), form.by), as_of)


@operations.add("GET", "/pressure", REVIEWER_OR_AUDITOR, "Count signs of pressure selling")
def pressure(engine: Engine, caller: ApiKey, form: AskPressure, as_of: AsOf) -> calls.PressureView:
    """The outcomes of orders placed on these days, by agent or plan, those where most went wrong first: refusals of all
    calls, a yes that no person can have written, failed reviews, and services activated on these days and taken back
    within a week; 92 days at most. Roles: reviewer, auditor."""
    return calls.PressureView.of(form.by, engine.calls.pressure(form.days(), form.by), as_of)


@operations.add("GET", "/waiting", OPS_OR_AUDITOR, "List orders that wait for a first review")
def waiting(engine: Engine, caller: ApiKey, form: Paged, as_of: AsOf) -> calls.WaitingList:
    """Orders whose activation waits for the first review of their call, newest first. Orders frozen by a failed review
    are left out: a page may be short or empty and still have a cursor. Roles: ops, auditor."""
    rows, cursor = engine.calls.waiting(form.cursor, form.limit)
    return calls.WaitingList.shown(orders=rows, cursor=cursor, as_of=as_of)


@operations.add("POST", "/let_go", OPS, "Let orders continue without a first review", problems=(ReviewAwaited,))
def let_go(engine: Engine, caller: ApiKey, form: calls.LetGoOn) -> calls.LetGoView:
    """Setting CONSENT_REVIEW back to `after` frees no orders by itself. This lets up to 200 orders that wait for the
    first review of their call continue without it, newest first. The calls keep name and reason and are still reviewed;
    orders frozen by a failed review stay so. 409 `review_awaited` while the setting is `before`. Role: ops."""
    return calls.LetGoView.shown(engine.calls.let_go(caller.name, form.reason, form.cursor))


@operations.add("POST", "/{call_id}", REVIEWER, "Review a call", problems=(OwnCall, AlreadyReviewed, NotReviewable))
async def review(request: Request, caller: ApiKey, form: calls.ReviewCall, call_id: str) -> calls.CallView:
    """The first review. `fail` freezes the call's open orders until another reviewer has looked. Not of one's own call
    (403 `own_call`), only once (409 `already_reviewed`), only of a recorded call (409 `not_reviewable`), archived or
    not. `heard` is kept with the verdict; where /review plays recordings, nothing passes unheard (422 `not_heard`)
    unless `unplayed`. Role: reviewer."""
    form.check(played_here=bool(request.app.state.recording_url))
    said = Review(
        call_id, caller.name, form.verdict == "pass", tuple(form.reasons), form.note, agent=caller.agent,
        heard=form.heard, unplayed=form.unplayed,
    )  # fmt: skip
    return await _recorded(request, caller, said)


@operations.add(
    "POST", "/{call_id}/second", REVIEWER, "Review a failed call again",
    problems=(OwnCall, SameReviewer, NotContested),
)  # fmt: skip
async def second(request: Request, caller: ApiKey, form: calls.LookAgain, call_id: str) -> calls.CallView:
    """The second review of a failed one: if upheld, the call's open orders are cancelled (`review_failed`); else they
    continue. By another reviewer (403 `same_reviewer`), only once (409 `not_contested`); without one within a day the
    failure is upheld. Role: reviewer."""
    form.check_heard(passes=not form.uphold, played_here=bool(request.app.state.recording_url))
    said = Review(
        call_id, caller.name, not form.uphold, (), form.note, second=True, agent=caller.agent, heard=form.heard,
        unplayed=form.unplayed,
    )  # fmt: skip
    return await _recorded(request, caller, said)


async def _recorded(request: Request, caller: ApiKey, said: Review) -> calls.CallView:
    return view_of(await front_of(request).ask(lambda engine: engine.calls.review(said)), caller)
