"""The parts of a script: the handset's replies, the misbehaviour of gateway and BSS, and the results required."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from consent_engine.domain.effects import Purpose
from consent_engine.domain.lifecycle import State

REPLY_WINDOW_S = 8.0
CONFIRM_WITHIN_S = 6.0
UNCERTAIN_HOLD_S = 2.0
CALL_TIMEOUT_S = 1.0
"""The windows the scripts are written for; `demo.DEMO_SETTINGS` gives them to the engine."""

TOO_LATE_S = REPLY_WINDOW_S + 2.5
HOLD_S = CALL_TIMEOUT_S + 0.6
"""How long a connection is held before it is dropped: longer than the engine waits."""


class Answer(StrEnum):
    """The ways in which gateway or BSS answer one request of the engine."""

    OK = "ok"
    BUSY = "503"
    SLOW_DOWN = "429"
    IN_PROGRESS = "409 in progress"
    REJECT = "422 refused"
    ERROR = "500"
    GARBAGE = "garbage answer"
    HOLD = "no answer, then dropped"
    RESET = "reset"


NEVER_TAKES = frozenset({Answer.BUSY, Answer.SLOW_DOWN, Answer.IN_PROGRESS, Answer.REJECT})


@dataclass(frozen=True, slots=True)
class Dlr:
    """A delivery report: its status, its delay (seconds after the request), its copies; one per segment if listed."""

    status: str = "delivered"
    after: float = 0.15
    times: int = 1
    segments: tuple[int, ...] = ()


DELIVERED = (Dlr(),)
SILENCE: tuple[Dlr, ...] = ()


@dataclass(frozen=True, slots=True)
class BssHop:
    """The BSS's behaviour for one request. taken: None = as the answer suggests."""

    answer: Answer = Answer.OK
    delay: float = 0.0
    taken: bool | None = None

    @property
    def takes(self) -> bool:
        """Whether the service is activated, or the SMS accepted by the gateway, whatever the answer."""
        return self.answer not in NEVER_TAKES if self.taken is None else self.taken


@dataclass(frozen=True, slots=True)
class Hop(BssHop):
    """The gateway's behaviour for one request.

    lands: whether the handset gets the SMS · again: a repeat lands once more · part_ids: every part has an id of its
    own, and is reported by that alone
    """

    lands: bool = True
    again: bool = False
    reports: tuple[Dlr, ...] = DELIVERED
    part_ids: bool = False


class Desk(StrEnum):
    """An agent's act on an order under way."""

    CANCEL = "cancel"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Turn:
    """An act on the subscriber's side once the n-th SMS of a purpose has landed.

    say: `{0}` is the code of the first order, `{1}` of the second · desk: an agent acts on `order` instead · to: the
    number addressed, if not the sender of the order's SMS · stranger: written on another person's handset · repeats:
    the gateway posts the same MO (same message id) this often · written_ago: the age of its timestamp
    """

    say: str = ""
    on: Purpose = Purpose.CONFIRMATION
    nth: int = 1
    after: float = 0.25
    desk: Desk | None = None
    order: int = 0
    to: str = ""
    stranger: bool = False
    repeats: int = 1
    written_ago: float = 0.0


class When(StrEnum):
    """The moment at which an order is placed."""

    AT_ONCE = "at once"
    ASKED = "once the first question has landed"
    SETTLED = "once the order before has settled"


@dataclass(frozen=True, slots=True)
class Order:
    """One order of a script: its plan, the moment at which it is placed, and the ways it may end.

    plan: index of the carrier's plan · carrier: 1 = another carrier than the first order's · ends: the states allowed,
    each with its number of activations · door: the code it must be rejected with
    """

    plan: int = 0
    carrier: int = 0
    when: When = When.AT_ONCE
    ends: Mapping[State, int] = field(default_factory=lambda: {State.NOTIFIED: 1})
    door: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """One subscriber as data.

    sms: how many SMS of each purpose may land on the handset (least, most); purposes not named must not land ·
    callable: whether the first order's carrier may dial afterwards, None = either · operator: an operator retries
    parked effects
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

    def hop(self, purpose: Purpose, attempt: int) -> Hop:
        """Return the gateway's behaviour for an attempt (from 1) at an SMS; beyond the script it behaves properly."""
        hops = self.gateway.get(purpose, ())
        return hops[attempt - 1] if attempt <= len(hops) else Hop()

    def bss_hop(self, attempt: int) -> BssHop:
        """Return the BSS's behaviour for an attempt (from 1) under a key; beyond the script it behaves properly."""
        return self.bss[attempt - 1] if attempt <= len(self.bss) else BssHop()
