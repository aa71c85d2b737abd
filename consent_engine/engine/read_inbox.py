"""Reading a line's inbox: message by message, in the order in which they reached us, each with its consequences."""

import logging
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from itertools import count
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import compact
from consent_engine.domain.decide.decide import decide
from consent_engine.domain.decide.decision import A_MINUTE, Decision, Drop, Put
from consent_engine.domain.effects import READ, WAKE_ASIDE, Millis, Pending
from consent_engine.domain.inbox import UnreadReply, UnreadReport
from consent_engine.domain.interpret.correlate import Reading
from consent_engine.domain.interpret.interpret import (
    LOST_READER,
    aside,
    is_refusal,
    set_aside,
    understand,
    wanted,
    without_reader,
)
from consent_engine.domain.interpret.withdrawing import NONE, Withdrawal, answering
from consent_engine.domain.line.line import Line, Unread, as_sealed
from consent_engine.domain.order.facts import Fact
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Laid, ReplyCadence, cadence_of
from consent_engine.engine.change_order import commit_of, unless_barred, wakes_of
from consent_engine.engine.recall import at_hand
from consent_engine.engine.round_trips import SAVED, Stale, Step, load, load_of, newest_yeses, save, transact
from consent_engine.engine.withdrawals import later, withdrawing
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, IllegalTransition, OrderNotFound
from consent_engine.ports import Change, Commit, CommitResult, Held, Leased, Owner, Snapshot

log = logging.getLogger(__name__)


class Place(Struct, frozen=True):
    """The place of a message. message: its key in the inbox, '' where it was set aside · put, drop: the change
    of the line's timer of such messages once it is read · later: that timer where the message has to wait
    """

    message: str = ""
    put: tuple[Put, ...] = ()
    drop: tuple[tuple[str, Drop], ...] = ()
    later: Put | None = None

    def left(self, line: Line) -> Line:
        """Return a line without the timer that ends with this message."""
        gone = {effect for effect, _ in self.drop}
        return replace(line, effects={name: kept for name, kept in line.effects.items() if name not in gone})


class Poison(Enum):
    """How many readers a message lost. LOST: so many that only the refusal in it is looked at · WHOLLY: these, too"""

    NO = 0
    LOST = 1
    WHOLLY = 2


class _Turn(NamedTuple):
    """A message whose turn it is. held: the lease it is read under · behind: the messages behind it"""

    message: Unread
    place: Place
    held: Held
    behind: Sequence[Unread] = ()
    poison: Poison = Poison.NO


class _Decided(NamedTuple):
    """The decisions on a message. meant: its other facts · laid: the yes, beside others of its agent"""

    todo: list[tuple[Order, Fact, Decision]]
    meant: Reading
    laid: Laid | None = None


class _Consumed(NamedTuple):
    """A message that was consumed. loaded: its line afterwards, where that need not be loaded"""

    loaded: Snapshot | None


def _unknown(order: str) -> Order | None:
    return None


def reading(leased: Leased, max_attempts: int, known: Callable[[str], Order | None] = _unknown) -> Step[int]:
    """Read the unread messages of a leased line; return how many were consumed here. Raises BrokenRecord for an
    effect without its line. known: an order as it was a moment ago, to save its load
    """
    line = leased.of(Line)
    held = leased.held
    if not leased.unread:  # consumed by a worker whose lease passed to us: nothing is left to do
        yield from save(Commit("", (Change(Owner.LINE, line.id, drop=((leased.effect, Drop.ANYWAY),)),), held))
        return 0
    lost = leased.token > max_attempts and leased.lost
    poison = Poison.WHOLLY if lost and leased.token > 2 * max_attempts else Poison.LOST if lost else Poison.NO
    loaded: Snapshot | None = Snapshot(leased.at, {Line: {line.id: line}})
    for n, message in enumerate(leased.unread):
        behind = leased.unread[n + 1 :]
        turn = _Turn(message, Place(message.key), held, behind, Poison.NO if n else poison)
        done = yield from _one(loaded, line.id, turn, known)
        if done is None:
            return n
        loaded = done.loaded
    return len(leased.unread)


