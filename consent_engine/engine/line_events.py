"""Events of a line: changes of its number, reported by the network, in any order. All that was asked of the holder
before is over.

One commit writes the event, its restrictions, and the end of every open order that it ends: nothing is sent or
activated in between. An activation that has begun cannot be taken back: its order is barred, and ends with the call.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.decide.decide import decide
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import (
    ACTIVATE,
    WAKE_ENDINGS,
    WAKE_LINE,
    Accepted,
    Lane,
    Millis,
    Outcome,
    Purpose,
    Unavailable,
    Uncertain,
    lane_of,
    sms_parts,
)
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.line.holder import (
    CHANGING,
    ENDING,
    LIMITED,
    MOST_EVENTS,
    OF_EVENTS,
    HolderEvent,
    LineEvent,
    Subscriber,
    restrictions_of,
    stale,
)
from consent_engine.domain.line.line import STRANGER_MS, Entry, Line, line_id
from consent_engine.domain.line.restriction import OF_A_MINOR
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.details import OF_LINE
from consent_engine.domain.order.facts import CancelAsked, NumberChanged
from consent_engine.domain.order.history import MINOR
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import newest_link
from consent_engine.engine.calls_of_line import judging_again
from consent_engine.engine.change_order import commit_of, wakes_of
from consent_engine.engine.round_trips import Stale, Step, load, load_of, prove, saving, transact
from consent_engine.errors import EventNotTaken, FieldError, Malformed
from consent_engine.ports import Change, Commit, Endpoint, Leased, Outside, Owner
from consent_engine.ports.registry import BSS

SKEW_MS = 60_000
"""How far the network's clock may be ahead of the store's."""


class LineEventAsked(Struct, frozen=True):
    """An event of a number, and its instant. carrier: the one it left or came to, '' if unknown. by: the reporter."""

    msisdn: Msisdn
    event: LineEvent
    on: Millis
    by: str
    carrier: str = ""

    @property
    def op(self) -> str:
        """The name of the change: the same event again is the same change."""
        return f"line:{self.event}:{self.on}:{self.carrier}"


class LineEventTaken(Struct, frozen=True):
    """The event as it is kept, and whether this request put it there."""

    happened: HolderEvent
    is_new: bool


class _Ends(Struct, frozen=True):
    """The results of an event for the orders of its line: their changes, and the line's fields that follow."""

    changes: Sequence[Change]
    fields: Mapping[str, str]
    ended: int
    wakes: frozenset[Lane]


def recording_event(asked: LineEventAsked, secret: str) -> Step[LineEventTaken]:
    """Record an event of a number, proven durable; a repeat changes nothing.

    Raises Malformed for a future instant, EventNotTaken for one that is `LIMITED` when MOST_EVENTS are kept,
    StoreUnavailable.
    """
    return (yield from recording_event_on(line_id(secret, asked.msisdn), asked))


@transact
def recording_event_on(name: str, asked: LineEventAsked) -> Step[LineEventTaken]:
    """As `recording_event`, for a line known by its id. Raises Malformed, EventNotTaken and StoreUnavailable."""
    loaded = yield from load({Line: [name]})
    line, now = loaded.line(name), loaded.now
    if known := next((each for each in line.history if each.op == asked.op), None):
        if not (yield from prove(name, Line)):
            raise Stale
        return LineEventTaken(known, is_new=False)
    _may_be(asked, line, now)
    ids = [entry.order for entry in line.entries]
    orders = yield from load_of(line, ids)
    happened = HolderEvent(asked.event, now, asked.op, asked.by, asked.on, asked.carrier, 0)
    ends = _ends(line, orders, happened, now)
    happened = replace(happened, ended=ends.ended)
    after = line.with_event(happened)
    judged = yield from judging_again(line, after, now)
    change = _line_after(line, after, asked, {**judged.fields, **ends.fields}, now)
    wakes = ends.wakes | judged.wakes | wakes_of(change.put, now)
    records = (change, *ends.changes, *judged.changes)
    yield from saving(Commit(asked.op, records, wakes=wakes, at=now), prove=True)
    return LineEventTaken(happened, is_new=True)


def _may_be(asked: LineEventAsked, line: Line, now: Millis) -> None:
    if asked.on > now + SKEW_MS:
        raise Malformed([FieldError("at", "in_the_future", "must not be in the future")])
    if len(line.history) >= MOST_EVENTS and asked.event in LIMITED:
        raise EventNotTaken(
            f"{MOST_EVENTS} events of this number are kept: only a change of holder or carrier is taken"
        )


def _ends(line: Line, orders: Mapping[str, Order], happened: HolderEvent, now: Millis) -> _Ends:
    """End the orders that were asked of the holder before, or are a minor's; one that cannot end at once is barred."""
    changes, ended, wakes = list[Change](), 0, frozenset[Lane]()
    fields: dict[str, str] = {}
    changes_hands = happened.event in ENDING
    fact = NumberChanged(happened.op, happened.by, line.id) if changes_hands else _minor(happened, line)
    for entry in line.entries if changes_hands or happened.event is LineEvent.MINOR else ():
        order = orders.get(entry.order)
        if not (_is_meant(entry, order, happened) if changes_hands else entry.is_open):
            continue
        decision = decide(order, fact, now) if order else None
        if order is not None and decision is not None and not decision.is_void:
            commit, _ = commit_of(order, decision, happened.op, now)
            changes.append(commit.records[0])
            ended += decision.order.state.settled and not order.state.settled
            fields |= _stamped(commit.records[1:])
            wakes |= commit.wakes
        if changes_hands and entry.is_open and not (decision is not None and decision.order.state.settled):
            bars = stale(entry.order, happened)  # an activation that has begun, or an unreadable record
            fields[f"r:{bars.name}"] = bars.encode()
    return _Ends(changes, fields, ended, wakes)


