"""An ending: the taking back of one activated order. One an order, whatever asks for it.

A record of its own in the order's cell: it carries the plan, the number, the holder and the activation, so that an
order that has settled, or is archived, is never moved by it.
"""

from enum import StrEnum
from functools import cached_property
from typing import ClassVar, cast

from msgspec import Struct

from consent_engine.domain.call.chained import ChainedRecord, Form, PersonPart
from consent_engine.domain.canonical_json import Reader, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.line import keyed
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.confirmation_fields import elements
from consent_engine.domain.texts.editions import ENGLISH
from consent_engine.domain.texts.free_exit import WITHIN, has_early_fee
from consent_engine.errors import NotActivated, OrderNotFound, Refused

MOST_EVENTS = 100
"""A bound on one ending's history: past it a retry is done all the same, for the service must not stay on, but neither
it nor how it failed is written down any more."""


class Cause(StrEnum):
    """Why an order is taken back."""

    WITHDRAWN = "withdrawn"
    """The subscriber wants it no more."""
    REVIEW_FAILED = "review_failed"
    NUMBER_CHANGED = "number_changed"
    """The number has another holder, or none: nobody is told."""


class EndingState(StrEnum):
    """Where an ending stands."""

    ENDING = "ending"
    ENDED = "ended"
    ENDING_FAILED = "ending_failed"
    """It stands on the stuck list."""
    GIVEN_UP = "given_up"
    """The BSS refuses it for good, and a person has seen to it otherwise."""


class NumberErased(Refused, code="number_erased"):
    """The person part of the order is erased: nobody knows any more whose service it was."""


class EndingNotFound(OrderNotFound, code="ending_not_found"):
    """Nobody asked for the ending of this order."""


class SwitchedOff(Struct, frozen=True, array_like=True, tag="switched_off"):
    """The BSS took it back. ref: its id there · stops: when the service stops, as it said · attempts, doubts: ours."""

    at: Millis
    op: str
    by: str
    ref: str
    stops: str
    attempts: int
    doubts: int


class Failed(Struct, frozen=True, array_like=True, tag="failed"):
    """It went on the stuck list."""

    at: Millis
    op: str
    by: str
    reason: str


class Retried(Struct, frozen=True, array_like=True, tag="retried"):
    """A person had it done again."""

    at: Millis
    op: str
    by: str


class SwitchedOffAgain(Struct, frozen=True, array_like=True, tag="switched_off_again"):
    """An answer to an attempt that was thought lost came later, and names another id: for a person to compare."""

    at: Millis
    op: str
    by: str
    ref: str


class Told(Struct, frozen=True, array_like=True, tag="told"):
    """The notice: written to the subscriber, or why it was not. effect: the line's SMS, '' where none was written."""

    at: Millis
    op: str
    by: str
    effect: str
    why: str = ""


class GivenUp(Struct, frozen=True, array_like=True, tag="given_up"):
    """A person gave up what stood on the stuck list, and said why. What the BSS says later, that it is off, counts."""

    at: Millis
    op: str
    by: str
    reason: str


EndingEvent = SwitchedOff | Failed | Retried | SwitchedOffAgain | Told | GivenUp
_BEFORE_OFF = {Failed: EndingState.ENDING_FAILED, Retried: EndingState.ENDING, GivenUp: EndingState.GIVEN_UP}
_EVENT = Reader[EndingEvent](cast("type[EndingEvent]", EndingEvent))


