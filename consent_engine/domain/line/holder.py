"""Changes of a number's holder, as its network reports them, and the restrictions they put on its line or lift.

Events of a line are a chain of hashes, in the order in which they were reported. What follows from them never depends
on that order: each question here is put to the set of them, by the instants at which they happened.
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind, Restriction
from consent_engine.domain.order.details import OF_LINE

MOST_EVENTS = 200
"""The most events that are kept of one number; those outside `LIMITED` are kept beyond that."""


class LineEvent(StrEnum):
    """A change of a number's holder, carrier or service. Events of one instant count in the order declared here: ends
    come first, and a suspension last.
    """

    RELEASED = "released"
    """The number has no holder."""
    PORTED_OUT = "ported_out"
    """The number left a carrier for another one."""
    ASSIGNED = "assigned"
    """The number has another holder."""
    PORTED_IN = "ported_in"
    RESUMED = "resumed"
    OF_AGE = "of_age"
    """The BSS says that the holder is an adult."""
    SUSPENDED = "suspended"
    """Nothing is activated on the number until it is resumed."""
    MINOR = "minor"
    """The BSS says that the holder is a minor: open orders end, and nothing is sold to the number until its holder is
    of age, or another one.
    """


CHANGING = frozenset({LineEvent.ASSIGNED, LineEvent.RELEASED})
"""Events after which earlier questions do not concern the number's holder."""
ENDING = CHANGING | {LineEvent.PORTED_OUT}
"""Events that end the open orders of the holder before, or of the carrier's former customer."""
LIMITED = frozenset({LineEvent.PORTED_IN, LineEvent.RESUMED, LineEvent.SUSPENDED})
"""Events that are taken only up to MOST_EVENTS."""


class HolderEvent(Row, frozen=True):
    """An event of a line; as kept, a link of its chain.

    at: when it was reported · op: its identity, so that a repeat is recognised · on: when it happened · carrier: its
    carrier, '' for all · ended: how many orders ended with it
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


HolderEvent.rows = Rows(HolderEvent, least=7)


_PLACES = {event: place for place, event in enumerate(LineEvent)}


def in_order_of_time(history: Iterable[HolderEvent]) -> list[HolderEvent]:
    """Return events in the order in which they happened: the same for a set of them, however it was reported."""
    return sorted(history, key=lambda each: (each.on, _PLACES[each.event], each.carrier))


def holder_since(history: Iterable[HolderEvent], carrier: str) -> Millis:
    """Return since when a number is its holder's, and a carrier's; 0: since before anything is known of it."""
    return max((each.on for each in history if each.event in ENDING and each.is_about(carrier)), default=0)


def has_changed(history: Iterable[HolderEvent], since: Millis) -> bool:
    """Whether a number has had another holder, or none, since an instant."""
    return any(each.event in CHANGING and each.on > since for each in history)


def had_changed(history: Iterable[HolderEvent], carrier: str, at: Millis, permitted: Millis) -> bool:
    """Whether a number that a carrier called at an instant had no holder or had left the carrier by then; or had gone
    to another holder, or to none, since the call's permit (0: it had none).
    """
    known = [each for each in history if each.on <= at]
    if permitted and holder_since(known, carrier) > permitted:
        return True
    return any(each.kind is Kind.NUMBER_CHANGED and each.bars(carrier) for each in restrictions_of(known).values())


def restrictions_of(history: Iterable[HolderEvent]) -> dict[str, Restriction]:
    """Return the restrictions on dialling and activation that a number's events leave on its line, by name."""
    standing: dict[str, Restriction] = {}
    for event in in_order_of_time(history):
        standing = {name: each for name, each in standing.items() if not _lifts(event, each)}
        if made := _put(event):
            standing[made.name] = made
    return standing


def _put(event: HolderEvent) -> Restriction | None:
    kind = _PUTS.get(event.event)
    if kind is None:
        return None
    carrier = event.carrier if kind is Kind.NUMBER_CHANGED else ""
    return Restriction(kind, carrier or EVERY_CARRIER, "", event.on, OF_LINE, event.op)


def _lifts(event: HolderEvent, stands: Restriction) -> bool:
    """Whether an event lifts a restriction that an earlier one put."""
    match event.event:
        case LineEvent.ASSIGNED | LineEvent.RELEASED:
            return True
        case LineEvent.PORTED_IN:
            same = event.carrier in {"", stands.carrier} or stands.carrier == EVERY_CARRIER
            return stands.kind is Kind.NUMBER_CHANGED and same
        case LineEvent.RESUMED:
            return stands.kind is Kind.SUSPENDED
        case LineEvent.OF_AGE:
            return stands.kind is Kind.MINOR
    return False


_PUTS = {
    LineEvent.RELEASED: Kind.NUMBER_CHANGED,
    LineEvent.PORTED_OUT: Kind.NUMBER_CHANGED,
    LineEvent.SUSPENDED: Kind.SUSPENDED,
    LineEvent.MINOR: Kind.MINOR,
}
OF_EVENTS = frozenset(_PUTS.values())
"""The kinds of restrictions that events of a number put, and nothing else."""


def stale(order: str, event: HolderEvent) -> Restriction:
    """Return the restriction that bars activating an order of a former holder, which cannot be ended at once."""
    return Restriction(Kind.STALE_HOLDER, order, "", event.on, OF_LINE, event.op)


class Subscriber(Struct, frozen=True):
    """network: the carrier whose customer the number is, '' where the BSS does not say · holder_since: since when its
    holder has it, 0 where the BSS does not say · adult: whether its holder is of age, None where the BSS does not say.
    """

    network: str = ""
    holder_since: Millis = 0
    adult: bool | None = None

    def is_elsewhere(self, carrier: str) -> bool:
        """Whether the number is known to be another network's customer."""
        return self.network not in {"", carrier}

    def came_after(self, call_began: Millis) -> bool:
        """Whether the holder got the number only after that call began."""
        return self.holder_since > call_began
