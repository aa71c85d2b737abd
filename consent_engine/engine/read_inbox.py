"""Reading a line's inbox: message by message, in the order in which they reached us, each with its consequences."""

import logging
from collections.abc import Mapping, Sequence
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import compact
from consent_engine.domain.decide.decide import decide
from consent_engine.domain.decide.decision import A_MINUTE, Drop, Put, stood_off
from consent_engine.domain.effects import READ, WAKE_ASIDE, Millis, Pending
from consent_engine.domain.inbox import UnreadReply
from consent_engine.domain.interpret.interpret import understand, wanted
from consent_engine.domain.interpret.lost_reader import LOST_READER, aside, is_refusal, set_aside, without_reader
from consent_engine.domain.interpret.reading import Reading
from consent_engine.domain.interpret.withdrawing import NONE, Withdrawal, answering
from consent_engine.domain.line.entries import Unread
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.engine.change_order import MOST_RACES, commit_of, wakes_of
from consent_engine.engine.round_trips import load, save
from consent_engine.engine.store_requests import Step
from consent_engine.engine.withdrawals import later, withdrawing
from consent_engine.errors import BrokenRecord, IllegalTransition, StoreUnavailable
from consent_engine.ports import Commit, CommitResult, Held, Leased, LineChange, Loaded, Saved, needed

log = logging.getLogger(__name__)


class Place(Struct, frozen=True):
    """The place of a message. message: its key in the inbox, '' where it was set aside · put, drop: the change
    of the line's timer of such messages once it is read · later: that timer where the message has to wait
    """

    message: str = ""
    put: tuple[Put, ...] = ()
    drop: tuple[tuple[str, Drop], ...] = ()
    later: Put | None = None


class Poison(Enum):
    """How many readers a message lost. LOST: so many that only the refusal in it is looked at · WHOLLY: these, too"""

    NO = 0
    LOST = 1
    WHOLLY = 2


def reading(leased: Leased, max_attempts: int) -> Step[int]:
    """Read the unread messages of a leased line; return how many were consumed here. Raises BrokenRecord for an
    effect without its line.
    """
    line = needed(leased.line)
    held = leased.held
    if not leased.unread:  # consumed by a worker whose lease passed to us: nothing is left to do
        yield from save(Commit("", (LineChange(line.id, drop=((leased.effect, Drop.ANYWAY),)),), held))
        return 0
    lost = leased.token > max_attempts and leased.lost
    poison = Poison.WHOLLY if lost and leased.token > 2 * max_attempts else Poison.LOST if lost else Poison.NO
    loaded: Loaded | None = Loaded(leased.at, {}, {line.id: line})
    for n, message in enumerate(leased.unread):
        behind = leased.unread[n + 1 :]
        place = Place(message.key)
        ours = yield from _one(loaded, line.id, message, behind, held, poison if n == 0 else Poison.NO, place)
        if not ours:
            return n
        loaded = None
    return len(leased.unread)


def reading_again(leased: Leased) -> Step[str]:
    """Read the oldest message of a line that was set aside; the next is read under a lease of its own. Raises
    BrokenRecord for an effect without its line, and for a message that cannot be read.
    """
    line = needed(leased.line)
    kept = line.effects[leased.effect]
    message, rest = set_aside(kept)
    put = (Put(leased.effect, leased.at, rest),) if rest.about else ()
    drop = () if put else ((leased.effect, Drop.ANYWAY),)
    place = Place("", put, drop, Put(leased.effect, leased.at + A_MINUTE, Pending(about=kept.about)))
    yield from _one(None, line.id, message, (), leased.held, Poison.NO, place)
    return "performed"


