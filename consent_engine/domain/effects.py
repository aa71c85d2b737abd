"""Effects: work that is due outside or later; lanes: the kinds of work; outcomes: how an outside call ended.

An effect carries no payload: its id names the work, its owner (an order, line, call or ending) holds the rest.

    sms.<purpose>.<n>    SendSms, lane sms         n counts questions, not attempts
    activate             Activate, lane activation
    deactivate           Deactivate, lane activation (of an ending)
    wake.<trigger>       Wake (a timer), lane timer
    read                 Read (a line has unread messages), lane inbound
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Rows

Millis = int
"""An instant: milliseconds since 1970-01-01T00:00Z, as the store's server counts them."""


class Lane(StrEnum):
    """A kind of work, with its own due-set and its own RQ queue."""

    INBOUND = "inbound"
    ACTIVATION = "activation"
    SMS = "sms"
    TIMER = "timer"


WITHOUT_CALLS = frozenset({Lane.INBOUND, Lane.TIMER})
"""Lanes whose work calls no outside system."""


class Purpose(StrEnum):
    """The purpose of an SMS. The gateway receives it, and it is part of the SMS's ref."""

    CONFIRMATION = "confirmation"
    REMINDER = "reminder"
    CLARIFICATION = "clarification"
    HELP = "help"
    LATE = "late"
    DECLINED = "declined"
    OPTED_OUT = "opted_out"
    CANCELLED = "cancelled"
    NOTIFICATION = "notification"
    FAILURE = "failure"
    HELD = "held"
    """A person will read the reply; until then the subscriber is not called."""
    RESUMED = "resumed"
    """The reply was no refusal: how the order can still be confirmed."""
    PROVE = "prove"
    """How the order's code shows that a person said yes. As an SMS of a line, to an operator's handset: the test
    whether a long text arrives whole.
    """
    MARKETING_FREE = "marketing_free"
    """The number is registered as marketing-free, as its subscriber asked by SMS: an SMS of the line."""
    ENDED = "ended"
    """The activated service is taken back: an SMS of the line, as all below."""
    WITHDRAW_ASK = "withdraw_ask"
    """The question whether the service itself is to end, which a bare 退订 does not say."""
    REPORT = "report"
    """The decision on a report of a call."""
    REWARD = "reward"
    CODE = "code"
    """The code that proves a reporter's number."""


OF_LINES = frozenset({
    Purpose.MARKETING_FREE, Purpose.ENDED, Purpose.WITHDRAW_ASK, Purpose.REPORT, Purpose.REWARD, Purpose.CODE,
})  # fmt: skip
"""Purposes of SMS that belong to a line, not to an order."""
OF_ORDERS = tuple(purpose for purpose in Purpose if purpose not in OF_LINES)
"""Purposes of SMS about an order."""


ACTIVATE = "activate"
DEACTIVATE = "deactivate"
"""The service is switched off: an effect of an ending."""
READ = "read"
WAKE_TOO_LATE = "wake.too_late_to_ask"
WAKE_WINDOW = "wake.window_closed"
WAKE_REMINDER = "wake.reminder"
WAKE_FAILED = "wake.confirmation_failed"
"""Every attempt at the question was reported as failed while messages were unread: decided once these are read."""
WAKE_ACTIVATE = "wake.activate"
"""The order is confirmed, but a restriction bars its activation: the activation is tried again."""
WAKE_UNDECIDED = "wake.undecided"
"""A suspected refusal becomes a refusal without a decision: an effect of a line."""
WAKE_PARTS = "wake.parts"
"""The parts of a reply have waited long enough for the others: an effect of a line."""
WAKE_ARCHIVE = "wake.archive"
"""What is over leaves the store, and is in SQL alone. It changes no state, and is no event."""
WAKE_ABANDONED = "wake.abandoned"
"""The end of a call was not reported: an effect of a call."""
WAKE_UNLAWFUL = "wake.unlawful"
"""A call was abandoned, or ended without its recording: its open orders are cancelled. An effect of a call."""
WAKE_SECOND_LOOK = "wake.second_look"
"""A failed review got no second look: it stands. An effect of a call."""
WAKE_NOTICE = "wake.notice"
"""The service is switched off: the subscriber gets a notice once no other SMS is under way. An effect of an ending."""
WAKE_PERSON = "wake.person"
"""The person part of a decided report goes once its retention has passed. An effect of a report."""
WAKE_ENDINGS = "wake.endings"
"""The number has another holder: services activated for the previous one are taken back. An effect of a line."""
WAKE_WITHDRAWN = "wake.withdrawn"
"""A subscriber wants a service to end, and which one, or whether it is on, is not known yet; parked: a person must see
to it. An effect of a line.
"""
WAKE_ASIDE = "wake.aside"
"""Messages that lost every reader, parked until a person has them read once more. An effect of a line."""
WAKE_LINE = "wake.line"
"""A line without orders and restrictions is deleted, with its number: an effect of a line."""
LEAVES = (WAKE_ARCHIVE, WAKE_LINE)
"""Timers of records that leave the store, many at a time; put off, they keep the stamp of their lease."""

_LANES = {
    "sms": Lane.SMS,
    "activate": Lane.ACTIVATION,
    "deactivate": Lane.ACTIVATION,
    "wake": Lane.TIMER,
    "read": Lane.INBOUND,
}


@lru_cache(1024)  # names of effects are few
def lane_of(effect: str) -> Lane:
    """The lane an effect belongs to. Raises ValueError for the id of no effect."""
    try:
        return _LANES[effect.partition(".")[0]]
    except KeyError:
        raise ValueError("no lane does this") from None


