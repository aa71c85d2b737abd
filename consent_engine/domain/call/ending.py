"""Ending: the record of taking back one activated service. An order has one at most, for any cause.

A record of its own in the order's cell: it carries the plan, the number, the holder and the activation, so that it
never moves an order that has settled or is archived.
"""

from enum import StrEnum
from functools import cached_property
from typing import ClassVar, cast

from msgspec import Struct

from consent_engine.domain.call.hash_chain import AuthoredEvent, ChainedRecord, Form, PersonPart
from consent_engine.domain.canonical_json import Reader, Rows
from consent_engine.domain.effects import UNSETTLED, Millis, Settlement
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.line import keyed
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.confirmation_fields import elements
from consent_engine.errors import NotActivated, OrderNotFound, Refused

MOST_EVENTS = 100
"""The most events of one ending: beyond them a retry is still made, for the service must not stay on, but neither the
retry nor its failure is recorded any more."""


class Cause(StrEnum):
    WITHDRAWN = "withdrawn"
    """The subscriber no longer wants the service."""
    REVIEW_FAILED = "review_failed"
    NUMBER_CHANGED = "number_changed"
    """The number has another holder, or none: no notice is sent."""


class EndingState(StrEnum):
    ENDING = "ending"
    ENDED = "ended"
    ENDING_FAILED = "ending_failed"
    """The ending is on the stuck list."""
    GIVEN_UP = "given_up"
    """The BSS refuses for good, and a person has dealt with the service in another way."""


class NumberErased(Refused, code="number_erased"):
    """The person part of the order is erased: the subscriber of the service is no longer known."""


class EndingNotFound(OrderNotFound, code="ending_not_found"):
    """No ending of this order was requested."""


class SwitchedOff(AuthoredEvent, frozen=True, tag="switched_off"):
    """The BSS took it back. ref: the id there · stops: when the service stops, as it said · attempts, doubts: of our
    calls · settled: its answer on fee, refund and the former plan
    """

    ref: str
    stops: str
    attempts: int
    doubts: int
    settled: Settlement = UNSETTLED


class Failed(AuthoredEvent, frozen=True, tag="failed"):
    """The ending was put on the stuck list."""

    reason: str


class Retried(AuthoredEvent, frozen=True, tag="retried"):
    """A person had the ending tried again."""


class SwitchedOffAgain(AuthoredEvent, frozen=True, tag="switched_off_again"):
    """A late answer to an attempt that was thought lost, with another id: for a person to compare."""

    ref: str


class Notified(AuthoredEvent, frozen=True, tag="told"):
    """The notice to the subscriber, or the reason why there is none. effect: the line's SMS, '' where there is none"""

    effect: str
    why: str = ""


class GivenUp(AuthoredEvent, frozen=True, tag="given_up"):
    """A person gave up an ending on the stuck list, with a reason. A later answer of the BSS that it is off counts."""

    reason: str


EndingEvent = SwitchedOff | Failed | Retried | SwitchedOffAgain | Notified | GivenUp
_BEFORE_OFF = {Failed: EndingState.ENDING_FAILED, Retried: EndingState.ENDING, GivenUp: EndingState.GIVEN_UP}
_EVENT = Reader[EndingEvent](cast("type[EndingEvent]", EndingEvent))


