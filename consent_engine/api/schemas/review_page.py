"""The view of one call on /review: the call, its recording, the disclosures due, and the question as it was sent."""

from collections.abc import Sequence

from pydantic import Field

from consent_engine.api.schemas.calls import CallView
from consent_engine.api.schemas.transcripts import TranscriptView
from consent_engine.api.schemas.views import View
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.transcript import Transcribed, decode_lines, hints
from consent_engine.domain.msisdn import hidden
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.confirmation_fields import disclosures, disclosures_of
from consent_engine.domain.texts.words import CHINESE


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
    recording: str = Field(description="address of the recording; empty: no address of recordings is set")
    sold: list[SoldView]
    transcript: TranscriptView | None = Field(description="null: none was posted, or its words were erased")
    altered: bool = Field(description="the words stored are not those that were posted: they are not shown")

    @classmethod
    def of(cls, call: Call, sold: Sequence[SoldView], recording: str, *, own: bool) -> "HeardView":
        try:
            words, altered = _words(call, sold), False
        except ValueError:  # the call is heard all the same
            words, altered = None, True
        return cls(
            call=CallView.of(call, whole=False),
            own=own,
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
