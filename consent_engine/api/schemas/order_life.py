"""The view of one order's page: the order, its effects, its call and ending, and the other orders of the call."""

from collections.abc import Sequence

from pydantic import Field

from consent_engine.api.schemas.calls import CallView
from consent_engine.api.schemas.endings import EndingView
from consent_engine.api.schemas.lists import OrderRow
from consent_engine.api.schemas.views import At, OrderView, View, instant
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.permit import Permit
from consent_engine.domain.effects import Millis, Pending, is_sms, lane_of, sms_parts
from consent_engine.domain.msisdn import hidden
from consent_engine.domain.order.order import Order


class WaitingView(View):
    """An effect of an order that has not ended."""

    effect: str
    lane: str
    purpose: str = Field(description="purpose of an SMS; empty for other effects")
    at: str | None = Field(description="when it is due, or while in hand when its lease ends; null: a person must act")
    in_hand: bool
    parked: bool
    attempts: int
    why: str

    @classmethod
    def of(cls, effect: str, pending: Pending, due: Millis | None) -> "WaitingView":
        purpose = sms_parts(effect)[0].value if is_sms(effect) else ""
        return cls(
            effect=effect, lane=lane_of(effect).value, purpose=purpose, at=instant(due) if due else None,
            in_hand=pending.leased_at > 0, parked=bool(pending.parked), attempts=pending.attempts,
            why=hidden(pending.why),
        )  # fmt: skip


class PermitView(View):
    """The permit that a call named."""

    request: str
    since: At
    until: At


class OrderLife(View):
    """The contents of one order's page."""

    order: OrderView
    waiting: list[WaitingView]
    call: CallView | None
    permit: PermitView | None = Field(description="null: no permit, or one of another installation")
    ending: EndingView | None = Field(None, description="null: none was requested")
    related: list[OrderRow] = Field(description="the other orders of the same call")


def life_of(
    order: Order, dues: Sequence[Millis | None], call: Call | None, permit: Permit | None, related: Sequence[Order],
    *, whole: bool, ending: EndingView | None = None,
) -> OrderLife:  # fmt: skip
    """Show the page as a reader may see it. dues: when the order's effects are due, in their order."""
    rows = zip(order.effects.items(), dues, strict=True)
    return OrderLife(
        order=OrderView.of(order, whole=whole),
        waiting=[WaitingView.of(effect, pending, due) for (effect, pending), due in rows],
        call=CallView.of(call, whole=whole) if call else None,
        permit=PermitView.shown(permit) if permit else None,
        ending=ending,
        related=[OrderRow.of(each, whole=whole) for each in related],
    )
