"""Order: one subscriber asked for one plan. What was frozen at the door, and everything that happened since.

Whatever changes is read from the events, so the history *is* the record. `state`, `reply_by` and `head` are kept
beside it for scripts and people; `replay` says what they must be.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from consent_engine.domain.effects import Millis, Pending, Purpose, sms_effect
from consent_engine.domain.event import Event, chain, compact, digest, salted, seal, unseal
from consent_engine.domain.lifecycle import STAGES, State, Trigger, advance
from consent_engine.domain.messages import Subject
from consent_engine.domain.policy import Policy
from consent_engine.errors import BrokenRecord

MOST_EVENTS = 200
"""A bound on one order's history: past it, messages that only add a note are kept as unmatched."""


@dataclass(frozen=True, slots=True)
class Call:
    """The call in which the subscriber agreed."""

    caller_number: str
    recording_id: str
    started_at: Millis
    agreed_at: Millis


@dataclass(frozen=True, slots=True)
class Doc:
    """What was frozen at the door; written once, public: it names no person.

    placed_by: name of the API key · code: tells this order from the subscriber's others · asks_code: the text asks
    for it · sub: digits appended to the sender, '' if none · words: the edition of our texts · text_hash: of the
    confirmation · person: hash of the person part
    """

    id: str
    placed_at: Millis
    placed_by: str
    agent: str
    call: Call
    carrier: str
    plan: str
    plan_version: int
    plan_hash: str
    plan_name: str
    price: str
    unsubscribe: str
    sender: str
    sub: str
    code: str
    asks_code: bool
    words: int
    segments: int
    policy: Policy
    request: str
    person: str

    def kept(self) -> str:
        """As kept, and as the first link of the chain."""
        call = [self.call.caller_number, self.call.recording_id, self.call.started_at, self.call.agreed_at]
        plan = [self.plan, self.plan_version, self.plan_hash, self.plan_name, self.price, self.unsubscribe]
        question = [self.sender, self.sub, self.code, int(self.asks_code), self.words, self.segments]
        head = [self.id, self.placed_at, self.placed_by, self.agent, self.carrier, self.request, self.person]
        return compact([head, call, plan, question, self.policy.frozen()])

    @classmethod
    def read(cls, kept: str) -> "Doc":
        """What `kept` wrote."""
        head, call, plan, question, policy = json.loads(kept)
        order_id, placed_at, placed_by, agent, carrier, request, person = head
        sender, sub, code, asks_code, words, segments = question
        plan_code, version, plan_hash, name, price, unsubscribe = plan
        return cls(
            order_id, placed_at, placed_by, agent, Call(*call), carrier, plan_code, version, plan_hash, name, price,
            unsubscribe, sender, sub, code, bool(asks_code), words, segments, Policy.thaw(policy), request, person,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """The person part of the placing: what erasing a subscriber deletes."""

    msisdn: str
    text: str
    metadata: Mapping[str, Any]

    def kept(self, salt: str) -> str:
        """As kept."""
        return salted({"msisdn": self.msisdn, "text": self.text, "metadata": self.metadata}, salt)

    @classmethod
    def read(cls, kept: str) -> "Person":
        """What `kept` wrote."""
        known = json.loads(kept)
        return cls(known["msisdn"], known["text"], known["metadata"])


@dataclass(frozen=True, slots=True)
class Order:
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
        """The chain's head as the newest event with this trigger left it; later events do not change it."""
        n = max(n for n, event in enumerate(self.events, 1) if event.trigger is trigger)
        return chain("", self.publics[: n + 1])

    @property
    def id(self) -> str:
        """The order's id: the slot of its number (4 hex digits), then a hash of API key and Idempotency-Key."""
        return self.doc.id

    def last(self, trigger: Trigger) -> Event | None:
        """The newest event with this trigger."""
        return next((e for e in reversed(self.events) if e.trigger is trigger), None)

    def all(self, trigger: Trigger) -> Iterator[Event]:
        """Every event with this trigger, oldest first."""
        return (e for e in self.events if e.trigger is trigger)

    def knows(self, op: str) -> bool:
        """Whether this change was made already."""
        return any(e.op == op for e in self.events)

    @property
    def asked_at(self) -> Millis:
        """When the question was handed over; 0 while it was not."""
        event = self.last(Trigger.CONFIRMATION_ACCEPTED)
        return event.at if event else 0

    @property
    def reply_by(self) -> Millis:
        """Until when a yes counts; 0 while nothing was asked."""
        asked_at = self.asked_at
        return asked_at + self.doc.policy.reply_window if asked_at else 0

    @property
    def ask_by(self) -> Millis:
        """Until when the question must have been handed over."""
        return self.doc.placed_at + self.doc.policy.confirm_within

    @property
    def settled_at(self) -> Millis:
        """When the order settled; 0 while it is open."""
        if not self.state.settled:
            return 0
        return next(e.at for e in reversed(self.events) if e.trigger in _SETTLING)

    @property
    def question(self) -> Pending | None:
        """The confirmation that is still to be handed over."""
        return self.effects.get(QUESTION)

    @property
    def stage(self) -> str:
        """The card's word for the last step reached."""
        reached = (STAGES[e.trigger] for e in reversed(self.events) if e.trigger in STAGES)
        return next(reached, "call_agreed")

    def subject(self) -> Subject:
        """What our other texts may name."""
        doc = self.doc
        return Subject(doc.carrier, doc.plan_name, doc.price, doc.unsubscribe, doc.code)

    def moved(self, *events: Event) -> "Order":
        """The order after `events`; raises IllegalTransition."""
        state = self.state
        for event in events:
            state = advance(state, event.trigger)
        return replace(self, state=state, events=(*self.events, *events))

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Order":
        """An order from the fields of its record."""
        try:
            numbers = sorted(int(name[1:]) for name in fields if name[0] == "e" and name[1:].isdigit())
            return cls(
                doc=Doc.read(fields["doc"]),
                person=Person.read(fields["who"]) if "who" in fields else _ERASED,
                line=fields["line"],
                state=State(fields["state"]),
                version=int(fields["v"]),
                head=fields["head"],
                events=tuple(unseal(fields[f"e{n}"], fields.get(f"p{n}", "")) for n in numbers),
                effects={name[2:]: Pending.read(kept) for name, kept in fields.items() if name[:2] == "f:"},
                publics=(fields["doc"], *(fields[f"e{n}"] for n in numbers)),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise BrokenRecord(f"order record cannot be read: {type(error).__name__}") from error


QUESTION = sms_effect(Purpose.CONFIRMATION)
_ERASED = Person("", "", {})
_SETTLING = frozenset(
    {
        Trigger.NOTIFICATION_ACCEPTED,
        Trigger.SAID_NO,
        Trigger.OPTED_OUT,
        Trigger.WINDOW_CLOSED,
        Trigger.TOO_LATE_TO_ASK,
        Trigger.CONFIRMATION_FAILED,
        Trigger.CANCELLED,
        Trigger.ACTIVATION_REFUSED,
    }
)


def opened(doc: Doc, person: Person, line: str, salt: str) -> tuple[Order, dict[str, str]]:
    """A new order, and the fields that are written once."""
    who = person.kept(salt)
    doc = replace(doc, person=digest(who))
    public = doc.kept()
    order = Order(doc, person, line, State.AGREED, 0, chain("", [public]), (), {}, (public,))
    return order, {"doc": public, "who": who, "line": line}


def sealed(order: Order, events: tuple[Event, ...], salts: Iterator[str]) -> tuple[Order, dict[str, str]]:
    """The order with the chain's new head (for an order that already holds `events`), and the events' fields."""
    fields: dict[str, str] = {}
    first = len(order.events) - len(events) + 1
    publics = []
    for n, event in enumerate(events, first):
        public, person = seal(event, next(salts))
        publics.append(public)
        fields[f"e{n}"] = public
        if person:
            fields[f"p{n}"] = person
    return replace(order, head=chain(order.head, publics), publics=(*order.publics, *publics)), fields


def replay(fields: Mapping[str, str]) -> tuple[State, str, Millis]:
    """State, head and reply_by as the history alone gives them."""
    order = Order.read(fields)
    state = State.AGREED
    for event in order.events:
        state = advance(state, event.trigger)
    head = chain("", [fields["doc"], *(fields[f"e{n}"] for n in range(1, len(order.events) + 1))])
    return state, head, order.reply_by
