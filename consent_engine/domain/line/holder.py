"""The holder of a number: what became of it, as its network says, and what that puts on the line or takes off it.

Events of a line are a chain of hashes, as those of an order are. Their instants never go back.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind, Restriction
from consent_engine.domain.order.history import BY_LINE

MOST_EVENTS = 200
"""A bound on what is kept of one number."""


class LineEvent(StrEnum):
    """What became of a number."""

    ASSIGNED = "assigned"
    """It has another holder."""
    RELEASED = "released"
    """It has none."""
    PORTED_OUT = "ported_out"
    """It left a carrier for another one."""
    PORTED_IN = "ported_in"
    SUSPENDED = "suspended"
    """Nothing is activated on it until it is resumed."""
    RESUMED = "resumed"


CHANGING = frozenset({LineEvent.ASSIGNED, LineEvent.RELEASED})
"""What was asked before is no question to whoever has the number now."""
ENDING = CHANGING | {LineEvent.PORTED_OUT}
"""What ends open orders."""


class Happened(Row, frozen=True):
    """An event of a line; as kept, a link of its chain.

    at: when it was told · op: what makes two of them the same · on: when it happened · carrier: which one it is about,
    '' for all · ended: how many orders ended with it
    """

    event: LineEvent
    at: Millis
    op: str
    by: str
    on: Millis
    carrier: str
    ended: int

    def is_about(self, carrier: str) -> bool:
        """Whether it is about the number as a customer of this carrier."""
        return self.event in CHANGING or self.carrier in {"", carrier}


Happened.rows = Rows(Happened, least=7)


def holder_since(history: Sequence[Happened], carrier: str) -> Millis:
    """Since when the number is its holder's, and a carrier's; 0: since before anything is known of it."""
    return max((each.on for each in history if each.event in ENDING and each.is_about(carrier)), default=0)


def has_changed(history: Sequence[Happened], since: Millis) -> bool:
    """Whether a number has another holder than at an instant, or none."""
    return any(each.event in CHANGING and each.on > since for each in history)


def restricted(happened: Happened, standing: Sequence[Restriction]) -> Mapping[str, str]:
    """The fields of a line that an event puts ('' where it takes one off): who may not be dialled or activated now."""
    off = {each.name for each in standing if _lifts(happened, each)}
    on = _PUTS.get(happened.event)
    made = Restriction(on, happened.carrier or EVERY_CARRIER, "", happened.on, BY_LINE, happened.op) if on else None
    fields = {f"r:{name}": "" for name in off}
    return fields | {f"r:{made.name}": made.kept()} if made else fields


def _lifts(happened: Happened, stands: Restriction) -> bool:
    """Whether an event ends what an earlier one began."""
    match happened.event:
        case LineEvent.ASSIGNED | LineEvent.RELEASED:
            return stands.kind in {Kind.NUMBER_CHANGED, Kind.SUSPENDED}
        case LineEvent.PORTED_IN:
            same = happened.carrier in {"", stands.carrier} or stands.carrier == EVERY_CARRIER
            return stands.kind is Kind.NUMBER_CHANGED and same
        case LineEvent.RESUMED:
            return stands.kind is Kind.SUSPENDED
    return False


_PUTS = {
    LineEvent.RELEASED: Kind.NUMBER_CHANGED,
    LineEvent.PORTED_OUT: Kind.NUMBER_CHANGED,
    LineEvent.SUSPENDED: Kind.SUSPENDED,
}


def stale(order: str, happened: Happened) -> Restriction:
    """What bars the activation of an order that was asked of the holder before, and cannot be ended at once."""
    return Restriction(Kind.STALE_HOLDER, order, "", happened.on, BY_LINE, happened.op)
