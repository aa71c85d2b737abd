"""The ports to the outside: gateways, BSS, look-up, review command, tariff pages, and the queue of wake-ups."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from itertools import chain
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Lane, Millis, Outcome, Purpose, Unavailable
from consent_engine.domain.line.holder import Subscriber
from consent_engine.domain.sms import DeliveryReport, Reply
from consent_engine.errors import ConsentError, Malformed
from consent_engine.ports.lanes import Route, ServerMemory

Message = TypeVar("Message", Reply, DeliveryReport)
MAY_GO: ContextVar[Callable[[], bool]] = ContextVar("MAY_GO")
"""A check for the outside call of the current task, where set: an adapter calls it once its connection stands, right
before it sends the first byte of a request that has an effect. False: nothing is sent; the outcome is Unavailable."""


class NotSent(Exception):
    """The request was called off when its connection had just been made: nothing was sent."""


class Sms(Struct, frozen=True):
    """An SMS to hand over (MT). `ref` is the same for every attempt to send it.

    valid_for: for how long (ms) it is worth delivering, 0 where the gateway decides
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
    """A service to switch off. `ending_id` is the idempotency key and never changes between attempts.

    free_exit: no early fee is due
    """

    ending_id: str
    order_id: str
    activation_id: str
    msisdn: str
    plan: str
    cause: str
    asked_at: Millis
    free_exit: bool


class WebhookCall(Struct, frozen=True):
    """A gateway's request to one of our webhooks, as it came: nothing is verified yet. Header names are lower case.

    target: its path with the query, as it was asked for: some gateways sign it
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    now: Millis
    target: str = ""


class Parsed(Struct, Generic[Message], frozen=True):
    """One webhook call, read item by item: an unreadable item does not make the others of its batch fail.

    rejected: (index, the fault) - never the value · malformed: the call itself cannot be read; its messages are the
    refusals that were found in it, and the gateway is answered this error once they are stored
    """

    messages: tuple[tuple[int, Message], ...]
    rejected: tuple[tuple[int, str], ...] = ()
    malformed: Malformed | None = None


class Acknowledgement(Struct, frozen=True):
    """The answer that a gateway understands as "stored"."""

    status: int
    body: bytes
    content_type: str


class Webhooks(Protocol):
    """The webhooks for one gateway: they verify and read its posts, and answer in the form that it understands."""

    def replies(self, call: WebhookCall) -> Parsed[Reply]:
        """Read a call to the inbound webhook. Raises Unauthenticated before anything is read."""

    def reports(self, call: WebhookCall) -> Parsed[DeliveryReport]:
        """Read a call to the receipts webhook. Raises Unauthenticated before anything is read."""

    def acknowledge(self, accepted: int, rejected: Sequence[tuple[int, str]]) -> Acknowledgement:
        """Return the answer to send once everything readable is stored."""


class Gateway(Protocol):
    """A service that carries our SMS. Several gateways of one kind may exist, under different names."""

    name: str
    sub_numbers: bool
    """Whether digits may be appended to the sender to tell orders apart (rule 1 of correlation)."""
    segments: int
    """The largest number of segments of one text that arrive whole; a longer text is not handed over."""
    reports: bool
    """Whether the gateway reports for every SMS when it reached the handset. If so, a yes that came earlier cannot
    answer that question: it was not delivered."""

    @property
    def webhooks(self) -> Webhooks:
        """The webhooks that read this gateway's posts."""

    async def send(self, sms: Sms) -> Outcome:
        """Hand over one SMS. Never raises for anything the gateway does; bounded by its own timeout."""


class Bss(Protocol):
    """The carrier's system that switches services on and off."""

    name: str

    async def activate(self, activation: Activation) -> Outcome:
        """Switch a service on, under the order's id as idempotency key. Never raises for anything the BSS does."""

    async def ask(self, order_id: str) -> Outcome | None:
        """Ask for the outcome of earlier attempts in doubt: `Untaken` where the BSS knows none; None where unknown."""

    async def deactivate(self, deactivation: Deactivation) -> Outcome:
        """Switch a service off, under the ending's id as idempotency key. Never raises for anything the BSS does."""

    async def ask_ending(self, ending_id: str) -> Outcome | None:
        """Ask as `ask` does, for an ending."""


class Subscribers(Protocol):
    """The look-up of a number's subscriber at the BSS, where the BSS offers one; it need not know every number."""

    name: str
    """the name in metrics: the BSS's own name, then that of the look-up"""

    async def look_up(self, msisdn: str) -> Subscriber | Unavailable:
        """Return a number's present subscriber. Never raises for anything the BSS does; bounded by its own timeout."""