def sms_effect(purpose: Purpose, n: int = 1) -> str:
    """The id of the effect that sends the n-th SMS of a purpose."""
    return f"sms.{purpose}.{n}"


NOTIFICATION = sms_effect(Purpose.NOTIFICATION)
"""The effect that sends the notification of an activation."""
_SMS = re.compile(rf"sms\.({'|'.join(Purpose)})\.[0-9]{{1,9}}")


def is_sms(effect: str) -> bool:
    """Whether a text can be the id of an effect that sends an SMS: refs come back from gateways."""
    return _SMS.fullmatch(effect) is not None


@lru_cache(1024)
def sms_parts(effect: str) -> tuple[Purpose, int]:
    """The purpose and number in an sms effect's id."""
    _, purpose, n = effect.split(".")
    return Purpose(purpose), int(n)


class Pending(Struct, frozen=True, array_like=True):
    """An effect that has not ended. Kept as the JSON array of its fields, `[]` when all are at their defaults.

    attempts: how often it was leased and not given back · leased_at: when it was leased, 0 when no worker has it; both
    together name a lease, and are the fencing token ·
    doubts: attempts that ended in doubt (timeouts, lost leases) ·
    first_at: start of the first attempt that may have been taken, 0 once the other side was asked and knows of none ·
    last_at: start of the last call · gateway: of an SMS, the one that it was leased for: one in doubt stays with it ·
    why: the reason it waits, for people · believe: the person who said that the next answer is to be believed ·
    parked: 1 on the stuck list · about: the subject of a line's SMS (carrier, then the choices it lists); of an
    activation its carrier, the last in its row: the lease script looks there · refused: the reason of a known refusal
    that only waits for unread messages
    """

    attempts: int = 0
    leased_at: Millis = 0
    doubts: int = 0
    first_at: Millis = 0
    last_at: Millis = 0
    gateway: str = ""
    why: str = ""
    believe: str = ""
    parked: int = 0
    about: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether an ended attempt may have been taken: it ended in doubt, and nothing more is known since."""
        return self.doubts > 0 and self.first_at > 0

    def stuck(self, why: str) -> "Pending":
        """The effect on the stuck list, for this reason."""
        return replace(self, leased_at=0, why=why, believe="", parked=1)

    def once_more(self, by: str) -> "Pending":
        """The effect taken off the stuck list by a person: the next answer is believed."""
        return replace(self, leased_at=0, believe=by, parked=0, refused=None)

    def encode(self) -> str:
        return "[]" if self is FRESH or self == FRESH else _ROWS.encode(self)

    @classmethod
    def decode(cls, kept: str) -> "Pending":
        """Read the row that `encode` or the lease script wrote. Raises ValueError, also for a field of another type: no
        seal covers an effect.
        """
        return FRESH if kept == "[]" else _ROWS.decode(kept)


FRESH = Pending()
_ROWS = Rows(Pending, least=9, whole=True)  # no seal covers an effect


def read_effects(fields: Mapping[str, str]) -> dict[str, Pending]:
    """The effects of a record, from its fields. Raises ValueError, also for an effect without a lane."""
    effects = {}
    for name in [name for name in fields if name[:2] == "f:"]:
        lane_of(name[2:])
        effects[name[2:]] = Pending.decode(fields[name])
    return effects


class Restored(StrEnum):
    """Whether the plan that a subscriber had before is back, as the BSS said."""

    UNSAID = ""
    YES = "yes"
    NO = "no"


class Settlement(Struct, frozen=True, array_like=True):
    """The BSS's answer on money and on the former plan when it took a service back; '' where it said nothing.

    fee, refund: in yuan · refund_by: until when it is paid, a day or an instant
    """

    fee: str = ""
    refund: str = ""
    refund_by: str = ""
    restored: Restored = Restored.UNSAID

    @classmethod
    def read(cls, kept: Sequence[str]) -> "Settlement":
        """Read the fields as a line's effect keeps them, in their order. Raises ValueError."""
        fee, refund, refund_by, restored = kept
        return cls(fee, refund, refund_by, Restored(restored))


UNSETTLED = Settlement()


class Accepted(Struct, frozen=True):
    """The other side took the request. `ref` is its id there; `note` is anything worth keeping (a BSS's active_from).

    parts: the ids of the parts of a long SMS, in their order, where its gateway gives each part its own; `ref` is the
    first of them · settled: of a deactivation · text: the hash of an order's SMS as it was sent
    """

    ref: str
    note: str = ""
    parts: tuple[str, ...] = ()
    settled: Settlement = UNSETTLED
    text: str = ""


class Rejected(Struct, frozen=True):
    """Refused for good."""

    reason: str


class Unavailable(Struct, frozen=True):
    """Surely not taken; worth another try later. `after` (ms) is the shortest wait that the other side asks for.

    refusing: the other side refuses our account, not this request, so it would refuse any other as well
    """

    reason: str
    after: int = 0
    refusing: bool = False


class Throttled(Unavailable, frozen=True):
    """Surely not taken, because these were too many at once: the other side answers, and gets fewer for a while."""


class Uncertain(Struct, frozen=True):
    """May have been taken: a timeout after the request left, a reset, an unreadable answer, a lost lease."""

    reason: str


class Untaken(Struct, frozen=True):
    """The other side was asked about the earlier attempts, and knows of none: none of them was taken."""

    reason: str


Outcome = Accepted | Rejected | Unavailable | Uncertain | Untaken
