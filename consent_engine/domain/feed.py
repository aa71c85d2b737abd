"""Feeds: what happens to orders, as a customer's systems get it: CloudEvents in JSON, signed as Standard Webhooks are.

An event has ids, states and instants, never a number, a name or a text: a system that needs more asks the API for the
order. It follows from one link of a record's chain, so that it is the same, with the same id, whenever it is made.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args

from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from consent_engine.domain.call.ending import Cause, Ending, EndingEvent, EndingState
from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import mac
from consent_engine.domain.hitch import in_words
from consent_engine.domain.lifecycle import State, Trigger, advance
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Leaf

MEDIA = "application/cloudevents+json; charset=UTF-8"
PLACED, ASKED = "consent.order.placed", "consent.ending.asked"
OF_ORDERS = {trigger: f"consent.order.{trigger}" for trigger in Trigger}
OF_ENDINGS: dict[type, str] = {
    kind: f"consent.ending.{re.sub('(?<!^)(?=[A-Z])', '_', kind.__name__).lower()}" for kind in get_args(EndingEvent)
}
TYPES = frozenset({PLACED, ASKED, *OF_ORDERS.values(), *OF_ENDINGS.values()})
"""The types of events: one for each trigger of an order, and each kind of event of an ending."""


class OrderData(Struct, frozen=True, kw_only=True):
    """An order as it was after an event. head: of its chain, whose hash is in the public log · receipt: the number of
    the subscriber's own record · reply_by: until when a yes counts, while or since it is asked
    """

    order: str
    state: State
    stage: str
    plan: str
    plan_version: int
    carrier: str
    agent: str
    placed_at: str
    reply_by: str | None
    receipt: str
    head: str


class EndingData(Struct, frozen=True, kw_only=True):
    """The ending of an activated order as it was after an event."""

    order: str
    ending: str
    state: EndingState
    cause: Cause
    plan: str
    plan_version: int
    carrier: str
    agent: str
    activated_at: str
    asked_at: str
    receipt: str
    head: str


class CloudEvent(Struct, frozen=True, kw_only=True):
    """An event as CloudEvents 1.0 has it in JSON. sequence: the place in the log, then in its record; a later event has
    a greater one
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: str
    datacontenttype: str = "application/json"
    data: OrderData | EndingData


class Message(NamedTuple):
    """An event as it is posted. id: the same for every attempt · line: the keyed hash of its subscriber's number"""

    id: str
    line: str
    type: str
    body: bytes


def messages(record: Order | Ending, leaf: Leaf, before: Iterable[int], n: int, source: str) -> list[Message]:
    """Return the events that an entry of the log stands for, oldest first: that of its own link, and of those before it
    that were committed with it, which have no entry. None where the record is not the one that the log names.

    before: the links of the record that have an entry · n: the number of this one
    """
    leaves = Leaf.all_of(record)
    if leaf not in leaves[leaf.seq : leaf.seq + 1]:
        return []
    first = max((seq for seq in before if seq < leaf.seq), default=-1) + 1
    return [_message(record, each, n, source) for each in leaves[first : leaf.seq + 1]]


def _message(record: Order | Ending, leaf: Leaf, n: int, source: str) -> Message:
    kind, data = _of_order(record, leaf) if isinstance(record, Order) else _of_ending(record, leaf)
    event = CloudEvent(
        id=f"{record.id}.{leaf.seq}", source=source, type=kind, subject=data.order, time=GREENWICH.instant(leaf.at),
        sequence=f"{n:015}.{leaf.seq:05}", data=data,
    )  # fmt: skip
    return Message(event.id, record.line, kind, encode(event))


def _of_order(order: Order, leaf: Leaf) -> tuple[str, OrderData]:
    events, state, doc = order.events[: leaf.seq], State.AGREED, order.doc
    for event in events:
        state = advance(state, event.trigger)
    then = replace(order, events=events, state=state)
    return OF_ORDERS[events[-1].trigger] if events else PLACED, OrderData(
        order=order.id, state=state, stage=then.stage, plan=doc.plan, plan_version=doc.offer.plan_version,
        carrier=doc.carrier, agent=doc.agent, placed_at=GREENWICH.instant(doc.placed_at),
        reply_by=GREENWICH.instant(then.reply_by) if then.reply_by else None, receipt=order.receipt, head=leaf.head,
    )  # fmt: skip


