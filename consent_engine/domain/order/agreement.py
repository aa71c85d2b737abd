"""What was frozen at the door, once and for all: the doc, which names no person, and the person part."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from consent_engine.domain.canonical_json import Reader, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import HASH_LENGTH
from consent_engine.domain.offer.offer import Offer
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.order.event import salted


class AgreedIn(Struct, frozen=True, array_like=True):
    """The call in which the subscriber agreed, as its order describes it."""

    caller_number: str
    recording_id: str
    started_at: Millis
    agreed_at: Millis


class Doc(Struct, frozen=True):
    """What was frozen at the door; written once, public: it names no person.

    placed_by: name of the API key · code: tells this order from the subscriber's others · asks_code: 1 where the text
    asks for it · sub: digits appended to the sender, '' if none · segments: of the question · person: the hash of the
    person part · call_id: the record of the call; '' of an order from before there were any
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
    call_id: str = ""

    @property
    def carrier(self) -> str:
        """Who sells."""
        return self.offer.carrier

    @property
    def plan(self) -> str:
        """The plan's code."""
        return self.offer.plan

    @property
    def policy(self) -> Policy:
        """The policy at the door."""
        return self.offer.policy

    def kept(self) -> str:
        """As kept, and as the first link of the chain."""
        head = self.id, self.placed_at, self.placed_by, self.agent, self.request, self.person
        question = self.sub, self.code, self.asks_code, self.segments
        return _ROWS.write(_Kept(self.offer.hash, head, self.call, question, self.call_id))

    @classmethod
    def read(cls, kept: str, offer: str = "") -> "Doc":
        """What `kept` wrote. offer: the offer it names, as kept. Raises ValueError when that is another one."""
        if not offer_named(kept):
            return _older(_OLDER(kept))
        row, known = _ROWS.read(kept), Offer.read(offer)
        if known.hash != row.offer:
            raise ValueError("another offer than the order names")
        return cls(*row.head, row.call, known, *row.question, row.call_id)


class _Kept(Struct, frozen=True, array_like=True):
    """What comes later comes last: none of the parts ever grows."""

    offer: str
    head: tuple[str, Millis, str, str, str, str]
    call: AgreedIn
    question: tuple[str, str, int, int]
    call_id: str = ""


class _Older(Struct, frozen=True, array_like=True):
    """An order of the time when each held its offer itself: read, and never written any more."""

    head: tuple[str, Millis, str, str, str, str, str]
    call: AgreedIn
    plan: tuple[str, int, str, str, str, str]
    question: tuple[str, str, str, int, int, int]
    policy: tuple[int, ...]


_ROWS = Rows(_Kept, least=4)
_OLDER = Reader(_Older)


def _older(row: _Older) -> Doc:
    order_id, placed_at, placed_by, agent, carrier, request, person = row.head
    sender, sub, code, asks_code, words, segments = row.question
    offer = Offer(carrier, *row.plan, sender, words, "", segments, Policy.thaw(row.policy))
    return Doc(order_id, placed_at, placed_by, agent, request, person, row.call, offer, sub, code, asks_code, segments)


def offer_named(doc: str) -> str:
    """The hash of the offer that an order's doc (as kept) names; '' when it holds its own."""
    return doc[2 : 2 + HASH_LENGTH] if doc.startswith('["') else ""


class Person(Struct, frozen=True):
    """The person part of the placing: what erasing a subscriber deletes. text: '' where it is the offer's own."""

    msisdn: str
    text: str = ""
    metadata: Mapping[str, Any] = {}

    def kept(self, salt: str) -> str:
        text = {"text": self.text} if self.text else {}
        metadata = {"metadata": self.metadata} if self.metadata else {}
        return salted({"msisdn": self.msisdn, **text, **metadata}, salt)

    @classmethod
    def read(cls, kept: str) -> "Person":
        return _PERSONS(kept)


_PERSONS = Reader(Person)
