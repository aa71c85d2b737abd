"""Orders: one subscriber asked for one plan. The agreement frozen at the door, and everything that happened since.

Everything that changes is read from the events, so the history *is* the record. `state`, `reply_by` and `head` are kept
beside it for scripts and people; `replay` computes them from the events.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.effects import Millis, Pending, Purpose, read_effects, sms_effect
from consent_engine.domain.grammar import Reason
from consent_engine.domain.hashing import digest, legible
from consent_engine.domain.lifecycle import SETTLING, STAGES, State, Trigger, advance
from consent_engine.domain.order.agreement import Doc, Person
from consent_engine.domain.order.details import (
    OF_CALL,
    OF_LINE,
    OF_PLAN,
    Cancelled,
    ConfirmationAccepted,
    Delivered,
    OptedOut,
    RepliedLate,
    RepliedSuspect,
    Resumed,
    Suspected,
    WithCall,
)
from consent_engine.domain.order.event import Event, chain, named, publics_of, seal, unseal
from consent_engine.domain.texts.render import Subject, dated
from consent_engine.domain.texts.words import Because
from consent_engine.errors import BrokenRecord

_ASKS = f"sms.{Purpose.CONFIRMATION}."


def counts_until(events: Sequence[Event], window: Millis) -> Millis:
    """Return until when a yes counts. window: the one that the order was placed under, for events that name none."""
    for event in reversed(events):
        if isinstance(asked := event.detail, ConfirmationAccepted):
            window = asked.window or window
            if asked.undelivered is None:
                return event.at + window
            delivered = delivered_at(events)
            return max(event.at, delivered) + window if delivered else event.at + asked.undelivered
    return 0


def delivered_at(events: Sequence[Event]) -> Millis:
    """Return when the question, first or repeated, was known to be on the handset; 0 while it is not."""
    arrived = (e.at for e in events if isinstance(e.detail, Delivered) and e.detail.effect.startswith(_ASKS))
    return next(arrived, 0)


MOST_EVENTS = 200
"""A bound on one order's history: past it, messages that would only add a note are kept as unmatched."""


