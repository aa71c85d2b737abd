"""The ports to the outside: gateways, the BSS, and the queue that hands out wake-ups."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field

from consent_engine.domain.effects import Lane, Millis, Outcome, Purpose, Unavailable
from consent_engine.domain.line.subscriber import Subscriber
from consent_engine.domain.sms import DeliveryReport, Reply
from consent_engine.ports.room import Room

Message = TypeVar("Message", Reply, DeliveryReport)
MAY_GO: ContextVar[Callable[[], bool]] = ContextVar("MAY_GO")
"""Of the call that a task makes, where it is set: an adapter asks this once its connection stands, right before the
first byte of what has an effect goes out. False: nothing goes out, and the outcome is Unavailable."""


class NotSent(Exception):
    """It may not go any more, and its connection has just been made: nothing went out."""


class Sms(Struct, frozen=True):
    """An SMS to hand over (MT). `ref` is the same for every attempt at it.

    valid_for: how long (ms) it is worth delivering, 0 where that is for the gateway to say
    """

    ref: str
    sender: str
    to: str
    text: str
    purpose: Purpose
    valid_for: Millis = 0


class Activation(Struct, frozen=True):
    """A service to switch on. `order_id` is the idempotency key and never changes between attempts."""

    order_id: str
    msisdn: str
    plan: str
    plan_version: int
    plan_hash: str
    confirmed_at: Millis
    head: str


class Deactivation(Struct, frozen=True):
    """A service to switch off. `ending_id` is the idempotency key and never changes between attempts."""

    ending_id: str
    order_id: str
    activation_id: str
    msisdn: str
    plan: str
    cause: str
    asked_at: Millis


class WebhookCall(Struct, frozen=True):
    """What a gateway sent us, as it came: nothing verified yet. Header names are lower case."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    now: Millis


class Parsed(Struct, Generic[Message], frozen=True):
    """One webhook call, read item by item: a poison item does not sink its batch.

    rejected: (index, what is wrong) - never the value.
    """

    messages: tuple[tuple[int, Message], ...]
    rejected: tuple[tuple[int, str], ...] = ()


class Acknowledgement(Struct, frozen=True):
    """The answer this gateway understands as "stored"."""

    status: int
    body: bytes
    content_type: str


class Webhooks(Protocol):
    """The way back: what a gateway posts to us, verified and read, and the answer that it understands."""

    def replies(self, call: WebhookCall) -> Parsed[Reply]:
        """Read a call to the inbound webhook. Raises Unauthenticated (nothing read yet) or Malformed."""

    def reports(self, call: WebhookCall) -> Parsed[DeliveryReport]:
        """Read a call to the receipts webhook. Raises Unauthenticated (nothing read yet) or Malformed."""

    def acknowledge(self, accepted: int, rejected: Sequence[tuple[int, str]]) -> Acknowledgement:
        """The answer once everything readable is stored."""


class Gateway(Protocol):
    """A service that carries our SMS. One of a kind may exist several times under different names."""

    name: str
    sub_numbers: bool
    """Whether digits may be appended to the sender to tell orders apart (rule 1 of correlation)."""
    segments: int
    """So many segments of one text arrive whole; a longer one is not handed over."""
    reports: bool
    """Whether it says of every SMS when it is on the handset. Then a yes before that is one that nobody can have read
    the question of."""

    @property
    def webhooks(self) -> Webhooks:
        """What reads its posts."""

    async def send(self, sms: Sms) -> Outcome:
        """Hand over one SMS. Never raises for anything the other side does; bounded by its own timeout."""

    async def close(self) -> None:
        """Give back connections."""


class Bss(Protocol):
    """The carrier's system that switches services on."""

    name: str

    async def activate(self, activation: Activation) -> Outcome:
        """Switch it on, under the order's id as idempotency key. Never raises for what the other side does."""

    async def ask(self, order_id: str) -> Outcome | None:
        """What became of earlier attempts, asked after doubt: `Untaken` where it knows none; None: nobody can say."""

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        """Switch it off, under the ending's id as idempotency key. Never raises for what the other side does."""

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """As `ask`, of an ending."""

    async def close(self) -> None:
        """Give back connections."""


class Subscribers(Protocol):
    """The BSS asked who has a number. Only where it can be asked; any of them may not know."""

    name: str
    """as it stands in metrics: the BSS's own, with what it is asked"""

    async def look_up(self, msisdn: str) -> Subscriber | Unavailable:
        """Who has it at this moment. Never raises for what the other side does; bounded by its own timeout."""

    async def close(self) -> None:
        """Give back connections."""


class Queue(Protocol):
    """Hands wake-ups to workers. Losing, doubling or wiping it costs ticks, never an order."""

    def wake(self, lane: Lane, due: int, *, more: bool = False) -> None:
        """Have a worker look at `lane` soon; `due` is only shown. At most two wait a lane. Never raises.

        more: whoever is awake there is not enough
        """

    def stays(self, lanes: Sequence[Lane]) -> bool:
        """Promise to be awake for these lanes for a moment, and to look once more after it: nobody need be woken.
        False where another's promise lasts, or that cannot be known; nothing is promised then. Never raises.
        """

    def leaves(self, lanes: Sequence[Lane]) -> None:
        """Let another promise, though the own promise lasts, and is believed, until it is over. Never raises."""

    def room(self) -> Room | None:
        """How much room its server has; None where it cannot be asked. Never raises."""


class Outside(Struct, frozen=True):
    """The gateways by name, which of them serves which carrier, our sender numbers, and the BSS."""

    gateways: Mapping[str, Gateway]
    routes: Mapping[str, str] = field(default_factory=dict)
    """carrier -> gateway name"""
    senders: Mapping[str, str] = field(default_factory=dict)
    """carrier -> the number our SMS come from"""
    bss: Bss | None = None
    subscribers: Subscribers | None = None
    """who has a number, where the BSS can say it"""
    code_of: Callable[[str, str], str] | None = None
    """the code that a line's reporter is sent, of the line and of what is kept of it"""
