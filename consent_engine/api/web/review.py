"""/review: a call's recording beside the disclosures that it needed; verdicts go through the API like any client's."""

from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.schemas.review_page import HeardView, SoldView
from consent_engine.api.service.service import front_of
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.api.web.rendering import MAY_OPEN, POLICY
from consent_engine.domain.call.call import Call
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.engine import Engine
from consent_engine.errors import PlanNotFound
from consent_engine.ports import ApiKey

operations = Operations(whose=visitor_of)
MOST_SOLD = 50
"""Orders of the call are looked for among this many of the number's newest orders."""
REASONS = (
    "price_not_told", "term_not_told", "not_understood", "pressed", "misled", "consent_unclear", "wrong_person",
    "unheard", "other",
)  # fmt: skip
"""Reasons to fail a call; the keyboard key of each is its place here."""


@operations.add("GET", "/review", PUBLIC)
async def review(request: Request) -> Response:
    """For reviewers. Only this page may play media from another origin: recordings, from the one that is set."""
    answer = await behind_sign_in(request, "review.html", reasons=list(REASONS))
    if template := request.app.state.recording_url:
        parts = urlsplit(template)
        answer.headers["Content-Security-Policy"] = f"{POLICY}; media-src {parts.scheme}://{parts.netloc}"
    return answer


@operations.add("GET", "/review/calls/{call_id}", MAY_OPEN["/review"])
async def heard(request: Request, caller: ApiKey, call_id: str) -> HeardView:
    """The page's data for one call. Role: reviewer (masked). Raises CallNotFound."""
    template: str | None = request.app.state.recording_url
    return await front_of(request).ask(lambda engine: look(engine, call_id, caller, template or ""))


def look(engine: Engine, call_id: str, caller: ApiKey, template: str) -> HeardView:
    """Return a call with the plans sold in it. Raises CallNotFound."""
    call = engine.calls.show(call_id)
    recording = template.replace("{ref}", quote(call.recording.ref, safe="")) if call.recording and template else ""
    return HeardView.of(call, _sold(engine, call), recording, own=caller.is_own(call))


def _sold(engine: Engine, call: Call) -> list[SoldView]:
    """List the call's orders; if there are none, the plan that the end of the call names."""
    found = engine.orders_of(Msisdn(call.person.msisdn), limit=MOST_SOLD).orders if call.person.msisdn else ()
    if sold := [SoldView.of_order(order) for order in found if order.doc.call_id == call.id]:
        return sold
    try:
        return [SoldView.of_plan(engine.plan(call.end.plan).plan)] if call.end and call.end.plan else []
    except PlanNotFound:
        return []
