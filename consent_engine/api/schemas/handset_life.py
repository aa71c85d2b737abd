"""The orders of a number as the handset of `consent serve` shows them beside its messages, in our pages' words."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import to_builtins
from pydantic import AfterValidator, Field

from consent_engine.api.schemas.views import View, instant
from consent_engine.domain.admission.fields import StrictForm, msisdn
from consent_engine.domain.lifecycle import ANSWERABLE, ENGAGED, SETTLED, STAGES, Trigger
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Suspicion

Over = Literal["", "done", "failed"]
UNSHOWN = frozenset({Trigger.REPORTED, Trigger.REVEALED})
"""Steps that mean nothing to a subscriber: a delivery report on a part of an SMS, a reveal of the number."""


class AskLife(StrictForm):
    """The number whose orders are requested, and the language of the answer."""

    msisdn: Annotated[str, Field(max_length=40), AfterValidator(msisdn)]
    language: Literal["zh", "en"] = "zh"


class StepView(View):
    """A step of an order's life."""

    at: str
    what: str
    moved: bool = Field(description="whether the order reached a new stage")

    @classmethod
    def of(cls, event: Event, words: Mapping[str, str]) -> "StepView":
        """Show an event; of a yes that did not count at once, also why."""
        summary, seen = words[f"trigger.{event.trigger}"], getattr(event.detail, "seen", None)
        if isinstance(seen, Suspicion):
            summary = f"{summary} · {words[f'seen.{seen.rule}'].format(**to_builtins(seen))}"
        return cls(at=instant(event.at), what=summary, moved=event.trigger in STAGES)


class LifeView(View):
    """One order, as its subscriber may see it."""

    id: str
    plan: str
    state: str
    over: Over = Field(description="empty while the order is under way")
    waits: str = Field(description="why a yes would not count now; empty where it would, or nothing is asked any more")
    steps: list[StepView]

    @classmethod
    def of(cls, order: Order, words: Mapping[str, str], *, in_call: bool) -> "LifeView":
        placed = StepView(at=instant(order.doc.placed_at), what=words["trigger.placed"], moved=True)
        steps = [StepView.of(each, words) for each in order.events if each.trigger not in UNSHOWN]
        over: Over = "" if order.state not in SETTLED else "done" if order.state in ENGAGED else "failed"
        return cls(
            id=order.id, plan=order.doc.offer.plan_name, state=words[f"state.{order.state}"], over=over,
            waits=words["order.call_up"] if in_call and order.state in ANSWERABLE else "", steps=[placed, *steps],
        )  # fmt: skip


class HandsetLife(View):
    """The newest orders of a number, newest first."""

    orders: list[LifeView]
