"""Facts: news about an order from outside. `decide` turns a fact into events and effects; nothing else does.

Every fact has an `op`, the identity of the change it asks for: the same fact twice changes an order once.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.effects import Millis, Outcome
from consent_engine.domain.grammar import Keyword, Reason
from consent_engine.domain.order.unlikely_yes import ReplyCadence, Suspicion
from consent_engine.domain.sms import Delivery


class Rule(StrEnum):
    """The rule by which a reply was found to mean an order (design part 7)."""

    SUB_NUMBER = "sub_number"
    CODE = "code"
    ONLY_ORDER = "only_order"
    WHICH_ONE = "which_one"
    """The code alone, as the answer to our own "which one?" question."""
    AMBIGUOUS = "ambiguous"
    EVERY_OPEN = "every_open"
    """A STOP or a suspected refusal: it means every open order of the carrier."""


class Replied(Struct, frozen=True):
    """A subscriber's message that means this order, or (AMBIGUOUS) might.

    at: its place among all records of its number · person: its numbers, its words, its post · came: when it reached us,
    where that is not `at` · written_at: the latest instant it can have been written, if the gateway knows ·
    candidates: the orders it might have meant · answer: whether an SMS answers it (one a message, not one an order)
    · edition: of the words that read it · reason: why a person must read it · barred: a restriction stood against
    the carrier when it reached us: it is no consent · coded: it contains the order's code · in_call: the call in
    which the service was sold is not over · seen: for a yes that is held, why no person can have written it ·
    cadence: the one it shares with other numbers, where one was found
    """

    op: str
    at: Millis
    keyword: Keyword
    rule: Rule
    candidates: tuple[str, ...]
    gateway: str
    ref: str
    person: Mapping[str, str]
    written_at: Millis | None = None
    answer: bool = True
    barred: bool = False
    edition: int = 0
    reason: Reason | None = None
    came: Millis | None = None
    coded: bool = False
    in_call: bool = False
    seen: Suspicion | None = None
    cadence: ReplyCadence | None = None

    @property
    def received_at(self) -> Millis:
        """When it reached us by the store's clock, which decides whether it is in time."""
        return self.at if self.came is None else self.came


class Reported(Struct, frozen=True):
    """A delivery report on one of this order's SMS.

    waits: replies behind it in the inbox are still unread · whole: it was counted from reports on every part · stamp:
    the instant that it is about, by the gateway's clock
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
    """The end of an outside call, or the loss of its lease (then the outcome is Uncertain and nothing was called).

    token: the attempt it belongs to; its number is enough here, since an attempt that was given back has no outcome ·
    roll: 0..1, the jitter · waits: an unread message forbids settling on it now
    """

    effect: str
    token: int
    outcome: Outcome
    roll: float = 0.5
    waits: bool = False
    known_by: str = ""
    """the op of the message that proved the outcome, when the call itself did not"""
    known: int | None = None
    """how many of the order's events an SMS was written after, where that is known"""

    @property
    def op(self) -> str:
        """One outcome per attempt."""
        return self.known_by or f"{self.effect}#{self.token}"


class Woke(Struct, frozen=True):
    """A timer that is due. waits: an unread message forbids settling on it now."""

    effect: str
    token: int
    waits: bool = False

    @property
    def op(self) -> str:
        """One outcome per timer."""
        return f"{self.effect}#{self.token}"


class Barred(Struct, frozen=True):
    """An activation that was due, and not begun: restrictions of these names stand on the line."""

    names: tuple[str, ...]
    at: Millis

    @property
    def op(self) -> str:
        """One look at the line per instant."""
        return f"barred#{self.at}"


class Asked(Struct, frozen=True):
    """A fact with its author."""

    op: str
    by: str


class Resumed(Asked, frozen=True):
    """A person's decision that a suspected refusal was none. doubtful: it was of this order alone."""

    reason: str
    doubtful: bool = False


class CancelAsked(Asked, frozen=True):
    """A request to cancel the order: by an agent, ops, or a refusal (then `door` says which, and no caller waits)."""

    reason: str
    door: str = ""
    revoked: bool = False
    ref: str = ""
    person: Mapping[str, str] | None = None
    """the message that a refusal outweighed: it stays in the history"""
    limited: bool = False
    """whether the refusal is about one plan, or for a time"""


class RetryAsked(Asked, frozen=True):
    """A person's request to do parked effects now; the person vouches for the next answer.

    effects: these alone; none: all that are parked
    """

    effects: tuple[str, ...] = ()


class GiveUpAsked(Asked, frozen=True):
    """A request to stop sending the notification: it can never go out."""

    reason: str


class Revealed(Asked, frozen=True):
    """The number is about to be shown to a person whose role masks it."""

    role: str
    reason: str


class PlacedAgain(Asked, frozen=True):
    """An undeliverable order's call got a new order, which asks again. old, new: one of them, the other order"""

    old: str = ""
    new: str = ""


class NumberChanged(Asked, frozen=True):
    """The number went to another holder, or away from the carrier: its new holder has nothing to do with the order."""

    ref: str


class ResendAsked(Asked, frozen=True):
    """A request to send the question again; the window goes on. waits: a message is unread, which may be the answer."""

    waits: bool = False


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
    | PlacedAgain
)