class Order(Struct, frozen=True):
    """An order as it stands at one version."""

    doc: Doc
    person: Person
    line: str
    state: State
    version: int
    head: str
    events: tuple[Event, ...]
    effects: Mapping[str, Pending]
    publics: tuple[str, ...] = ()
    """the links of the chain as kept: the doc, then the public part of each event"""

    def head_at(self, trigger: Trigger) -> str:
        """Return the chain's head after the newest event with this trigger; later events do not change it."""
        n = max(n for n, event in enumerate(self.events, 1) if event.trigger is trigger)
        return self.head if n == len(self.events) else chain("", self.publics[: n + 1])

    @property
    def id(self) -> str:
        """The order's id: the slot of its number (4 hex digits), then a hash of API key and Idempotency-Key."""
        return self.doc.id

    def last(self, trigger: Trigger) -> Event | None:
        """Return the newest event with this trigger; None where there is none."""
        for event in reversed(self.events):
            if event.trigger is trigger:
                return event
        return None

    def all(self, trigger: Trigger) -> Iterator[Event]:
        """Return every event with this trigger, oldest first."""
        return (e for e in self.events if e.trigger is trigger)

    def knows(self, op: str) -> bool:
        """Whether the change `op` was made already."""
        return op in [e.op for e in self.events]

    @property
    def asked_at(self) -> Millis:
        """When the question was handed over; 0 while it was not."""
        event = self.last(Trigger.CONFIRMATION_ACCEPTED)
        return event.at if event else 0

    @property
    def reply_by(self) -> Millis:
        """Until when a yes counts; 0 while nothing was asked. It moves once, where the gateway reports a delivery."""
        return counts_until(self.events, self.doc.policy.reply_window)

    @property
    def surely_until(self) -> Millis:
        """Until when a yes counts at least, with any further report: the deadline that an SMS may promise."""
        if self.delivered_at or not self.doc.policy.reports:
            return self.reply_by
        return min(self.reply_by, self.asked_at + self.doc.policy.reply_window)

    @property
    def delivered_at(self) -> Millis:
        """When the question was known to be on the handset; 0 while it is not."""
        return delivered_at(self.events)

    @property
    def ask_by(self) -> Millis:
        """The deadline for handing the question over."""
        return self.doc.placed_at + self.doc.policy.confirm_within

    @property
    def settled_at(self) -> Millis:
        """When the order settled; 0 while it is open."""
        if not self.state.settled:
            return 0
        return next(e.at for e in reversed(self.events) if e.trigger in SETTLING)

    @property
    def refused_at(self) -> Millis:
        """The earliest possible instant of the carrier's refusal that the history records; 0: it records none.

        A cancellation may give any reason: only a message, or the gate, is a refusal.
        """
        placed, found = self.doc.placed_at, 0
        for e in self.events:
            if isinstance(e.detail, OptedOut):  # a STOP may be older than the order, and read after it was lifted
                found = max(found, min(placed, e.detail.received_at))
            elif (
                isinstance(e.detail, Cancelled | RepliedLate) and e.detail.reason == "refused" and not e.detail.limited
            ):
                found = max(found, placed if e.by == "engine" or e.detail.door else 0)
        return found

    @property
    def question(self) -> Pending | None:
        """The confirmation SMS that is still to be handed over."""
        return self.effects.get(QUESTION)

    @property
    def awaits_person(self) -> bool:
        """Whether a reply that may be a refusal waits for a person: nothing is asked meanwhile, and no yes counts."""
        return self.is_suspected or self.is_doubtful

    @property
    def is_suspected(self) -> bool:
        """Whether a reply waits for a person that can refuse everything."""
        return self._last_of(of_order=False) is Trigger.SUSPECTED

    @property
    def is_doubtful(self) -> bool:
        """Whether a reply waits for a person that can refuse this order alone."""
        return self._last_of(of_order=True) is Trigger.SUSPECTED

    @property
    def was_doubtful(self) -> bool:
        """Whether such a reply came at all, or may have come to a history that had no room for it."""
        return len(self.events) >= MOST_EVENTS or any(
            isinstance(e.detail, Suspected) and e.detail.reason is Reason.DOUBTFUL for e in self.events
        )

    def _last_of(self, *, of_order: bool) -> Trigger | None:
        """Return whether suspicions of the number, or of this order alone, began or ended last."""
        for event in reversed(self.events):
            match event.detail:
                case Suspected(reason=reason) if (reason is Reason.DOUBTFUL) is of_order:
                    return Trigger.SUSPECTED
                case Resumed(doubtful=doubtful) if bool(doubtful) is of_order:
                    return Trigger.RESUMED
        return None

    @property
    def stage(self) -> str:
        """The last step reached, in the words of the order's card."""
        reached = (STAGES[e.trigger] for e in reversed(self.events) if e.trigger in STAGES)
        return next(reached, "call_agreed")

    @property
    def text(self) -> str:
        """The question as frozen at the door; '' when it held a code and the person part is erased."""
        return self.person.text or ("" if self.doc.asks_code else self.codeless_text)

    @property
    def codeless_text(self) -> str:
        """The question as it would be asked without a code."""
        return dated(self.doc.offer.text, self.doc.offer.language, self.doc.call.started_at)

    @property
    def receipt(self) -> str:
        """The number of its receipt, which its subscriber is given."""
        return legible(f"receipt:{self.id}")

    @property
    def needs_code(self) -> bool:
        """Whether a bare yes is not enough: the question asked for the code, or a later SMS did."""
        return bool(self.doc.asks_code) or self.asked_anew

    @property
    def asked_anew(self) -> bool:
        """Whether a later SMS asked for YES with the code: after a person's decision, or a suspect yes."""
        return self.proof_asked or any(e.detail.needs_code for e in self.events if isinstance(e.detail, Resumed))

    @property
    def proof_asked(self) -> bool:
        """Whether YES with the code was asked for once, since no person can have written the yes."""
        return any(e.detail.asked for e in self.events if isinstance(e.detail, RepliedSuspect))

    def subject(self) -> Subject:
        """Return the facts that our other texts may name."""
        offer = self.doc.offer
        yes = self.last(Trigger.SAID_YES)
        return Subject(
            offer.carrier, offer.tariff, self.doc.code, self.state, self._because, self.doc.call.started_at,
            yes.at if yes else 0, self.receipt, offer.policy.cool_off, offer.policy.free_exit,
            self._held_alone,
        )  # fmt: skip

    @property
    def _because(self) -> Because:
        """Why the order was cancelled, as its subscriber may read it; of no meaning for another order."""
        event = self.last(Trigger.CANCELLED)
        if event is None or not isinstance(event.detail, Cancelled):
            return Because.STAFF
        reason, door = event.detail.reason, event.detail.door
        if door == OF_CALL:
            return _OF_CALLS[WithCall(reason)]
        if door == OF_PLAN:
            return Because.REVOKED
        if door == OF_LINE:
            return Because.HOLDER
        return Because.REFUSED if door or event.by == "engine" else Because.STAFF

    @property
    def _held_alone(self) -> bool:
        """Whether the newest reply that a person must read can refuse this order alone."""
        suspected = self.last(Trigger.SUSPECTED)
        return suspected is not None and getattr(suspected.detail, "reason", None) is Reason.DOUBTFUL

    def moved(self, *events: Event) -> "Order":
        """Return the order after `events`; raises IllegalTransition."""
        state = self.state
        for event in events:
            state = advance(state, event.trigger)
        return Order(
            self.doc, self.person, self.line, state, self.version, self.head, (*self.events, *events), self.effects,
            self.publics,
        )  # fmt: skip

    @classmethod
    def decode(cls, fields: Mapping[str, str]) -> "Order":
        """Read an order from its record's fields, and `offer`: the offer it names, as kept. Raises BrokenRecord."""
        try:
            events, publics = _events_of(fields)
            doc, state = Doc.decode(fields["doc"], fields.get("offer", "")), _STATES[fields["state"]]
            return cls(
                doc=doc,
                person=_person(fields, doc, state),
                line=fields["line"],
                state=state,
                version=int(fields["v"]),
                head=fields["head"],
                events=events,
                effects=read_effects(fields),
                publics=publics,
            )
        except (KeyError, ValueError, TypeError) as error:
            raise BrokenRecord(f"order record cannot be read: {type(error).__name__}") from error