def reading_again(leased: Leased) -> Step[str]:
    """Read the oldest message of a line that was set aside; the next is read under a lease of its own. Raises
    BrokenRecord for an effect without its line, and for a message that cannot be read.
    """
    line = leased.of(Line)
    kept = line.effects[leased.effect]
    message, rest = set_aside(kept)
    put = (Put(leased.effect, leased.at, rest),) if rest.about else ()
    drop = () if put else ((leased.effect, Drop.ANYWAY),)
    place = Place("", put, drop, Put(leased.effect, leased.at + A_MINUTE, Pending(about=kept.about)))
    yield from _one(None, line.id, _Turn(message, place, leased.held), _unknown)
    return "performed"


def _one(
    loaded: Snapshot | None, line_id: str, turn: _Turn, known: Callable[[str], Order | None]
) -> Step[_Consumed | None]:
    """Read one message; None when the lease of the line was lost."""
    message, poison = turn.message, turn.poison
    waits = any(isinstance(m.body, UnreadReply) for m in turn.behind)
    races = count()

    @transact
    def once() -> Step[_Consumed | None]:
        nonlocal loaded, waits
        first = next(races) == 0
        if loaded is None:
            loaded = yield from load({Line: [line_id]})
        now, line = loaded.now, loaded.line(line_id)
        found = (yield from withdrawing(line, message, now)) if poison is Poison.NO else NONE
        if found is None:  # the end of a service waits for the archive: no later message is read before
            put = (turn.place.later or Put(READ, now + A_MINUTE),)
            yield from save(Commit("", (Change(Owner.LINE, line_id, put=put),), turn.held))
            return None
        ids = [] if poison is Poison.WHOLLY else wanted(line, message)
        recalled = _recalled(line, ids, known) if first and poison is Poison.NO else {}
        orders = recalled or (yield from load_of(line, ids)) or (yield from _left(line, message, ids))
        line = replace(line, entries=as_sealed(line.entries, orders)) if orders else line
        known_to_us = bool(recalled)
        decided = yield from _decided(line, orders, turn, found, now, waits=waits, known=known_to_us)
        word, after = yield from _save(line, turn, decided, now, known=known_to_us)
        if word in SAVED:
            return _Consumed(Snapshot(now, {Line: {line_id: after}}) if after else None)
        if word is CommitResult.LOST:
            return None
        if word is not None:  # else the order must be loaded
            waits, loaded = waits or word is CommitResult.GUARDED, None
        raise Stale

    return (yield from once())


def _left(line: Line, message: Unread, ids: Sequence[str]) -> Step[dict[str, Order]]:
    """Return the order of a report that came after it had left the store, to which it comes back; none while SQL cannot
    be asked: the messages behind the report must not wait for that.
    """
    if not isinstance(message.body, UnreadReport) or not ids:
        return {}
    try:
        order, _ = yield from at_hand(Order, ids[0])
    except (OrderNotFound, ArchiveUnavailable):
        return {}
    return {order.id: order} if order.line == line.id else {}


def _recalled(line: Line, ids: Sequence[str], known: Callable[[str], Order | None]) -> dict[str, Order]:
    """Return the one order of a line that a message may be about, where it is known."""
    order = known(ids[0]) if len(ids) == 1 else None
    return {order.id: order} if order is not None and order.line == line.id else {}


def _decided(
    line: Line, orders: Mapping[str, Order], turn: _Turn, found: Withdrawal, now: Millis,
    *, waits: bool, known: bool,
) -> Step[_Decided]:  # fmt: skip
    """Decide on a message; on a yes once more, where it shares a cadence with the newest of its agent."""

    def on(cadence: ReplyCadence | None) -> _Decided:
        meant = _meant(line, orders, turn, found, now, waits=waits, cadence=cadence)
        return _changing(turn.place.left(line), orders, meant, now, known=known)

    decided = on(None)
    beat = next((decision.beat for _, _, decision in decided.todo if decision.beat), None)
    if beat is None:
        return decided
    newest = yield from newest_yeses(beat)
    cadence = cadence_of(beat, newest.kept)
    return (on(cadence) if cadence else decided)._replace(laid=newest.with_also(beat))