def _one(
    loaded: Loaded | None, line_id: str, message: Unread, behind: Sequence[Unread], held: Held, poison: Poison,
    place: Place,
) -> Step[bool]:  # fmt: skip
    """Read one message; False when the lease of the line was lost."""
    waits = any(isinstance(m.body, UnreadReply) for m in behind)
    barred, rhythm = False, None
    for _ in range(MOST_RACES):
        if loaded is None:
            loaded = yield from load(lines=[line_id])
        now, line = loaded.now, loaded.line(line_id)
        found = (yield from withdrawing(line, message, now)) if poison is Poison.NO else NONE
        if found is None:  # the end of a service waits for the archive: no later message is read before
            put = (place.later or Put(READ, now + A_MINUTE),)
            yield from save(Commit("", (LineChange(line_id, put=put),), held))
            return False
        ids = [] if poison is Poison.WHOLLY else wanted(line, message)
        orders = (yield from load(ids)).orders if ids else {}
        if poison is Poison.NO:
            meant = understand(line, orders, message, waits=waits, rhythm=rhythm)
        else:
            meant, found = _unread(line, orders, message, now, wholly=poison is Poison.WHOLLY)
        if isinstance(message.body, UnreadReply):
            meant = answering(meant, found, line, message.body.scope[0], message.came)
        saved = yield from _save(line, orders, message, meant, held, now, place, release=not behind, barred=barred)
        word, rhythm = saved.word, saved.rhythm or rhythm
        if word in {CommitResult.OK, CommitResult.SAME}:
            return True
        if word in {CommitResult.LOST, CommitResult.FRONT}:
            return False
        waits, barred = waits or word is CommitResult.GUARDED, barred or word is CommitResult.BARRED
        loaded = None
    raise StoreUnavailable("too many others change this line")


def _unread(
    line: Line, orders: Mapping[str, Order], message: Unread, now: Millis, *, wholly: bool
) -> tuple[Reading, Withdrawal]:  # fmt: skip
    """Return what counts of a message that lost its readers; what does not waits for a person."""
    log.error("line %s: a message lost every reader: only a refusal in it counts", line.id)
    meant = Reading(unmatched=LOST_READER) if wholly else without_reader(line, orders, message)
    if wholly or not is_refusal(message):
        return replace(meant, put=(*meant.put, aside(line, message))), NONE
    return meant, later(line, message, now)


def _save(
    line: Line, orders: Mapping[str, Order], message: Unread, meant: Reading, held: Held, now: Millis, place: Place,
    *, release: bool, barred: bool,
) -> Step[Saved]:  # fmt: skip
    """Commit order by order; the last commit consumes the message. A repeat recognises by its op what was done."""
    try:
        decided = [(orders[o], fact, decide(orders[o], fact, now)) for o, fact in meant.facts if o in orders]
    except (BrokenRecord, IllegalTransition) as error:
        log.error("line %s: a message cannot be decided: %s", line.id, type(error).__name__)
        decided, meant = [], Reading(unmatched="undecidable")
    todo = [(o, fact, stood_off(d, now) if barred else d) for o, fact, d in decided if not d.is_void]
    if WAKE_ASIDE in [put.effect for put in meant.put]:  # the message stays there, or comes there
        place = Place(place.message)
    fields = {**dict.fromkeys(line.aged, ""), **meant.fields}
    for n, (order, fact, decision) in enumerate(todo):
        # The line's own effects go with the first commit: a repeat after a crash finds them there.
        put, drop = (meant.put, meant.drop) if n == 0 else ((), ())
        last, consume = n == len(todo) - 1, ""
        if last:
            put, drop, consume = (*put, *place.put), (*drop, *place.drop), place.message
        change = LineChange(
            line.id, line.version + n, {} if n else fields, put, drop, consume, release=release and bool(consume)
        )
        commit, _ = commit_of(order, decision, fact.op, now, held, change)
        saved = yield from save(commit)
        if saved.word not in {CommitResult.OK, CommitResult.SAME}:
            return saved
    if todo:
        return Saved(CommitResult.OK)
    entries = [_kept(line, message, meant.unmatched)] if meant.unmatched else []
    put, drop = (*meant.put, *place.put), (*meant.drop, *place.drop)
    change = LineChange(
        line.id, line.version, fields, put, drop, place.message, release=release and bool(place.message)
    )
    return (yield from save(Commit("", (change,), held, None, entries, wakes_of(put, now))))


def _kept(line: Line, message: Unread, why: str) -> str:
    """Return an unmatched message as its stream keeps it: evidence, which holds the person's words."""
    return compact({"why": why, "line": line.id, "at": message.at, "key": message.key, "message": message.body})