class Taken(Struct, frozen=True, array_like=True):
    """What was known when it was asked for; written once, public: it names no person.

    asked_at: by the store's clock · cause, channel, by, reason: why, by which way, who asked · activation: its id at
    the BSS · activated_at · holder_since: since when the number is its holder's (0: nothing is known of another) ·
    called_at: when the call began in which it was sold: a holder of later never had it · language: in which the order
    was asked · name: of the plan, to people · fee: what the plan says of leaving early, '' where it says nothing ·
    receipt: the number of the subscriber's own record · person: the hash of the person part · free: 1 where it was
    withdrawn while policy lets subscribers go without an early fee · agent: who sold it
    """

    id: str
    order: str
    asked_at: Millis
    cause: Cause
    channel: str
    by: str
    reason: str
    carrier: str
    plan: str
    plan_version: int
    plan_hash: str
    activation: str
    activated_at: Millis
    holder_since: Millis
    called_at: Millis
    language: str
    name: str
    fee: str
    receipt: str
    person: str
    free: int = 0
    agent: str = ""


class EndingPerson(PersonPart, frozen=True):
    """The person part: the number whose service it was."""

    msisdn: str


class Ending(ChainedRecord[Taken, EndingPerson, EndingEvent], frozen=True, dict=True):
    """An ending as it stands at one version. Its id: the slot of its number, then a hash of "end" and the order."""

    form: ClassVar[Form] = Form(
        "an ending", Rows(Taken, least=20), Reader(EndingPerson), EndingPerson(""), _EVENT, EndingState
    )

    @cached_property
    def off(self) -> SwitchedOff | None:
        """How the BSS took it back; None while it has not."""
        return next((each for each in self.events if isinstance(each, SwitchedOff)), None)

    @property
    def state(self) -> EndingState:
        """Where it stands, as its events say."""
        moved = (_BEFORE_OFF[type(each)] for each in reversed(self.events) if type(each) in _BEFORE_OFF)
        return EndingState.ENDED if self.off is not None else next(moved, EndingState.ENDING)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do at the BSS."""
        return self.state in {EndingState.ENDED, EndingState.GIVEN_UP}

    @property
    def over_at(self) -> Millis:
        """When the BSS had taken it back, or it was given up; 0 before."""
        last = self.off or next((each for each in reversed(self.events) if isinstance(each, GivenUp)), None)
        return last.at if last is not None and self.is_over else 0


def ending_id(order: str) -> str:
    """The id of the ending of an order: one order has one, by construction."""
    return f"{order[:4]}{keyed('end', 'end', order)}"


class Why(Struct, frozen=True):
    """Why an order is taken back, by which way, by whom, in whose words. at: when that reached us; 0: just now"""

    cause: Cause
    channel: str
    by: str
    reason: str = ""
    at: Millis = 0


def taken(order: Order, why: Why, asked_at: Millis, holder_since: Millis) -> Taken:
    """What an ending says of its order. Raises NotActivated where nothing was switched on, and NumberErased."""
    on = order.last(Trigger.SERVICE_ACTIVATED)
    if on is None:
        raise NotActivated("no service of this order was switched on: there is nothing to take back", state=order.state)
    if not order.person.msisdn:
        raise NumberErased("the number of this order is erased: nobody knows any more whose service it was")
    doc, offer = order.doc, order.doc.offer
    language = "en" if offer.words in ENGLISH else "zh"
    told = elements(doc.carrier, offer.tariff, language) if offer.tariff else None
    free = why.cause is Cause.WITHDRAWN and (why.at or asked_at) - on.at <= offer.policy.free_exit > 0
    fee = WITHIN[language] if free and has_early_fee(offer.tariff) else told.early_fee if told else ""
    return Taken(
        ending_id(order.id), order.id, asked_at, why.cause, why.channel, why.by, why.reason, doc.carrier, doc.plan,
        offer.plan_version, offer.plan_hash, on.ref, on.at, holder_since, doc.call.started_at, language,
        told.name if told else offer.plan_name, fee, order.receipt, "", int(free), doc.agent,
    )  # fmt: skip


def opened(doc: Taken, msisdn: str, line: str, salt: str) -> tuple[Ending, dict[str, str]]:
    """A new ending, and the fields that are written once."""
    return Ending.begun(doc, EndingPerson(msisdn), line, salt)
