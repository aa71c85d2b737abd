"""Facts: what reached us about an order. `decide` turns a fact into events and effects; nothing else does.

Every fact has an `op`, the identity of the change it asks for: the same fact twice changes an order once.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis, Outcome
from consent_engine.domain.grammar import Keyword, Reason
from consent_engine.domain.order.rhythm import Rhythm
from consent_engine.domain.order.seen import Seen
from consent_engine.domain.sms import Delivery


class Rule(StrEnum):
    """By which rule a reply was found to mean an order (design part 7)."""

    SUB_NUMBER = "sub_number"
    CODE = "code"
    ONLY_ORDER = "only_order"
    WHICH_ONE = "which_one"
    """The code alone, as the answer to our own question."""
    AMBIGUOUS = "ambiguous"
    EVERY_OPEN = "every_open"
    """A STOP or a refusal: means every open order of the carrier."""


class Replied(Struct, frozen=True):
    """A subscriber's message that means this order, or (AMBIGUOUS) might.

    at: orders it among what is known of its number · came: when it reached us, where that is not `at` ·
    written_at: the latest instant it can have been written, if the gateway knows ·
    candidates: the orders it might have meant · answer: whether an SMS answers it (one a message, not one an order) ·
    edition: of the words that read it · reason: of a reply that a person must read ·
    barred: a restriction stood against the carrier when it reached us: it is no consent ·
    coded: the order's code stands in it · in_call: the call in which the service was sold is not over ·
    seen: of one that is held, why no person can have written it · rhythm: that of other numbers that it came in, where
    the store found one
    """

    op: str
    at: Millis
    keyword: Keyword
    rule: Rule
    candidates: tuple[str, ...]
    gateway: str
    ref: str
    text: str
    msisdn: str
    to: str
    written_at: Millis | None = None
    answer: bool = True
    barred: bool = False
    edition: int = 0
    reason: Reason | None = None
    came: Millis | None = None
    coded: bool = False
    in_call: bool = False
    seen: Seen | None = None
    rhythm: Rhythm | None = None

    @property
    def received_at(self) -> Millis:
        """When it reached us by the store's clock: in time or not, and since when."""
        return self.at if self.came is None else self.came


class Reported(Struct, frozen=True):
    """A delivery report on one of this order's SMS.

    waits: replies behind it are still unread · whole: it was counted from reports on every part · stamp: the instant
    that it is about, by the gateway's clock
    """

    op: str
    at: Millis
    gateway: str
    effect: str
    message_id: str
    status: Delivery
    segment: int
    segments: int
    error: str
    waits: bool = False
    whole: bool = False
    stamp: Millis | None = None


class Ended(Struct, frozen=True):
    """An outside call ended, or its lease was lost (then the outcome is Uncertain and nothing was called).

    token: the attempt this belongs to · roll: 0..1, the jitter · waits: an unread message forbids to settle on it now
    """

    effect: str
    token: int
    outcome: Outcome
    roll: float = 0.5
    waits: bool = False
    known_by: str = ""
    """the op of the message that brought it, when that was not the call itself"""
    known: int | None = None
    """how many of the order's events an SMS was written after, where that is known"""

    @property
    def op(self) -> str:
        """One outcome an attempt."""
        return self.known_by or f"{self.effect}#{self.token}"


class Woke(Struct, frozen=True):
    """A timer is due. waits: an unread message forbids to settle on it now."""

    effect: str
    token: int
    waits: bool = False

    @property
    def op(self) -> str:
        """One end a timer."""
        return f"{self.effect}#{self.token}"


class Barred(Struct, frozen=True):
    """The activation was due, and not begun: restrictions of these names stand on the line."""

    names: tuple[str, ...]
    at: Millis

    @property
    def op(self) -> str:
        """One look."""
        return f"barred#{self.at}"


class Resumed(Struct, frozen=True):
    """A person read a suspected refusal, and it was none."""

    op: str
    by: str
    reason: str


class CancelAsked(Struct, frozen=True):
    """The order is to be cancelled: by an agent, ops, or a refusal (then `door` says which, and no caller waits)."""

    op: str
    by: str
    reason: str
    door: str = ""
    revoked: bool = False
    ref: str = ""
    person: Mapping[str, str] | None = None
    """the words that a refusal outweighed: they stay in the history"""
    limited: bool = False
    """a refusal of one plan, or for a time"""


class RetryAsked(Struct, frozen=True):
    """A person wants parked effects done now, and answers for the next answer.

    effects: these alone; none: all that is parked
    """

    op: str
    by: str
    effects: tuple[str, ...] = ()


class GiveUpAsked(Struct, frozen=True):
    """Nobody shall send the notification any more: it can never go out."""

    op: str
    by: str
    reason: str


class Revealed(Struct, frozen=True):
    """Somebody whom the number is masked for is about to be shown it."""

    op: str
    by: str
    role: str
    reason: str


class NumberChanged(Struct, frozen=True):
    """The number went to another holder, or away from the carrier: nothing of the order concerns whoever has it now."""

    op: str
    by: str
    ref: str


class ResendAsked(Struct, frozen=True):
    """The question is to be sent again; the window goes on."""

    op: str
    by: str


Fact = (
    Replied
    | Reported
    | Ended
    | Woke
    | Barred
    | Resumed
    | CancelAsked
    | RetryAsked
    | ResendAsked
    | GiveUpAsked
    | NumberChanged
    | Revealed
)