class Queue(Protocol):
    """The queue of wake-ups for workers. Losing, doubling or wiping them costs delays or idle looks, never an order."""

    def wake(self, lane: Lane, due: int, *, more: bool = False) -> None:
        """Have a worker look at `lane` soon. At most two wake-ups wait for each lane. Never raises.

        due: how many effects are due; fewer need fewer wake-ups · more: the workers already awake are not enough
        """

    def stays(self, lanes: Sequence[Lane]) -> bool:
        """Promise that this worker stays awake for these lanes for a moment and looks once more afterwards, so that no
        other is woken. False, and no promise, where another's promise lasts, or this is unknown. Never raises.
        """

    def leaves(self, lanes: Sequence[Lane]) -> None:
        """Let another worker promise now; this worker's own promise still holds until it ends. Never raises."""

    def room(self) -> ServerMemory | None:
        """Return how much room the queue's server has; None where it cannot be asked. Never raises."""


class Outside(Struct, frozen=True):
    """All outside services: gateways by name, each carrier's gateways and sender number, and the BSS."""

    gateways: Mapping[str, Gateway]
    routes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """carrier -> names of its gateways: its SMS go to the first of them that is not shut"""
    senders: Mapping[str, str] = field(default_factory=dict)
    """carrier -> the number our SMS come from"""
    bss: Bss | None = None
    subscribers: Subscribers | None = None
    """the look-up of subscribers, where the BSS offers one"""
    rates: Mapping[str, int] = field(default_factory=dict)
    """gateway name -> how many SMS a second it may get at most; without one, as many as there are"""
    code_of: Callable[[str, str], str] | None = None
    """makes the code that is sent to a line's reporter, from the line and the seed that is kept of the code"""

    def tried(self, carrier: str, shut: Collection[str] = ()) -> Sequence[str]:
        """Return the gateways to which SMS of a carrier go, of which the last one has them, and those before, which are
        shut, are tried. One without a gateway has the gateway ''. shut: gateways that are away or paused
        """
        names = self.routes.get(carrier, ("",))
        return names[: next((n for n, name in enumerate(names, 1) if name not in shut), len(names))]

    def routed(self, shut: Collection[str] = ()) -> list[Route]:
        """Return every gateway that SMS go to, with the carriers whose they are. shut: as in `tried`"""
        tried = {each: self.tried(each, shut) for each in Carrier}
        rates = {name: -1 if name in shut else self.rates.get(name, 0) for name in chain(*self.routes.values())}

        def route(gateway: str) -> Route:
            carriers = tuple(each for each in Carrier if gateway in tried[each])
            others = {name: rate for name, rate in rates.items() if name != gateway}
            spared = tuple(tried[each][-1] not in shut for each in carriers)
            return Route(gateway, carriers, self.rates.get(gateway, 0), others, spared)

        # Those that are shut first: else the others would leave nothing that they can be tried with.
        return [route(name) for name in sorted({*chain(*tried.values())}, key=lambda name: (name not in shut, name))]

    def named(self) -> list[Route]:
        """Return every gateway with all carriers whose SMS may go there."""
        return self.routed({*chain(*self.routes.values())})

    def route(self, carrier: str, shut: Collection[str] = ()) -> Route:
        """Return the gateway that has a carrier's SMS. shut: as in `tried`"""
        return next(each for each in self.routed(shut) if each.gateway == self.tried(carrier, shut)[-1])


class CommandFailed(ConsentError, code="command_failed"):
    """The command did not end in time, failed, or answered something other than a verdict."""


class Heard(Struct, frozen=True):
    """The command's verdict on a call, with the name and version of the command."""

    name: str
    version: str
    passed: bool
    reasons: tuple[str, ...] = ()
    note: str = ""

    @property
    def by(self) -> str:
        """The reviewer's name that the call keeps with the verdict. No API key has such a name."""
        return f"command:{self.name}:{self.version}"


class ReviewCommand(Protocol):
    """The operator's command that reviews calls."""

    async def hear(self, description: Mapping[str, object]) -> Heard:
        """Return the verdict on a call, whose description leaves its number out. Raises CommandFailed."""


class TariffPage(Struct, frozen=True):
    """The page that an address answered with."""

    content_type: str
    body: bytes


class Missed(Struct, frozen=True):
    """The reason why there is no page. surely: whether this is certain; else the page may only be unreachable now"""

    why: str
    surely: bool = True


class TariffPages(Protocol):
    """A fetcher of pages, within bounds of time and length for each."""

    async def fetch(self, url: str) -> TariffPage | Missed:
        """Fetch the page at an address."""