def _meant(
    line: Line, orders: Mapping[str, Order], turn: _Turn, found: Withdrawal, now: Millis,
    *, waits: bool, cadence: ReplyCadence | None,
) -> Reading:  # fmt: skip
    """Return the facts in a message. found: the end of a service that it wishes"""
    message = turn.message
    if turn.poison is Poison.NO:
        meant = understand(line, orders, message, waits=waits, cadence=cadence)
    else:
        meant, found = _unread(line, orders, message, now, wholly=turn.poison is Poison.WHOLLY)
    if not isinstance(message.body, UnreadReply):
        return meant
    return answering(meant, found, line, message.body.scope[0], message.came)


def _unread(
    line: Line, orders: Mapping[str, Order], message: Unread, now: Millis, *, wholly: bool
) -> tuple[Reading, Withdrawal]:
    """Return the facts that count in a message that lost its readers; the rest waits for a person."""
    log.error("line %s: a message lost every reader: only a refusal in it counts", line.id)
    meant = Reading(unmatched=LOST_READER) if wholly else without_reader(line, orders, message)
    if wholly or not is_refusal(message):
        return replace(meant, put=(*meant.put, aside(line, message))), NONE
    return meant, later(line, message, now)


def _save(
    line: Line, turn: _Turn, decided: _Decided, now: Millis, *, known: bool
) -> Step[tuple[CommitResult | None, Line | None]]:
    """Commit order by order; the last commit consumes the message. A repeat recognises by its op what was done. Return
    the line, too, where only its version has changed.

    known: the order was not loaded: None, and nothing is written, where no commit would compare it
    """
    todo, meant, laid = decided
    if known and not todo:
        return None, None
    message, held, place, release = turn.message, turn.held, turn.place, not turn.behind
    if WAKE_ASIDE in [put.effect for put in meant.put]:  # the message stays there, or comes there
        place = Place(place.message)
    fields = {**dict.fromkeys(line.aged, ""), **meant.fields}
    after: Line | None = line
    for n, (order, fact, decision) in enumerate(todo):
        # The line's own effects go with the first commit: a repeat after a crash finds them there.
        put, drop = (meant.put, meant.drop) if n == 0 else ((), ())
        last, consume = n == len(todo) - 1, ""
        if last:
            put, drop, consume = (*put, *place.put), (*drop, *place.drop), place.message
        change = Change(
            Owner.LINE, line.id, line.version + n, {} if n else fields, put, drop, consume, release and bool(consume)
        )
        commit, _ = commit_of(order, decision, fact.op, now, held, change)
        word = yield from save(replace(commit, laid=laid) if decision.beat else commit)
        if word not in SAVED:
            return word, None
        after = _after(after, commit) if word is CommitResult.OK else None
    if todo:
        return CommitResult.OK, after
    entries = [_kept(line, message, meant.unmatched)] if meant.unmatched else []
    put, drop = (*meant.put, *place.put), (*meant.drop, *place.drop)
    change = Change(
        Owner.LINE, line.id, line.version, fields, put, drop, place.message, release and bool(place.message)
    )
    return (yield from save(Commit("", (change,), held, None, entries, wakes_of(put, now)))), None


def _changing(line: Line, orders: Mapping[str, Order], meant: Reading, now: Millis, *, known: bool) -> _Decided:
    """Return what changes orders, and what is left of the meaning: nothing, where it cannot be decided."""
    try:
        decided = [(orders[o], fact, decide(orders[o], fact, now)) for o, fact in meant.facts if o in orders]
    except (BrokenRecord, IllegalTransition) as error:
        if not known:
            log.error("line %s: a message cannot be decided: %s", line.id, type(error).__name__)
        return _Decided([], Reading(unmatched="undecidable"))
    return _Decided([(o, fact, unless_barred(o, d, line, now)) for o, fact, d in decided if not d.is_void], meant)


def _after(line: Line | None, commit: Commit) -> Line | None:
    """Return a line as a commit left it, where it changed nothing but the version; None: it must be loaded."""
    change = commit.records[-1]
    if line is None or change.owner is not Owner.LINE or change.fields or change.put or change.drop:
        return None
    return replace(line, version=line.version + 1)


def _kept(line: Line, message: Unread, why: str) -> str:
    """Return an unmatched message as its stream keeps it: evidence, which holds the person's words."""
    return compact({"why": why, "line": line.id, "at": message.at, "key": message.key, "message": message.body})
