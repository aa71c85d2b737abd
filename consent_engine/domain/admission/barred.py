"""The refusal of an order that a restriction bars."""

from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.errors import CoolingOff, DoNotCall, Refused

_WHY_NOT = {
    Kind.REFUSED: "the subscriber refused further calls",
    Kind.SUSPECTED: "a reply of the subscriber may be a refusal: a person decides within a day",
    Kind.MARKETING_FREE: "the subscriber is registered as marketing-free",
    Kind.NUMBER_CHANGED: "the number has another holder or network, or none",
}


def barred(by: Restriction) -> Refused:
    """Return the refusal of an order that a restriction bars."""
    if by.kind is Kind.COOL_OFF:
        return CoolingOff("the subscriber declined this plan: it is not offered again", since=by.since)
    return DoNotCall(_WHY_NOT[by.kind], since=by.since, reason=by.kind.value)
