"""The parts of a script: the handset's replies, the misbehaviour of gateway and BSS, and the results required.

A script is driven by events: an SMS is there, the engine has acknowledged, a state is reached. The engine's own timers
either last longer than any run, or a script waits for them (`hasty`, `Answer.HOLD`, a doubtful hand-over); nothing
races one. So a slow machine makes a run longer, and changes nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from consent_engine.domain.effects import Purpose
from consent_engine.domain.lifecycle import State


class Answer(StrEnum):
    """The ways in which gateway or BSS answer one request of the engine."""

    OK = "ok"
    BUSY = "503"
    SLOW_DOWN = "429"
    IN_PROGRESS = "409 in progress"
    REJECT = "422 refused"
    ERROR = "500"
    GARBAGE = "garbage answer"
    HOLD = "no answer"
    """The connection is held until the engine gives it up."""
    RESET = "reset"


NEVER_ACCEPTS = frozenset({Answer.BUSY, Answer.SLOW_DOWN, Answer.IN_PROGRESS, Answer.REJECT})


class Before(IntEnum):
    """How far a request has come when it is answered, or when the engine gives it up."""

    TAKEN = 0
    REPORTED = 1
    """The SMS is on the handset, and the engine has acknowledged the reports on it."""
    REPLIED = 2
    """The subscriber has acted on it, and the engine has acknowledged that."""


@dataclass(frozen=True, slots=True)
class Dlr:
    """A delivery report: its status, its copies; one per segment if listed. after: seconds until it is posted."""

    status: str = "delivered"
    after: float = 0.0
    times: int = 1
    segments: tuple[int, ...] = ()


DELIVERED = (Dlr(),)
SILENCE: tuple[Dlr, ...] = ()


@dataclass(frozen=True, slots=True)
class BssHop:
    """The BSS's behaviour for one request. accepted: None = as the answer suggests · delay: in seconds."""

    answer: Answer = Answer.OK
    delay: float = 0.0
    accepted: bool | None = None
    before: Before = Before.TAKEN

    @property
    def is_accepted(self) -> bool:
        """Whether the service is activated, or the SMS accepted by the gateway, whatever the answer."""
        return self.answer not in NEVER_ACCEPTS if self.accepted is None else self.accepted


@dataclass(frozen=True, slots=True)
class Hop(BssHop):
    """The gateway's behaviour for one request.

    lands: whether the handset gets the SMS · again: a repeat is another SMS, with an id of its own, and lands once
    more · part_ids: every part has an id of its own, and is reported by that alone
    """

    lands: bool = True
    again: bool = False
    reports: tuple[Dlr, ...] = DELIVERED
    part_ids: bool = False


class Desk(StrEnum):
    """An agent's act on an order under way."""

    CANCEL = "cancel"
    REFUSE = "refuse"
    HANG_UP = "hang up"


class When(StrEnum):
    """A moment of a script that no SMS marks."""

    AT_ONCE = "at once"
    ASKED = "once the engine has begun to ask the first question"
    PLACED = "once every order was placed or turned away"
    ACTIVATING = "while the BSS switches the service on"
    SETTLED = "once the order before has settled"


@dataclass(frozen=True, slots=True)
class Turn:
    """An act on the subscriber's side once the n-th SMS of a purpose is there, or at another moment; those of one
    moment follow one another, each once the engine has acknowledged the last.

    say: `{0}` is the code of the first order, `{1}` of the second · desk: an agent acts on `order` instead · to: the
    number addressed, if not the sender of the order's SMS · stranger: written on another person's handset · repeats:
    the gateway posts the same MO (same message id) this often · written_ago: the age of its timestamp · after: seconds
    that it takes
    """

    say: str = ""
    on: Purpose | When = Purpose.CONFIRMATION
    nth: int = 1
    after: float = 0.0
    desk: Desk | None = None
    order: int = 0
    to: str = ""
    stranger: bool = False
    repeats: int = 1
    written_ago: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """One order of a script: its plan, the moment at which it is placed, and the ways it may end.

    plan: index of the carrier's plan · carrier: 1 = another carrier than the first order's · ends: the states allowed,
    each with its number of activations · door: the code it must be rejected with · in_call: placed while its call is
    still up
    """

    plan: int = 0
    carrier: int = 0
    when: When = When.AT_ONCE
    ends: Mapping[State, int] = field(default_factory=lambda: {State.NOTIFIED: 1})
    door: str = ""
    in_call: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """One subscriber as data.

    sms: how many SMS of each purpose may land on the handset (least, most); purposes not named must not land ·
    callable: whether the first order's carrier may dial afterwards, None = either · operator: an operator retries
    parked effects · hasty: placed where the engine's windows are short, since the script waits for one to close
    """

    name: str
    says: str
    turns: tuple[Turn, ...] = ()
    orders: tuple[Order, ...] = (Order(),)
    gateway: Mapping[Purpose, tuple[Hop, ...]] = field(default_factory=dict)
    bss: tuple[BssHop, ...] = ()
    sms: Mapping[Purpose, tuple[int, int]] = field(default_factory=dict)
    callable: bool | None = None
    operator: bool = False
    hasty: bool = False

    @property
    def waits(self) -> bool:
        """Whether the script waits for one of the engine's timers."""
        hops = (hop for each in (*self.gateway.values(), self.bss) for hop in each)
        return self.hasty or any(hop.answer is Answer.HOLD for hop in hops)

    def hop(self, purpose: Purpose, attempt: int) -> Hop:
        """Return the gateway's behaviour for an attempt (from 1) at an SMS; beyond the script it behaves properly."""
        hops = self.gateway.get(purpose, ())
        return hops[attempt - 1] if attempt <= len(hops) else Hop()

    def bss_hop(self, attempt: int) -> BssHop:
        """Return the BSS's behaviour for an attempt (from 1) under a key; beyond the script it behaves properly."""
        return self.bss[attempt - 1] if attempt <= len(self.bss) else BssHop()
