"""/review: a call's recording beside the disclosures that it needed; verdicts go through the API like any client's."""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.schemas.calls import CallView, TranscriptView
from consent_engine.api.schemas.views import View
from consent_engine.api.service.service import front_of
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.api.web.rendering import MAY_OPEN, POLICY
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.review import Reviewed
from consent_engine.domain.call.transcript import Transcribed, decode_lines, hints
from consent_engine.domain.msisdn import Msisdn, hidden
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.confirmation_fields import disclosures, disclosures_of
from consent_engine.domain.texts.words import CHINESE
from consent_engine.engine.engine import Engine
from consent_engine.errors import PlanNotFound
from consent_engine.ports import ApiKey


class SoldView(View):
    """A plan that was sold in the call, or offered in it."""

    plan: str
    version: int
    name: str
    reads: dict[str, dict[str, str]] = Field(description="the disclosures due, by language, in the order of reading")
    text: str = Field(description="the confirmation SMS as sent, without any number; empty: no order was placed")
    state: str = Field(description="state of the order; empty: no order")
    agent: str = Field(description="agent of the order; empty: no order")

    @classmethod
    def of_order(cls, order: Order) -> "SoldView":
        """Show the offer as it was frozen at the door."""
        offer = order.doc.offer
        reads = disclosures_of(offer.carrier, offer.tariff)
        return cls(
            plan=offer.plan, version=offer.plan_version, name=offer.plan_name, reads=reads, text=hidden(order.text),
            state=order.state.value, agent=hidden(order.doc.agent),
        )  # fmt: skip

    @classmethod
    def of_plan(cls, plan: Plan) -> "SoldView":
        """Show the plan as it reads now."""
        return cls(
            plan=plan.code, version=plan.version, name=plan.name, reads=disclosures(plan), text="", state="", agent=""
        )


class HeardView(View):
    """A call on a reviewer's page. No number of a person is shown in full."""

    call: CallView
    own: bool = Field(description="the reader's own call: another reviewer must hear it")
    same: bool = Field(description="the reader failed it: another reviewer must look again")
    recording: str = Field(description="address of the recording; empty: no address of recordings is set")
    sold: list[SoldView]
    transcript: TranscriptView | None = Field(description="null: none was posted, or its words were erased")
    altered: bool = Field(description="the words stored are not those that were posted: they are not shown")

    @classmethod
    def of(cls, call: Call, sold: Sequence[SoldView], recording: str, caller: ApiKey) -> "HeardView":
        try:
            words, altered = _words(call, sold), False
        except ValueError:  # the call is heard all the same
            words, altered = None, True
        return cls(
            call=CallView.of(call, whole=False),
            own=caller.is_own(call) or caller.agent in {each.agent for each in sold} - {""},
            same=any(each.by == caller.name for each in call.events if isinstance(each, Reviewed)),
            recording=recording,
            sold=list(sold),
            transcript=words,
            altered=altered,
        )


def _words(call: Call, sold: Sequence[SoldView]) -> TranscriptView | None:
    """The words of a call, with hints of the disclosures due in it; None where there are no words. Raises ValueError
    where they are not those that were sealed.
    """
    event = next((each for each in call.events if isinstance(each, Transcribed)), None)
    if event is None or not (lines := decode_lines(call.said, event)):
        return None
    disclosures = {name: text for each in sold for name, text in each.reads.get(CHINESE, {}).items()}
    return TranscriptView.of(lines, hints(lines, disclosures))


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
    ref = call.recording.ref if call.recording else ""
    # A name of dots alone would lead a browser up, to another file.
    recording = template.replace("{ref}", quote(ref, safe="")) if ref.strip(".") else ""
    return HeardView.of(call, _sold(engine, call), recording, caller)


def _sold(engine: Engine, call: Call) -> list[SoldView]:
    """List the call's orders; if there are none, the plan that the end of the call names."""
    found = engine.orders_of(Msisdn(call.person.msisdn), limit=MOST_SOLD).orders if call.person.msisdn else ()
    if sold := [SoldView.of_order(order) for order in found if order.doc.call_id == call.id]:
        return sold
    try:
        return [SoldView.of_plan(engine.plan(call.end.plan).plan)] if call.end and call.end.plan else []
    except PlanNotFound:
        return []