def _of_ending(ending: Ending, leaf: Leaf) -> tuple[str, EndingData]:
    events, doc = ending.events[: leaf.seq], ending.doc
    state = replace(ending, events=events).state
    return OF_ENDINGS[type(events[-1])] if events else ASKED, EndingData(
        order=doc.order, ending=doc.id, state=state, cause=doc.cause, plan=doc.plan, plan_version=doc.plan_version,
        carrier=doc.carrier, agent=doc.agent, activated_at=GREENWICH.instant(doc.activated_at),
        asked_at=GREENWICH.instant(doc.asked_at), receipt=doc.receipt, head=leaf.head,
    )  # fmt: skip


# Signatures -------------------------------------------------------------------------------------------------------

WHSEC = "whsec_"
BOTH_MS = 24 * 3_600_000
"""How long after a new secret the former one signs as well."""


def signed(secrets: Iterable[str], name: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body, by each of these secrets. name: of the message · at_s: unix seconds"""
    content = f"{name}.{at_s}.".encode() + body
    made = (b64encode(mac(b64decode(each.removeprefix(WHSEC)), content)).decode() for each in secrets)
    return {
        "webhook-id": name, "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{each}" for each in made),
    }  # fmt: skip


# A feed -----------------------------------------------------------------------------------------------------------

RETRY_MS, MOST_RETRY_MS = 5_000, 600_000
"""After how long a failed post is tried again, at first and at most."""
GONE, MOST_ACTS = 410, 200


class Act(Struct, frozen=True, array_like=True):
    """Something that a person, or the engine, did to a feed."""

    at: Millis
    by: str
    what: str


class Feed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A feed: where events go, and how far it has come. It is kept as JSON, and found by its bytes: a later field needs
    a default.

    made_at: another feed of the same name has another secret · cursor: the number of the log's entry that is next ·
    types: those that are wanted; empty: all · secret_n, renewed_at: the number of its secret, and since when · paused:
    why it stands by decision · failures, failing_since, why: posts that failed in a row, since when, the last answer ·
    again_at: when the next is tried · removed: it gets nothing, and is kept for its acts alone
    """

    name: str
    url: str
    made_at: Millis
    cursor: int
    types: tuple[str, ...] = ()
    secret_n: int = 1
    renewed_at: Millis = 0
    paused: str = ""
    failures: int = 0
    failing_since: Millis = 0
    why: str = ""
    again_at: Millis = 0
    removed: bool = False
    acts: tuple[Act, ...] = ()

    @property
    def address(self) -> str:
        """Where events go, without a query, in which a customer may have put a token."""
        return self.url.partition("?")[0]

    def is_due(self, now: Millis) -> bool:
        """Whether something may be posted now."""
        return not (self.removed or self.paused) and self.again_at <= now

    def secret(self, installation: str, n: int = 0) -> str:
        """Return its secret, or the n-th: it follows from that of the installation, and is kept nowhere."""
        text = f"feed\n{self.name}\n{self.made_at}\n{n or self.secret_n}"
        return WHSEC + b64encode(mac(installation.encode(), text.encode())).decode()

    def secrets(self, installation: str, now: Millis) -> Sequence[str]:
        """Return the secrets that sign now, the present one first."""
        both = self.renewed_at and now < self.renewed_at + BOTH_MS
        return [self.secret(installation, n) for n in ((self.secret_n, self.secret_n - 1) if both else (0,))]

    def acted(self, at: Millis, by: str, what: str) -> "Feed":
        return replace(self, acts=(*self.acts, Act(at, by, what))[-MOST_ACTS:])

    def reached(self, cursor: int) -> "Feed":
        """Return the feed after everything before an entry was posted, and nothing failed."""
        return replace(self, cursor=cursor, failures=0, failing_since=0, why="", again_at=0)

    def failed(self, cursor: int, status: int, why: str, after: Millis, now: Millis) -> "Feed":
        """Return the feed after a post failed, behind those before an entry. after: when the answer wants the next"""
        failures = self.failures + 1 if cursor == self.cursor else 1
        wait = max(min(RETRY_MS << min(failures - 1, 20), MOST_RETRY_MS), after)
        then = replace(
            self, cursor=cursor, failures=failures, failing_since=self.failing_since if failures > 1 else now,
            why=why, again_at=now + wait,
        )  # fmt: skip
        if status != GONE:
            return then
        return replace(then, paused=why).acted(now, "engine", f"paused: {in_words(why)}")

    def encode(self) -> str:
        return compact(self)


read_feed = Reader(Feed)
