"""Effects: what is wanted from outside or later; lanes: the kinds of work; outcomes: how an outside call ended.

An effect carries no payload: its id says what is wanted, its owner (an order or a line) holds the rest.

    sms.<purpose>.<n>    SendSms, lane sms         n counts questions, not attempts
    activate             Activate, lane activation
    deactivate           Deactivate, lane activation: of an ending
    wake.<trigger>       Wake (a timer), lane timer
    read                 Read (a line has unread messages), lane inbound
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

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
"""Lanes whose work calls nobody outside."""


class Purpose(StrEnum):
    """Why an SMS is written. The gateway gets it, and it is part of the SMS's ref."""

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
    """A person reads what the subscriber wrote; until then nobody calls."""
    RESUMED = "resumed"
    """It was no refusal: how the order can still be confirmed."""
    PROVE = "prove"
    """Whether a person said yes: how that is shown by the order's code. Of a line's own, to an operator's handset:
    whether a long text arrives whole.
    """
    MARKETING_FREE = "marketing_free"
    """The number is registered as marketing-free, as its subscriber wrote: of a line's own."""
    ENDED = "ended"
    """What was activated is taken back: of a line's own, as all below."""
    WITHDRAW_ASK = "withdraw_ask"
    """Whether the service itself is to end, which a bare 退订 does not say."""
    REPORT = "report"
    """What became of a report of a call."""
    REWARD = "reward"
    CODE = "code"
    """The code that proves a reporter's number."""


OF_LINES = frozenset({
    Purpose.MARKETING_FREE, Purpose.ENDED, Purpose.WITHDRAW_ASK, Purpose.REPORT, Purpose.REWARD, Purpose.CODE,
})  # fmt: skip
"""What is written of no order."""
OF_ORDERS = tuple(purpose for purpose in Purpose if purpose not in OF_LINES)
"""What is written about an order."""


ACTIVATE = "activate"
DEACTIVATE = "deactivate"
"""An ending's: the service is switched off."""
READ = "read"
WAKE_TOO_LATE = "wake.too_late_to_ask"
WAKE_WINDOW = "wake.window_closed"
WAKE_REMINDER = "wake.reminder"
WAKE_FAILED = "wake.confirmation_failed"
"""Every attempt at the question was reported as failed while messages were unread: looked at once these are read."""
WAKE_ACTIVATE = "wake.activate"
"""The order is confirmed, and a restriction bars its activation: that is tried again."""
WAKE_UNDECIDED = "wake.undecided"
"""A line's suspicion that nobody decided becomes a refusal."""
WAKE_PARTS = "wake.parts"
"""The parts of a reply have waited long enough for the others: a line's own, as `WAKE_UNDECIDED` is."""
WAKE_ARCHIVE = "wake.archive"
"""A settled order leaves the store for the archive. It moves nothing, and is no event."""
WAKE_ABANDONED = "wake.abandoned"
"""Nobody said how a call ended: a call's own."""
WAKE_UNLAWFUL = "wake.unlawful"
"""A call was abandoned, or ended without its recording: the open orders of it are cancelled. A call's own."""
WAKE_SECOND_LOOK = "wake.second_look"
"""Nobody looked again at a failed review: it stands. A call's own."""
WAKE_NOTICE = "wake.notice"
"""What was activated is switched off: the subscriber is told, once nothing else is under way to them. An ending's."""
WAKE_EXPIRED = "wake.expired"
"""An ending that is over has been kept as long as it must be, or its person part has. An ending's."""
WAKE_ENDINGS = "wake.endings"
"""The number has another holder: what the one before had activated is taken back. A line's own."""
WAKE_LINE = "wake.line"
"""A line that nothing stands on any more goes, with its number: a line's own, as `WAKE_UNDECIDED` is."""

_LANES = {
    "sms": Lane.SMS,
    "activate": Lane.ACTIVATION,
    "deactivate": Lane.ACTIVATION,
    "wake": Lane.TIMER,
    "read": Lane.INBOUND,
}


