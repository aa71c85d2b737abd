"""What the history says of an event: a Struct a trigger. Facts for the record, never a number or a text.

They are kept as JSON objects, their fields in the order that stands here: bytes that were hashed into a chain. So a
field is only ever appended, and has a default that is never written: None where an older program did not say it.
Flags are 0 and 1, as they are kept. A trigger without its Struct stops the import.
"""

from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.details.base import Detail
from consent_engine.domain.order.details.done import (
    ActivationRefused,
    AskedAgain,
    Attempts,
    Cancelled,
    ConfirmationAccepted,
    ConfirmationFailed,
    Delivered,
    EarlyReplyVoid,
    EndedLate,
    GivenUp,
    Held,
    Informed,
    NotificationAccepted,
    NotificationFailed,
    NotInformed,
    Parked,
    Reminded,
    Reported,
    Resumed,
    Retried,
    Revealed,
    ServiceActivated,
    SmsAccepted,
    TooLateToAsk,
    WindowClosed,
)
from consent_engine.domain.order.details.said import (
    AskedHelp,
    OptedOut,
    RepliedBarred,
    RepliedBefore,
    RepliedEarly,
    RepliedLate,
    RepliedSuspect,
    Reply,
    SaidNo,
    SaidYes,
    Suspected,
    Unclear,
    Words,
)

MayBeAsked = SaidNo | OptedOut | Cancelled | TooLateToAsk | ConfirmationFailed
"""Of what settles an order whose question may be with the subscriber though nothing says so."""


def _kinds(of: type[Detail]) -> list[type[Detail]]:
    return [of, *(kind for each in of.__subclasses__() for kind in _kinds(each))]


KINDS: dict[Trigger, type[Detail]] = {kind.trigger: kind for kind in _kinds(Detail) if hasattr(kind, "trigger")}
"""The Struct of each trigger."""

if untold := set(Trigger) - KINDS.keys():
    raise TypeError(f"no Struct says what is kept of: {', '.join(sorted(untold))}")
