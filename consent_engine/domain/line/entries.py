"""Entries of a line: its orders in short, its calls, and its unread messages."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.inbox import Message, UnreadReply
from consent_engine.domain.line.restriction import names_barring
from consent_engine.domain.order.order import Order


class Entry(Row, frozen=True):
    """One order in short, as replies are matched with it.

    until: 0 while open; then until when a reply may still mean it
    """

    order: str
    carrier: str
    plan: str
    code: str
    sub: str
    until: Millis

    @property
    def is_open(self) -> bool:
        """Whether the order has not settled."""
        return self.until == 0

    def remembered(self, now: Millis) -> bool:
        """Whether a reply received at `now` may mean this order."""
        return self.is_open or now <= self.until

    @classmethod
    def of(cls, order: Order) -> "Entry":
        """Return the entry of an order as it stands."""
        doc = order.doc
        until = doc.policy.remembered_until(order.settled_at) if order.state.settled else 0
        return cls(doc.id, doc.carrier, doc.plan, doc.code, doc.sub, until)


def as_sealed(entries: Sequence[Entry], orders: Mapping[str, Order]) -> tuple[Entry, ...]:
    """Return a line's entries, made anew from those of its orders that are given. No seal covers an entry: so a code
    or a carrier that was changed there makes no reply mean another order.
    """
    return tuple(Entry.of(orders[each.order]) if each.order in orders else each for each in entries)


class CallEntry(Row, frozen=True):
    """A call to the number, in short: the facts by which it and the other calls of the day are judged.

    refusal: 1 where it is kept only for an order that was refused at the door; 2 where it came from another number than
    the carrier's, too: the same request with the number corrected describes it again · permitted: since when the permit
    that it names is valid; 0: it names none that we gave
    """

    call: str
    at: Millis
    carrier: str
    refusal: int = 0
    permitted: Millis = 0

    @property
    def counts(self) -> bool:
        """Whether it counts among the calls of its day."""
        return self.refusal <= 1

    @property
    def place(self) -> tuple[Millis, str]:
        """Its place among the calls to the number: the same in any order of reports."""
        return self.at, self.call


class Unread(Struct, frozen=True):
    """A message in the line's inbox. `key` names it for ever.

    at: its place among all records of the line, which is when it came unless the store's clock went back · barred: the
    names of the restrictions that stood on the line when it reached us
    """

    at: Millis
    key: str
    body: Message
    barred: tuple[str, ...] = ()

    @property
    def came(self) -> Millis:
        """When it reached us by the store's clock, even where that had gone back."""
        came = self.body.came if isinstance(self.body, UnreadReply) else UNSET
        return self.at if came is UNSET else came

    def was_barred(self, carrier: str) -> bool:
        """Whether a restriction stood against `carrier` when it reached us: then it is no consent."""
        return bool(self.barred) and not frozenset(self.barred).isdisjoint(names_barring(carrier))


Entry.rows = Rows(Entry, least=5, named=1)
CallEntry.rows = Rows(CallEntry, least=2, named=1)
