"""The finding that no person can have written a yes: kept in its event, with the rule and its threshold."""

from enum import StrEnum

from msgspec import Struct


class Unlikely(StrEnum):
    """The reason why no person can have written a yes."""

    CALL_UP = "call_up"
    """The call in which the service was sold was not over yet."""
    TOO_FAST = "too_fast"
    """The yes came sooner than the text can be read."""
    NOT_DELIVERED = "not_delivered"
    """No report says yet that the question is on the handset, though its gateway reports."""
    CADENCE = "cadence"
    """Other numbers that the same agent sold to took just as long to answer."""
    LOCKSTEP = "lockstep"
    """The yeses of this and of other numbers that the same agent sold to came at equal intervals."""


class Suspicion(Struct, frozen=True, omit_defaults=True):
    """measured: ms from when the text was there, as far as known, to the yes · least: ms that a person needs at least,
    0 where the rule measures nothing · edition: of the rules · others: numbers that answered in the same rhythm.
    """

    rule: Unlikely
    measured: int
    least: int = 0
    edition: int = 1
    others: int = 0
