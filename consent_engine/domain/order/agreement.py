"""What was frozen at the door, once and for all: the doc, which names no person, and the person part."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from consent_engine.domain.canonical_json import compact, parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import HASH_LENGTH
from consent_engine.domain.offer.offer import Offer
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.order.event import salted


class Call(Struct, frozen=True):
    """The call in which the subscriber agreed."""

    caller_number: str
    recording_id: str
    started_at: Millis
    agreed_at: Millis


class Doc(Struct, frozen=True):
    """What was frozen at the door; written once, public: it names no person.

    placed_by: name of the API key · code: tells this order from the subscriber's others · asks_code: the text asks
    for it · sub: digits appended to the sender, '' if none · segments: of the question · person: hash of the person
    part
    """

    id: str
    placed_at: Millis
    placed_by: str
    agent: str
    call: Call
    offer: Offer
    sub: str
    code: str
    asks_code: bool
    segments: int
    request: str
    person: str

    @property
    def carrier(self) -> str:
        """Who sells."""
        return self.offer.carrier

    @property
    def plan(self) -> str:
        """The plan's code."""
        return self.offer.plan

    @property
    def plan_version(self) -> int:
        """The plan's version at the door."""
        return self.offer.plan_version

    @property
    def plan_hash(self) -> str:
        """The plan's hash at the door."""
        return self.offer.plan_hash

    @property
    def plan_name(self) -> str:
        """The plan's name at the door."""
        return self.offer.plan_name

    @property
    def sender(self) -> str:
        """The number our SMS come from."""
        return self.offer.sender

    @property
    def words(self) -> int:
        """The edition of our texts."""
        return self.offer.words

    @property
    def policy(self) -> Policy:
        """The policy at the door."""
        return self.offer.policy

    def kept(self) -> str:
        """As kept, and as the first link of the chain."""
        call = [self.call.caller_number, self.call.recording_id, self.call.started_at, self.call.agreed_at]
        question = [self.sub, self.code, int(self.asks_code), self.segments]
        head = [self.id, self.placed_at, self.placed_by, self.agent, self.request, self.person]
        return compact([self.offer.hash, head, call, question])

    @classmethod
    def read(cls, kept: str, offer: str = "") -> "Doc":
        """What `kept` wrote. offer: the offer it names, as kept. Raises ValueError when that is another one."""
        named, *parts = parsed(kept)
        if not isinstance(named, str):
            return _older(named, *parts)
        head, call, question = parts
        known = Offer.read(offer)
        if known.hash != named:
            raise ValueError("another offer than the order names")
        order_id, placed_at, placed_by, agent, request, person = head
        sub, code, asks_code, segments = question
        return cls(
            order_id, placed_at, placed_by, agent, Call(*call), known, sub, code, bool(asks_code), segments, request,
            person,
        )  # fmt: skip


def _older(head: list[Any], call: list[Any], plan: list[Any], question: list[Any], policy: list[int]) -> Doc:
    """An order of the time when each held its offer itself."""
    order_id, placed_at, placed_by, agent, carrier, request, person = head
    sender, sub, code, asks_code, words, segments = question
    name, version, plan_hash, plan_name, price, unsubscribe = plan
    offer = Offer(
        carrier, name, version, plan_hash, plan_name, price, unsubscribe, sender, words, "", segments,
        Policy.thaw(policy),
    )  # fmt: skip
    return Doc(
        order_id, placed_at, placed_by, agent, Call(*call), offer, sub, code, bool(asks_code), segments, request, person
    )


def offer_named(doc: str) -> str:
    """The hash of the offer that an order's doc (as kept) names; '' when it holds its own."""
    return doc[2 : 2 + HASH_LENGTH] if doc.startswith('["') else ""


class Person(Struct, frozen=True):
    """The person part of the placing: what erasing a subscriber deletes. text: '' where it is the offer's own."""

    msisdn: str
    text: str
    metadata: Mapping[str, Any]

    def kept(self, salt: str) -> str:
        """As kept."""
        text = {"text": self.text} if self.text else {}
        metadata = {"metadata": self.metadata} if self.metadata else {}
        return salted({"msisdn": self.msisdn, **text, **metadata}, salt)

    @classmethod
    def read(cls, kept: str) -> "Person":
        """What `kept` wrote."""
        known = parsed(kept)
        return cls(known["msisdn"], known.get("text", ""), known.get("metadata", {}))