def _minor(happened: HolderEvent, line: Line) -> CancelAsked:
    return CancelAsked(happened.op, happened.by, MINOR, door=OF_LINE, ref=line.id)


def _is_meant(entry: Entry, order: Order | None, happened: HolderEvent) -> bool:
    """Whether an order was asked of the former holder, or of the carrier's former customer."""
    if not happened.is_about(entry.carrier):
        return False
    return order is None or order.doc.call.started_at < happened.on


def _stamped(records: Sequence[Change]) -> Mapping[str, str]:
    """Return the fields that the end of an order writes on its line."""
    return {name: kept for each in records if each.owner is Owner.LINE for name, kept in each.fields.items()}


def _line_after(
    line: Line, after: Line, asked: LineEventAsked, follows: Mapping[str, str], now: Millis
) -> Change:  # fmt: skip
    """Return the line's change with the event; its own answers to the holder before are not sent."""
    fields = {**dict.fromkeys(line.aged, ""), **_restricted(after), **follows}
    fields |= {"msisdn": str(asked.msisdn), "seen": str(max(line.seen, now))}
    sent = (each for each in line.effects if lane_of(each) is Lane.SMS and sms_parts(each)[0] is not Purpose.PROVE)
    drop = tuple((each, Drop.ANYWAY) for each in sent) if asked.event in ENDING else ()
    put = () if WAKE_LINE in line.effects else (Put(WAKE_LINE, now + STRANGER_MS),)
    if asked.event in CHANGING:  # the former holder's services are taken back, archived ones, too
        put = (*put, Put(WAKE_ENDINGS, now))
    return Change.of(after, fields | {newest_link(after): after.publics[-1]}, put, drop)


def _restricted(line: Line) -> dict[str, str]:
    """Return the fields by which the line's restrictions become those of its events ('' where one is lifted)."""
    standing = restrictions_of(line.history)
    gone = (each.name for each in line.restrictions if each.kind in OF_EVENTS and each.name not in standing)
    new = {name: each for name, each in standing.items() if each != line.named(name)}
    return {f"r:{name}": "" for name in gone} | {f"r:{name}": each.encode() for name, each in new.items()}


BY = "bss"
"""The name under which the history records the result of a look-up."""


class Looked(NamedTuple):
    """The result of a subscriber look-up. measured: how the request itself ended · ends: the outcome of an activation
    that must not begin · event: the event for its line
    """

    target: Endpoint
    measured: Outcome
    ends: Outcome | None = None
    event: LineEventAsked | None = None


async def looked_up(outside: Outside, leased: Leased) -> Looked | None:
    """Ask for the holder of a number before its activation; None without a look-up service, or for other effects."""
    order = leased.record
    if outside.subscribers is None or not isinstance(order, Order) or leased.effect != ACTIVATE:
        return None
    answer = await outside.subscribers.look_up(order.person.msisdn)
    return _meant(Endpoint(BSS, outside.subscribers.name), order, answer, leased.at)


def _meant(target: Endpoint, order: Order, answer: Subscriber | Unavailable, now: Millis) -> Looked:
    if not isinstance(answer, Unavailable) and answer.holder_since > now + SKEW_MS:
        answer = Unavailable(Hitch.LOOK_UP.of(Hitch.HOLDER_TO_COME.of()))
    if isinstance(answer, Unavailable):
        return Looked(target, answer, answer)
    accepted, event = Accepted(""), _event(order, answer, now)
    if event is None:
        return Looked(target, accepted)
    # In doubt it may have been activated for the holder before: a person must find that out, and it is not tried again.
    why = (Hitch.OF_A_MINOR if event.event is LineEvent.MINOR else Hitch.CHANGED_HANDS).of()
    in_doubt = order.effects[ACTIVATE].in_doubt
    return Looked(target, accepted, Uncertain(why) if in_doubt else Unavailable(why), event)


def _event(order: Order, answer: Subscriber, now: Millis) -> LineEventAsked | None:
    number, carrier = Msisdn(order.person.msisdn), order.doc.carrier
    if answer.came_after(order.doc.call.started_at):
        return LineEventAsked(number, LineEvent.ASSIGNED, answer.holder_since, BY)
    if answer.is_elsewhere(carrier):
        return LineEventAsked(number, LineEvent.PORTED_OUT, now, BY, carrier)
    return LineEventAsked(number, LineEvent.MINOR, now, BY) if answer.adult is False else None


def of_age(line: Line, msisdn: Msisdn, answer: Subscriber, now: Millis) -> LineEventAsked | None:
    """Return the event by which a line comes to say what the BSS said, before an order, of its holder's age; None where
    it says so, or the BSS does not.
    """
    is_minor = line.named(OF_A_MINOR) is not None
    if answer.adult is None or answer.adult is not is_minor:
        return None
    return LineEventAsked(msisdn, LineEvent.OF_AGE if answer.adult else LineEvent.MINOR, now, BY)