@lru_cache(1024)  # names of effects are few
def lane_of(effect: str) -> Lane:
    """The lane an effect belongs to. Raises ValueError for what can be none."""
    try:
        return _LANES[effect.partition(".")[0]]
    except KeyError:
        raise ValueError("no lane does this") from None


def sms_effect(purpose: Purpose, n: int = 1) -> str:
    """The id of the effect that sends the n-th SMS of a purpose."""
    return f"sms.{purpose}.{n}"


NOTIFICATION = sms_effect(Purpose.NOTIFICATION)
"""The notification of an activation."""
_SMS = re.compile(rf"sms\.({'|'.join(Purpose)})\.[0-9]{{1,9}}")


def is_sms(effect: str) -> bool:
    """Whether this can be the id of an effect that sends an SMS: refs come back from outside."""
    return _SMS.fullmatch(effect) is not None


@lru_cache(1024)
def sms_parts(effect: str) -> tuple[Purpose, int]:
    """The purpose and number in an sms effect's id."""
    _, purpose, n = effect.split(".")
    return Purpose(purpose), int(n)


class Pending(Struct, frozen=True, array_like=True):
    """An effect that has not ended. Kept as the JSON array of its fields, `[]` when all are at their defaults.

    attempts: how often it was leased; the last one is the fencing token · leased_at: 0 when nobody has it ·
    doubts: attempts that ended in doubt (timeouts, lost leases) ·
    first_at: when the first attempt began that may have been taken, 0 once the other side was asked and knows of none ·
    last_at: when the last call began ·
    why: for people, why it waits · believe: who said that the next answer is to be believed · parked: 1 on the
    stuck list · about: what a line's SMS is about (carrier, then the choices it lists); of an activation its carrier,
    the last in its row: the lease script looks there · refused: the reason of a refusal that is known, and only waits
    for unread messages. An older row says that in `why` alone: what was surely not taken is asked once more
    """

    attempts: int = 0
    leased_at: Millis = 0
    doubts: int = 0
    first_at: Millis = 0
    last_at: Millis = 0
    why: str = ""
    believe: str = ""
    parked: int = 0
    about: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether an attempt that has ended may have been taken: it did in doubt, and nobody knows more since."""
        return self.doubts > 0 and self.first_at > 0

    def kept(self) -> str:
        return "[]" if self is FRESH or self == FRESH else _ROWS.write(self)

    @classmethod
    def read(cls, kept: str) -> "Pending":
        """What `kept` wrote, or what the lease script made of it. Raises ValueError, also for a field of another type:
        no seal covers an effect.
        """
        return FRESH if kept == "[]" else _ROWS.read(kept)


FRESH = Pending()
_ROWS = Rows(Pending, least=8, whole=True)  # no seal covers an effect


def read_effects(fields: Mapping[str, str]) -> dict[str, Pending]:
    """The effects of a record, from its fields. Raises ValueError, also for one that no lane does."""
    effects = {}
    for name in [name for name in fields if name[:2] == "f:"]:
        lane_of(name[2:])
        effects[name[2:]] = Pending.read(fields[name])
    return effects


class Accepted(Struct, frozen=True):
    """Taken. `ref` is its id outside; `note` is anything worth keeping (a BSS's active_from).

    parts: the ids of the parts of a long SMS, in their order, where its gateway gives each part its own; `ref` is the
    first of them
    """

    ref: str
    note: str = ""
    parts: tuple[str, ...] = ()


class Rejected(Struct, frozen=True):
    """Refused for good."""

    reason: str


class Unavailable(Struct, frozen=True):
    """Surely not taken; worth another try later. `after` (ms) is the earliest the other side wishes."""

    reason: str
    after: int = 0


class Uncertain(Struct, frozen=True):
    """May have been taken: a timeout after the request left, a reset, an answer nobody can read, a lost lease."""

    reason: str


class Untaken(Struct, frozen=True):
    """The other side was asked what became of the attempts before, and knows of none: none of them was taken."""

    reason: str


Outcome = Accepted | Rejected | Unavailable | Uncertain | Untaken
