"""Changes of a number's holder, as its network reports them, and the restrictions they put on its line or lift.

Events of a line are a chain of hashes, as those of an order are. Their instants never go back.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind, Restriction
from consent_engine.domain.order.history import BY_LINE

MOST_EVENTS = 200
"""The most events that are kept of one number."""


class LineEvent(StrEnum):
    """A change of a number's holder, carrier or service."""

    ASSIGNED = "assigned"
    """The number has another holder."""
    RELEASED = "released"
    """The number has no holder."""
    PORTED_OUT = "ported_out"
    """The number left a carrier for another one."""
    PORTED_IN = "ported_in"
    SUSPENDED = "suspended"
    """Nothing is activated on the number until it is resumed."""
    RESUMED = "resumed"


CHANGING = frozenset({LineEvent.ASSIGNED, LineEvent.RELEASED})
"""Events after which earlier questions do not concern the number's holder."""
ENDING = CHANGING | {LineEvent.PORTED_OUT}
"""Events that end open orders."""


class Happened(Row, frozen=True):
    """An event of a line; as kept, a link of its chain.

    at: when we were told · op: its identity, so that a repeat is recognised · on: when it happened · carrier: the one
    it is about, '' for all · ended: how many orders ended with it
    """

    event: LineEvent
    at: Millis
    op: str
    by: str
    on: Millis
    carrier: str
    ended: int

    def is_about(self, carrier: str) -> bool:
        """Whether the event is about the number as a customer of this carrier."""
        return self.event in CHANGING or self.carrier in {"", carrier}


Happened.rows = Rows(Happened, least=7)


def holder_since(history: Sequence[Happened], carrier: str) -> Millis:
    """Return since when a number is its holder's, and a carrier's; 0: since before anything is known of it."""
    return max((each.on for each in history if each.event in ENDING and each.is_about(carrier)), default=0)


def has_changed(history: Sequence[Happened], since: Millis) -> bool:
    """Whether a number has had another holder, or none, since an instant."""
    return any(each.event in CHANGING and each.on > since for each in history)


def restricted(happened: Happened, standing: Sequence[Restriction]) -> Mapping[str, str]:
    """Return the line's fields that an event sets ('' where it lifts one): restrictions on dialling and activation."""
    off = {each.name for each in standing if _lifts(happened, each)}
    on = _PUTS.get(happened.event)
    made = Restriction(on, happened.carrier or EVERY_CARRIER, "", happened.on, BY_LINE, happened.op) if on else None
    fields = {f"r:{name}": "" for name in off}
    return fields | {f"r:{made.name}": made.encode()} if made else fields


def _lifts(happened: Happened, stands: Restriction) -> bool:
    """Whether an event lifts a restriction that an earlier one put."""
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
    """Return the restriction that bars activating an order of a former holder, which cannot be ended at once."""
    return Restriction(Kind.STALE_HOLDER, order, "", happened.on, BY_LINE, happened.op)
