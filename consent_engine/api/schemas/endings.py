"""Endings: the form that takes an activated order back, and the views of an ending."""

from typing import Annotated, Literal

from pydantic import Field

from consent_engine.api.schemas import views
from consent_engine.api.schemas.examples import Eg
from consent_engine.api.schemas.forms import Channel, Reasoned
from consent_engine.api.schemas.views import At, Hidden, View
from consent_engine.domain.call import ending as endings
from consent_engine.domain.effects import UNSETTLED
from consent_engine.domain.forms import StrictForm


class EndOrder(StrictForm):
    """The reason why an activated order is taken back, and the channel by which the subscriber asked for it. For other
    causes - a failed review, another holder - the engine takes an order back by itself.
    """

    cause: Annotated[Literal["withdrawn"], Eg("withdrawn")]
    channel: Channel
    reason: Reasoned = Field(examples=["found that the old plan was cheaper"])


class EndingStep(View):
    """An event of an ending."""

    event: Annotated[str, Eg("switched_off")]
    at: At
    by: Annotated[str, Eg("bss")]
    ref: Annotated[str, Eg("off-1")] = Field(
        description="id of the switch-off at the BSS, or of the SMS to the subscriber; else empty"
    )
    why: Annotated[Hidden, Eg("")]

    @classmethod
    def of(cls, event: endings.EndingEvent) -> "EndingStep":
        ref = getattr(event, "ref", getattr(event, "effect", ""))
        why = getattr(event, "why", getattr(event, "reason", ""))
        return cls.shown(event, event=event.__struct_config__.tag, ref=ref, why=why)


class EndingView(View):
    """The ending of an order: an order has one only, whatever the cause."""

    id: Annotated[str, Eg("0ce7" + "1" * 24)]
    order_id: views.Id
    state: Annotated[str, Eg("ended")] = Field(
        description="ending, ended, ending_failed (on the stuck list), or given_up"
    )
    cause: Annotated[str, Eg("withdrawn")]
    channel: Annotated[str, Eg("hotline")]
    by: views.By
    reason: Annotated[str, Eg("found that the old plan was cheaper")]
    asked_at: At
    activation_id: Annotated[str, Eg("act-1")]
    ended_at: Annotated[views.MaybeAt, Eg("2025-08-15T10:00:01.200+08:00")]
    free_exit: Annotated[bool, Eg(False)] = Field(
        description="no early fee is due: withdrawn while the policy waives it, or the call failed its review"
    )
    fee: Annotated[str, Eg("320.00")] = Field(
        description="what the subscriber pays for it, by the BSS's answer; empty if it did not say"
    )
    refund: Annotated[str, Eg("35.00")] = Field(description="what is paid back; empty if the BSS did not say")
    refund_by: Annotated[str, Eg("2025-09-30")] = Field(description="until when; empty if the BSS did not say")
    restored: Annotated[str, Eg("yes")] = Field(
        description="whether the former plan is back: yes, no; empty if the BSS did not say"
    )
    stops_at: Annotated[str, Eg("2025-09-01T00:00:00+08:00")] = Field(
        description="when the service stops, by the BSS's answer; empty if it did not say"
    )
    ref: Annotated[str, Eg("off-1")] = Field(description="id of the switch-off at the BSS")
    attempts: Annotated[int, Eg(1)]
    why: Annotated[Hidden, Eg("")] = Field(description="why the ending waits, or is on the stuck list")
    notice: Annotated[str, Eg("")] = Field(
        description="what keeps the SMS about it from the subscriber: waits, stuck, number_changed, number_erased; "
        "empty: nothing of it waits"
    )
    head: views.Head = Field(description="head of the ending's hash chain")
    timeline: list[EndingStep]

    @classmethod
    def of(cls, ending: endings.Ending, notice: str) -> "EndingView":
        """Show the ending as it stands, without any number. notice: as `Endings.notice` has it"""
        doc, off = ending.doc, ending.off
        pending = next(iter(ending.effects.values()), None)
        return cls.shown(
            ending, doc, off.settled if off else UNSETTLED,
            order_id=doc.order, activation_id=doc.activation, free_exit=doc.free, notice=notice,
            ended_at=off.at if off else None, stops_at=off.stops if off else "", ref=off.ref if off else "",
            attempts=off.attempts if off else pending.attempts if pending else 0, why=pending.why if pending else "",
            timeline=[EndingStep.of(each) for each in ending.events],
        )  # fmt: skip
