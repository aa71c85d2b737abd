"""The details of an event in the history: one Struct for each trigger. Facts for the record, never a number or a text.

Details are kept as JSON objects, with their fields in the order declared here: these bytes are hashed into a chain. So
a field that may be missing has a default that is never written.
Flags are 0 and 1, as they are kept. A trigger without a Struct here has no details.
"""

from typing import Any

from msgspec import defstruct

from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.details.base import Detail
from consent_engine.domain.order.details.done import (
    OF_CALL,
    OF_LINE,
    OF_PLAN,
    ActivationRefused,
    AskedAgain,
    Attempts,
    Cancelled,
    ConfirmationAccepted,
    ConfirmationFailed,
    Delivered,
    EndedLate,
    GivenUp,
    Held,
    Informed,
    NotificationAccepted,
    NotificationFailed,
    NotInformed,
    Parked,
    PlacedAgain,
    Reported,
    Resumed,
    Retried,
    Revealed,
    ServiceActivated,
    SmsAccepted,
    TooLateToAsk,
    WithCall,
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
"""Details of settling events that can record that the question, though unproven, may be with the subscriber."""


def _kinds(of: type[Detail]) -> list[type[Detail]]:
    return [of, *(kind for each in of.__subclasses__() for kind in _kinds(each))]


_TOLD = {kind.trigger: kind for kind in _kinds(Detail) if hasattr(kind, "trigger")}
_BARE: dict[Trigger, Any] = {
    each: defstruct(each.title().replace("_", ""), (), bases=(Detail,), namespace={"trigger": each}, frozen=True)
    for each in Trigger
    if each not in _TOLD
}
KINDS: dict[Trigger, type[Detail]] = _TOLD | _BARE
"""The Struct of each trigger."""


def bare(trigger: Trigger) -> Detail:
    """Return the detail of an event whose trigger says all. Raises KeyError where there is more to say."""
    made: Detail = _BARE[trigger]()
    return made
