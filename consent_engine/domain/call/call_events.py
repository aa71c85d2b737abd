"""Events of a call, and their parts: its end, its recording, its disclosures, orders refused because of it."""

from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.call.violation import Violation
from consent_engine.domain.effects import Millis


class CallOutcome(StrEnum):
    """The outcome of a call, as the agent reports it."""

    AGREED = "agreed"
    DECLINED = "declined"
    """The subscriber does not want this plan: it is not offered again."""
    REFUSED = "refused"
    """The subscriber wants no more calls."""
    NO_ANSWER = "no_answer"
    OTHER = "other"


class Recording(Struct, frozen=True, array_like=True):
    """A recording of a whole call. sha256: 64 hex digits, '' where not given · seconds: its length; 0: not known"""

    ref: str
    sha256: str = ""
    seconds: int = 0


class Disclosed(Struct, frozen=True, array_like=True):
    """A disclosure spoken to the subscriber in the call, and when."""

    id: str
    at: Millis


class Ended(Struct, frozen=True, array_like=True, tag="ended"):
    """The call ended. op: the same for equal ends · violations: those its end shows"""

    at: Millis
    op: str
    by: str
    ended_at: Millis
    outcome: CallOutcome
    plan: str
    recording: Recording | None
    disclosures: tuple[Disclosed, ...] = ()
    violations: tuple[Violation, ...] = ()


class Abandoned(Struct, frozen=True, array_like=True, tag="abandoned"):
    """The end of the call was not reported."""

    at: Millis
    op: str


class JudgedAgain(Struct, frozen=True, array_like=True, tag="judged_again"):
    """A later report about its number shows violations, or takes some back: an earlier call, a change of holder."""

    at: Millis
    op: str
    shown: tuple[Violation, ...]
    taken_back: tuple[Violation, ...] = ()


class OrderRefused(Struct, frozen=True, array_like=True, tag="order_refused"):
    """An order was refused because of this call, or its number. op: the id that the order would have had · code: of
    the refusal
    """

    at: Millis
    op: str
    by: str
    code: str