class EndingDoc(Struct, frozen=True, array_like=True):
    """The doc of an ending: the facts when it was requested; written once, public: it names no person.

    asked_at: by the store's clock · cause, channel, by, reason: see `Why` · activation: the id of the activation at
    the BSS · activated_at · holder_since: since when the number has its holder (0: no other holder is known) ·
    called_at: start of the call in which the service was sold: a later holder never had it · language: of the order's
    question · name: of the plan, for people · receipt: the number of the subscriber's own record · person: the
    hash of the person part · free: 1 where no early fee is due: the call failed its review, or it was withdrawn while
    policy lets subscribers leave without one · agent: the agent who sold it
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
    receipt: str
    person: str
    free: int = 0
    agent: str = ""


class EndingPerson(PersonPart, frozen=True):
    """The person part: the number that had the service."""

    msisdn: str


WEEK_MS = 7 * 24 * 3_600_000


class Ending(ChainedRecord[EndingDoc, EndingPerson, EndingEvent], frozen=True, dict=True):
    """An ending as it stands at one version. Its id: the slot of its number, then a hash of "end" and the order."""

    form: ClassVar[Form] = Form(
        "an ending", Rows(EndingDoc, least=19), Reader(EndingPerson), EndingPerson(""), _EVENT, EndingState
    )

    @cached_property
    def off(self) -> SwitchedOff | None:
        """The event that the BSS took the service back; None before it."""
        return next((each for each in self.events if isinstance(each, SwitchedOff)), None)

    @property
    def state(self) -> EndingState:
        moved = (_BEFORE_OFF[type(each)] for each in reversed(self.events) if type(each) in _BEFORE_OFF)
        return EndingState.ENDED if self.off is not None else next(moved, EndingState.ENDING)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do at the BSS."""
        return self.state in {EndingState.ENDED, EndingState.GIVEN_UP}

    @property
    def over_at(self) -> Millis:
        """When the BSS had taken the service back, or a person gave the ending up; 0 before."""
        last = self.off or next((each for each in reversed(self.events) if isinstance(each, GivenUp)), None)
        return last.at if last is not None and self.is_over else 0

    @property
    def is_soon(self) -> bool:
        """Whether the service was taken back soon after it was switched on, a sign of pressure selling: it was asked
        for within a week of the activation. The time the BSS took does not count, and neither does a new holder.
        """
        doc = self.doc
        within = doc.asked_at - doc.activated_at <= WEEK_MS
        return self.off is not None and within and doc.cause is not Cause.NUMBER_CHANGED


def ending_id(order: str) -> str:
    """The id of the ending of an order: one order has one, by construction."""
    return f"{order[:4]}{keyed('end', 'end', order)}"


class Why(Struct, frozen=True):
    """A request for an ending: its cause, its channel, the asker, the reason. at: when it arrived; 0: just now"""

    cause: Cause
    channel: str
    by: str
    reason: str = ""
    at: Millis = 0


def ending_doc(order: Order, why: Why, asked_at: Millis, holder_since: Millis) -> EndingDoc:
    """The doc of an order's ending. Raises NotActivated where no service was switched on, and NumberErased for a
    withdrawal of an erased number: it cannot be matched to its order.
    """
    on = order.last(Trigger.SERVICE_ACTIVATED)
    if on is None:
        raise NotActivated("no service of this order was switched on: there is nothing to take back", state=order.state)
    if not order.person.msisdn and why.cause is Cause.WITHDRAWN:
        raise NumberErased("the number of this order is erased: nobody knows any more whose service it was")
    doc, offer = order.doc, order.doc.offer
    in_time = (why.at or asked_at) - on.at <= offer.policy.free_exit > 0
    free = why.cause is Cause.REVIEW_FAILED or (why.cause is Cause.WITHDRAWN and in_time)
    return EndingDoc(
        ending_id(order.id), order.id, asked_at, why.cause, why.channel, why.by, why.reason, doc.carrier, doc.plan,
        offer.plan_version, offer.plan_hash, on.ref, on.at, holder_since, doc.call.started_at,
        offer.language, elements(doc.carrier, offer.tariff, offer.language).name, order.receipt, "", int(free),
        doc.agent,
    )  # fmt: skip


NO_NUMBER = Hitch.NUMBER_ERASED.of()
"""The reason of an ending for which the BSS cannot be asked: its contract names the number."""


def opened(doc: EndingDoc, msisdn: str, line: str, salt: str) -> tuple[Ending, dict[str, str]]:
    """A new ending, and the fields that are written once. Without the number it has failed from the beginning: a person
    must see to it.
    """
    stuck = () if msisdn else (Failed(doc.asked_at, f"{doc.id}:number", "engine", NO_NUMBER),)
    return Ending.begun(doc, EndingPerson(msisdn), line, salt, *stuck)
