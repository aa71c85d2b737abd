"""Endings: the form that takes an activated order back, and the views of an ending."""

from typing import Literal

from pydantic import Field

from consent_engine.api.schemas.forms import Channel, Reasoned
from consent_engine.api.schemas.views import View, instant
from consent_engine.domain.call import ending as endings
from consent_engine.domain.effects import UNSETTLED
from consent_engine.domain.forms import StrictForm
from consent_engine.domain.msisdn import hidden

_NAMES: dict[type[endings.EndingEvent], str] = {
    endings.SwitchedOff: "switched_off", endings.Failed: "failed", endings.Retried: "retried",
    endings.SwitchedOffAgain: "switched_off_again", endings.GivenUp: "given_up", endings.Notified: "told",
}  # fmt: skip


class EndOrder(StrictForm):
    """The reason why an activated order is taken back, and the channel by which the subscriber asked for it. For other
    causes - a failed review, another holder - the engine takes an order back by itself.
    """

    cause: Literal["withdrawn"]
    channel: Channel
    reason: Reasoned = Field(examples=["found that the old plan was cheaper"])


class EndingStep(View):
    """An event of an ending."""

    event: str
    at: str
    by: str
    ref: str = Field(description="id of the switch-off at the BSS, or of the SMS to the subscriber; else empty")
    why: str


class EndingView(View):
    """The ending of an order: an order has one only, whatever the cause."""

    id: str
    order_id: str
    state: str = Field(description="ending, ended, ending_failed (on the stuck list), or given_up")
    cause: str
    channel: str
    by: str
    reason: str
    asked_at: str
    activation_id: str
    ended_at: str | None
    free_exit: bool = Field(
        description="no early fee is due: withdrawn while the policy waives it, or the call failed its review"
    )
    fee: str = Field(description="what the subscriber pays for it, by the BSS's answer; empty if it did not say")
    refund: str = Field(description="what is paid back; empty if the BSS did not say")
    refund_by: str = Field(description="until when; empty if the BSS did not say")
    restored: str = Field(description="whether the former plan is back: yes, no; empty if the BSS did not say")
    stops_at: str = Field(description="when the service stops, by the BSS's answer; empty if it did not say")
    ref: str = Field(description="id of the switch-off at the BSS")
    attempts: int
    why: str = Field(description="why the ending waits, or is on the stuck list")
    notice: str = Field(
        description="what keeps the SMS about it from the subscriber: waits, stuck, number_changed, number_erased; "
        "empty: nothing of it waits"
    )
    head: str = Field(description="head of the ending's hash chain")
    timeline: list[EndingStep]

    @classmethod
    def of(cls, ending: endings.Ending, notice: str) -> "EndingView":
        """Show the ending as it stands, without any number. notice: as `Endings.notice` has it"""
        doc, off = ending.doc, ending.off
        settled = off.settled if off else UNSETTLED
        pending = next(iter(ending.effects.values()), None)
        return cls(
            id=doc.id, order_id=doc.order, state=ending.state.value, cause=doc.cause.value, channel=doc.channel,
            by=doc.by, reason=doc.reason, asked_at=instant(doc.asked_at), activation_id=doc.activation,
            ended_at=instant(off.at) if off else None, stops_at=off.stops if off else "", ref=off.ref if off else "",
            free_exit=bool(doc.free), fee=settled.fee, refund=settled.refund, refund_by=settled.refund_by,
            restored=settled.restored,
            attempts=off.attempts if off else pending.attempts if pending else 0,
            why=hidden(pending.why) if pending else "", notice=notice, head=ending.head,
            timeline=[_step(each) for each in ending.events],
        )  # fmt: skip


def _step(event: endings.EndingEvent) -> EndingStep:
    ref = why = ""
    match event:
        case endings.SwitchedOff(ref=ref) | endings.SwitchedOffAgain(ref=ref):
            pass
        case endings.Notified(effect=ref, why=why):
            pass
        case endings.Failed(reason=why) | endings.GivenUp(reason=why):
            pass
    return EndingStep(event=_NAMES[type(event)], at=instant(event.at), by=event.by, ref=ref, why=hidden(why))
