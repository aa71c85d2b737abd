"""The life of a number's orders, for the handset of `consent serve`: only if all gateways and the BSS are simulated.

The handset proves itself as the gateway that it plays, with that gateway's secret, whose owner can already answer for
the subscriber.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import to_builtins
from pydantic import AfterValidator, Field
from starlette.requests import Request

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import KIB, parse, read_body
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.views import View, instant
from consent_engine.api.service.service import front_of
from consent_engine.api.web.words import words
from consent_engine.config.settings import SIMULATED, Settings
from consent_engine.domain import hashing
from consent_engine.domain.call.call import CallNotFound, CallState
from consent_engine.domain.forms import StrictForm, msisdn
from consent_engine.domain.lifecycle import ANSWERABLE, ENGAGED, SETTLED, STAGES, Trigger
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Suspicion
from consent_engine.domain.texts.render import answers
from consent_engine.engine.engine import Engine

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
    answers: list[str] = Field(description="yes and no as they would count now; empty where nothing is asked")
    steps: list[StepView]

    @classmethod
    def of(cls, order: Order, words: Mapping[str, str], *, in_call: bool, alone: bool) -> "LifeView":
        """Show an order. alone: no other order of its number awaits a reply: else each needs its code"""
        placed = StepView(at=instant(order.doc.placed_at), what=words["trigger.placed"], moved=True)
        steps = [StepView.of(each, words) for each in order.events if each.trigger not in UNSHOWN]
        over: Over = "" if order.state not in SETTLED else "done" if order.state in ENGAGED else "failed"
        return cls(
            id=order.id, plan=order.doc.offer.plan_name, state=words[f"state.{order.state}"], over=over,
            waits=words["order.call_up"] if in_call and order.state in ANSWERABLE else "", steps=[placed, *steps],
            answers=_answers(order, alone=alone),
        )  # fmt: skip


def _answers(order: Order, *, alone: bool) -> list[str]:
    if order.state not in ANSWERABLE:
        return []
    code = order.doc.code if order.needs_code or not alone else ""
    return list(answers(code, order.doc.offer.language).values())


class HandsetLife(View):
    """The newest orders of a number, newest first."""

    orders: list[LifeView]


operations = Operations()
MOST_ASKED = 1 * KIB
MOST_SHOWN = 3
"""The number's newest orders are shown, up to this many."""


def secret_of(settings: Settings) -> str:
    """Return the secret that proves the handset; '' if a gateway or the BSS is real, or no handset is set."""
    simulated = settings.of("SIMULATED")
    outside = {*settings.gateways(), settings.bss_name()}
    return simulated.get("SECRET", "") if outside == {SIMULATED} and simulated.get("URL") else ""


@operations.add("POST", "/handset/life", PUBLIC)
async def life(request: Request) -> HandsetLife:
    """Return a number's newest orders, in one language. Raises Unauthenticated, Malformed and StoreUnavailable."""
    front = front_of(request)
    body = await read_body(request, MOST_ASKED)
    hashing.check(request.app.state.handset_secret, request.headers.get(hashing.HEADER), body, await front.now())
    asked = read(AskLife, parse(body))
    said = words(asked.language)

    def look(engine: Engine) -> HandsetLife:
        found = engine.orders_of(Msisdn(asked.msisdn), limit=MOST_SHOWN).orders
        alone = sum(each.state in ANSWERABLE for each in found) == 1
        lives = [LifeView.of(each, said, in_call=_is_up(engine, each), alone=alone) for each in found]
        return HandsetLife(orders=lives)

    return await front.ask(look)


def _is_up(engine: Engine, order: Order) -> bool:
    try:
        return engine.calls.show(order.doc.call_id).state is CallState.UP
    except CallNotFound:
        return False
