"""The agreement frozen at the door, once and for all: the doc, which names no person, and the person part."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from consent_engine.domain.canonical_json import Reader, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import HASH_LENGTH
from consent_engine.domain.offer.offer import Offer, Policy
from consent_engine.domain.order.event import salted


class AgreedIn(Struct, frozen=True, array_like=True):
    """The call in which the subscriber agreed, as its order describes it."""

    caller_number: str
    recording_id: str
    started_at: Millis
    agreed_at: Millis


class Doc(Struct, frozen=True):
    """The order as frozen at the door: written once, and public, since it names no person.

    placed_by: name of the API key · code: tells this order from the subscriber's others · asks_code: 1 where the
    question asks for the code · sub: digits appended to the sender, '' if none · segments: of the question · person:
    the hash of the person part · call_id: the record of the call
    """

    id: str
    placed_at: Millis
    placed_by: str
    agent: str
    request: str
    person: str
    call: AgreedIn
    offer: Offer
    sub: str
    code: str
    asks_code: int
    segments: int
    call_id: str

    @property
    def carrier(self) -> str:
        return self.offer.carrier

    @property
    def plan(self) -> str:
        """The plan's code."""
        return self.offer.plan

    @property
    def policy(self) -> Policy:
        """The policy as frozen at the door."""
        return self.offer.policy

    def encode(self) -> str:
        """Return the doc as kept, which is also the first link of the chain."""
        head = self.id, self.placed_at, self.placed_by, self.agent, self.request, self.person
        question = self.sub, self.code, self.asks_code, self.segments
        return _ROWS.encode(_Kept(self.offer.hash, head, self.call, question, self.call_id))

    @classmethod
    def decode(cls, kept: str, offer: str = "") -> "Doc":
        """Read the form that `encode` wrote. offer: the offer it names, as kept. Raises ValueError for another one."""
        row, known = _ROWS.decode(kept), Offer.decode(offer)
        if known.hash != row.offer:
            raise ValueError("another offer than the order names")
        return cls(*row.head, row.call, known, *row.question, row.call_id)


class _Kept(Struct, frozen=True, array_like=True):
    """A doc as kept. New fields are appended at the end: none of the existing parts ever grows."""

    offer: str
    head: tuple[str, Millis, str, str, str, str]
    call: AgreedIn
    question: tuple[str, str, int, int]
    call_id: str


_ROWS = Rows(_Kept, least=5)


def offer_named(doc: str) -> str:
    """Return the hash of the offer that an order's doc (as kept) names; '' for a doc that cannot be read."""
    return doc[2 : 2 + HASH_LENGTH] if doc.startswith('["') else ""


class Person(Struct, frozen=True):
    """The person part of the placing: erasing a subscriber deletes it. text: '' where it is the offer's own."""

    msisdn: str
    text: str = ""
    metadata: Mapping[str, Any] = {}

    def encode(self, salt: str) -> str:
        text = {"text": self.text} if self.text else {}
        metadata = {"metadata": self.metadata} if self.metadata else {}
        return salted({"msisdn": self.msisdn, **text, **metadata}, salt)

    @classmethod
    def decode(cls, kept: str) -> "Person":
        return _PERSONS(kept)


_PERSONS = Reader(Person)