QUESTION = sms_effect(Purpose.CONFIRMATION)
_STATES = {state.value: state for state in State}
_OF_CALLS: Mapping[WithCall, Because] = {
    WithCall.REVIEW_FAILED: Because.REVIEW,
    WithCall.UNLAWFUL: Because.NO_RECORDING,
    WithCall.VIOLATED: Because.VIOLATION,
    WithCall.DECLINED: Because.DECLINED_IN_CALL,
    WithCall.NOT_ANSWERED: Because.OTHER_CALL,
    WithCall.AGREED_LATE: Because.OTHER_CALL,
}
_ERASED = Person("", "", {})


def opened(doc: Doc, person: Person, line: str, salt: str) -> tuple[Order, dict[str, str]]:
    """Return a new order, and the fields that are written once."""
    person_text = person.encode(salt)
    doc = replace(doc, person=digest(person_text))
    public = doc.encode()
    order = Order(doc, person, line, State.AGREED, 0, chain("", [public]), (), {}, (public,))
    return order, {"doc": public, "who": person_text, "line": line}


def sealed(order: Order, events: tuple[Event, ...], salts: Iterator[str]) -> tuple[Order, dict[str, str]]:
    """Return the order (which already holds `events`) with the chain's new head, and the events' fields."""
    fields: dict[str, str] = {}
    first = len(order.events) - len(events) + 1
    publics = []
    for n, event in enumerate(events, first):
        public, person = seal(event, next(salts) if event.person else "")
        publics.append(public)
        fields[f"e{n}"] = public
        if person:
            fields[f"p{n}"] = person
    after = Order(
        order.doc, order.person, order.line, order.state, order.version, chain(order.head, publics), order.events,
        order.effects, (*order.publics, *publics),
    )  # fmt: skip
    return after, fields


def _events_of(fields: Mapping[str, str]) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Return the events, and the links of the chain."""
    publics = publics_of(fields)
    return tuple([unseal(public, fields.get(f"p{n}")) for n, public in enumerate(publics[1:], 1)]), tuple(publics)


def _person(fields: Mapping[str, str], doc: Doc, state: State) -> Person:
    """Return the person part; only a settled order may lack it. Raises KeyError, and ValueError for another one."""
    return _ERASED if state.settled and "who" not in fields else Person.decode(named(fields["who"], doc.person))


def replay(fields: Mapping[str, str]) -> tuple[State, str, Millis]:
    """Return state, head and reply_by as the history alone gives them; the offer is not needed."""
    events, publics = _events_of(fields)
    state = State.AGREED
    for event in events:
        state = advance(state, event.trigger)
    asked = [e.detail for e in events if isinstance(e.detail, ConfirmationAccepted)]
    window = 0 if all(each.window for each in asked) else Doc.decode(fields["doc"]).policy.reply_window
    return state, chain("", publics), counts_until(events, window)


class Evidence(StrEnum):
    """The class of an order: the fact that it is evidence of."""

    SERVICE = "service"
    """A service was activated on its yes: the subscriber may dispute the bill."""
    NO_SERVICE = "no_service"
    """Nothing was activated: there is only the question and its answer."""

    @classmethod
    def of(cls, order: Order) -> "Evidence":
        """Return the class of a settled order."""
        return cls.SERVICE if order.last(Trigger.SERVICE_ACTIVATED) is not None else cls.NO_SERVICE


FIVE_MONTHS = timedelta(days=153)
"""The minimum for messages with both their numbers, and for consent evidence."""
THREE_YEARS = timedelta(days=1096)
"""The minimum for records of processing."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long data are kept after settling, in ms. service, no_service: person parts, by class · records: the rest."""

    service: int = int(THREE_YEARS.total_seconds() * 1000)
    no_service: int = int(FIVE_MONTHS.total_seconds() * 1000)
    records: int = int(THREE_YEARS.total_seconds() * 1000)

    def persons_before(self, evidence: Evidence, now: Millis) -> Millis:
        """Return an instant: orders of this class that settled before it keep no person part."""
        return now - (self.service if evidence is Evidence.SERVICE else self.no_service)

    def records_before(self, now: Millis) -> Millis:
        """Return an instant: orders that settled before it are not kept."""
        return now - max(self.records, self.service, self.no_service)
