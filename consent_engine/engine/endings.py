"""Endings: requested, done by the BSS as activations are, notified to the subscriber, and done again when stuck.

An order has one at most, by construction: its id is made from the order's. A repeated request is shown it.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import (
    Cause,
    Ending,
    EndingNotFound,
    EndingState,
    GivenUp,
    Notified,
    Why,
    ending_doc,
    ending_id,
    opened,
)
from consent_engine.domain.call.report import Report
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.decide.decision import Drop, Put, begun
from consent_engine.domain.decide.endings import (
    EndDecision,
    on_end_outcome,
    on_give_up,
    on_notice,
    on_reopen,
    on_retry,
    switching_off,
)
from consent_engine.domain.effects import DEACTIVATE, WAKE_LINE, Millis, Pending
from consent_engine.domain.hashing import digest
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.holder import CHANGING, in_order_of_time
from consent_engine.domain.line.line import STRANGER_MS, Line
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.facts import Ended
from consent_engine.domain.order.order import Order
from consent_engine.engine.change_order import wakes_of
from consent_engine.engine.recall import Lookup, changing, holds_until, recalled
from consent_engine.engine.round_trips import Stale, Step, load, load_of, one, prove, save, saving, transact
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, NothingParked, OrderNotFound
from consent_engine.ports import By, Change, Commit, CommitResult, Held, Leased, Owner, Snapshot, Store

log = logging.getLogger(__name__)


def _saving(
    ending: Ending, decision: EndDecision, op: str, now: Millis, held: Held | None, *more: Change, prove: bool = False
) -> Step[CommitResult]:
    """Write a decision about an ending, together with the changes `more`; raises Stale. LOST: the lease was."""
    after, fields = ending.with_events(*decision.events)
    change = Change.of(after, fields, decision.put, decision.drop)
    puts = (*decision.put, *(put for each in more for put in getattr(each, "put", ())))
    commit = Commit(op if decision.events else "", (change, *more), held, wakes=wakes_of(puts, now))
    word = yield from saving(commit, prove=prove)
    if word is CommitResult.OK:
        for event in decision.events:
            log.info("order %s: ending: %s, now %s", ending.doc.order, type(event).__name__.lower(), after.state.value)
    return word


@transact
def retrying(name: str, by: str, effects: Sequence[str] = ()) -> Step[None]:
    """Do the parked effects now of the line, call, ending or report that has this id, or of all but an ending only
    `effects` among them; the next answer is believed.

    Raises NothingParked, also for what is archived; BrokenRecord for a line that cannot be read; StoreUnavailable.
    """
    loaded = yield from load({Line: [name], Call: [name], Ending: [name], Report: [name]})
    known = (loaded.of(Call).get(name), loaded.of(Ending).get(name), loaded.of(Report).get(name))
    record = next((each for each in known if each), None) or loaded.line(name)
    if isinstance(record, Ending):
        op = f"retry:{uuid.uuid4().hex[:12]}"
        yield from _again(record, on_retry(record, op, by, loaded.now), op, loaded.now)
        return
    own = record.effects.items()
    put = tuple(Put(e, loaded.now, p.once_more(by)) for e, p in own if p.parked and e in (effects or record.effects))
    if not put:
        raise NothingParked("nothing of this record stands on the stuck list")
    yield from saving(Commit("", (Change.of(record, put=put),), wakes=wakes_of(put, loaded.now)), prove=True)


@transact
def reopening(name: str, by: str, op: str) -> Step[None]:
    """Do an ending again that was given up, under the same key. op: the identity of the change

    Raises NothingParked, also where there is no ending, or it is archived; StoreUnavailable.
    """
    loaded = yield from load({Ending: [name]})
    if (ending := loaded.of(Ending).get(name)) is None:
        raise NothingParked("no ending with this id was given up")
    yield from _again(ending, on_reopen(ending, op, by, loaded.now), op, loaded.now)


def _again(ending: Ending, decision: EndDecision, op: str, now: Millis) -> Step[None]:
    if not decision.put:
        raise NothingParked("nothing of this ending stands on the stuck list")
    yield from _saving(ending, decision, op, now, None, prove=True)


def if_parked(step: Step[object]) -> Step[bool]:
    """Whether the step found anything to retry: if not, another did it, or the order was answered meanwhile."""
    try:
        yield from step
    except (NothingParked, OrderNotFound):
        return False
    return True


@transact
def giving_up_ending(name: str, by: str, reason: str) -> Step[bool]:
    """Give up the parked effects of an ending, proven durable. True also for a repeat, by the same person for the same
    reason: it must not be taken for the wish to give up anything else. False where it was given up otherwise before.

    Raises NothingParked, also where there is no ending; StoreUnavailable.
    """
    loaded = yield from load({Ending: [name]})
    ending, now = loaded.of(Ending).get(name), loaded.now
    op = f"give-up:{digest(compact([by, reason, *_times_reopened(ending)]))[:12]}"
    if ending is not None and ending.state is EndingState.GIVEN_UP and (yield from prove(name, Ending)):
        return ending.knows(op)
    decision = on_give_up(ending, op, by, reason, now) if ending else EndDecision()
    if ending is None or decision.is_void:
        raise NothingParked("nothing of this ending stands on the stuck list")
    yield from _saving(ending, decision, op, now, None, prove=True)
    return True


def _times_reopened(ending: Ending | None) -> tuple[int, ...]:
    """Return how often it was given up and taken up again, if ever: the same words then are another change."""
    before = [each for each in ending.events if isinstance(each, GivenUp)] if ending else []
    times = len(before) - (ending is not None and ending.state is EndingState.GIVEN_UP)
    return (times,) if times > 0 else ()


AGAIN_MS = 60_000
"""Delay before checking again whether a begun activation has ended, or whether the archive can be asked."""


class EndingTaken(Struct, frozen=True):
    """The ending of an order, and whether this request made it."""

    ending: Ending
    is_new: bool


def ending_asked(order: Order, why: Why) -> Step[EndingTaken]:
    """Have an order taken back, wherever it is; return the ending that it has from an earlier request. Proven durable.

    Raises NotActivated, NumberErased, BrokenRecord for a line or an ending that cannot be read, StoreUnavailable, and
    ArchiveUnavailable for an archived order whose ending may be there, too.
    """
    name = ending_id(order.id)

    @transact
    def taken() -> Step[EndingTaken]:
        loaded = yield from load({Order: [order.id], Line: [order.line], Ending: [name]})
        here = loaded.of(Order).get(order.id)  # else it is as SQL had it: by now its person may be erased there
        if (known := loaded.find(Ending, name)) is not None:
            if not (yield from prove(name, Ending)):
                raise Stale
            return EndingTaken(known, is_new=False)
        if (past := (yield from _archived(order, loaded, name))) is not None:
            return EndingTaken(past, is_new=False)
        holder_since = loaded.line(order.line).holder_since(order.doc.carrier)
        doc = ending_doc(here or order, why, loaded.now, holder_since)
        ending, fields = opened(doc, (here or order).person.msisdn, order.line, token_hex(16))
        put = switching_off(ending, loaded.now)
        records = Change.of(ending, fields, (put,)), Change.look(here or replace(order, version=0))
        commit = Commit(name, records, wakes=wakes_of((put,), loaded.now), until=holds_until(loaded.now))
        yield from saving(commit, prove=True)
        log.info("order %s: its ending was requested: %s", order.id, why.cause.value)
        return EndingTaken(replace(ending, version=1, effects={DEACTIVATE: put.pending}), is_new=True)

    return (yield from taken())


def _archived(order: Order, loaded: Snapshot, name: str) -> Step[Ending | None]:
    """Return the archived ending of an archived order: an ending goes to the archive after its order, never before."""
    if order.id in loaded.of(Order):
        return None
    archived = yield from recalled(Ending, [name])
    if archived is None:
        raise ArchiveUnavailable(
            "the archive is needed to tell whether an ending exists: the same request again is safe"
        )
    return archived[0] if archived else None


def end_recording(leased: Leased, ended: Ended, policy: Policy, now: Millis) -> Step[Pending | None]:
    """Record how an ending's call to the BSS ended. Raises BrokenRecord for an effect of another record, and
    StoreUnavailable.
    """
    held: Held | None = leased.held

    def recorded(ending: Ending, _: Millis) -> Step[Pending | None]:
        nonlocal held
        decision = on_end_outcome(ending, ended, policy, now)
        if decision.is_void:
            return ending.effects.get(DEACTIVATE)
        if (yield from _saving(ending, decision, ended.op, now, held)) is CommitResult.LOST:
            held = None
            raise Stale
        return next((put.pending for put in decision.put if put.effect == DEACTIVATE), None)

    ending = leased.of(Ending)
    return (yield from changing(Ending, ending.id, recorded, (ending, now)))


def notifying_end(leased: Leased) -> Step[str]:
    """Notify the subscriber that the service is off, once earlier messages have gone out. The notice is an SMS of the
    line: the commit that puts it checks who holds the number by then, and any change of that removes it.

    Raises BrokenRecord for a timer of another record.
    """
    op = f"{leased.effect}#{leased.token}"

    def written(ending: Ending, _: Millis) -> Step[None]:
        loaded = yield from load({Order: [ending.doc.order], Line: [ending.line]})
        line, order = loaded.line(ending.line), loaded.of(Order).get(ending.doc.order)
        decision, sms = on_notice(ending, order, line, op, leased.at)
        more = (_line_with_notice(line, ending, sms, loaded.now),) if sms else ()
        yield from _saving(ending, decision, op, leased.at, leased.held, *more)

    ending = leased.of(Ending)
    yield from changing(Ending, ending.id, written, (ending, leased.at))
    return "performed"


def _line_with_notice(line: Line, ending: Ending, sms: Put, now: Millis) -> Change:
    """Return the line's change with the notice, as it was seen. A line that left with its last order is made anew."""
    fields = {"msisdn": ending.person.msisdn, "seen": str(max(line.seen, now))}
    stays = line.version and (line.entries or WAKE_LINE in line.effects)
    put = (sms,) if stays else (sms, Put(WAKE_LINE, now + STRANGER_MS))
    return Change.of(line, fields, put)


# -- endings requested by the engine itself ---------------------------------------------------------------------------


def ending_all(line: Line, why: Why, meant: Callable[[Order], bool]) -> Step[bool]:
    """Have all activated orders of a number taken back that `meant` selects, archived ones, too. False while that is
    incomplete: an activation of one of them has begun and not ended, or the archive cannot be asked.

    Raises BrokenRecord for an order or an ending that cannot be read, once all others are requested and nothing waits.
    """
    live, archived, broken = yield from _orders_of(line)
    orders = {order.id: order for order in archived or ()} | live
    over = archived is not None
    for order in orders.values():
        if not meant(order):
            continue
        if order.last(Trigger.SERVICE_ACTIVATED) is None:
            over = over and not (order.state is State.CONFIRMED and begun(order))
        else:
            try:
                yield from ending_asked(order, why)
            except BrokenRecord as error:
                broken.append(error)
            except ArchiveUnavailable:
                over = False
    if broken and over:
        raise broken[0]
    return over


def _orders_of(line: Line) -> Step[tuple[dict[str, Order], list[Order] | None, list[BrokenRecord]]]:
    """Return a number's orders in the store, and in the archive (None while it cannot be asked), and an error for each
    place where one cannot be read.
    """
    ids, broken = [entry.order for entry in line.entries], list[BrokenRecord]()
    live = yield from load_of(line, ids)
    for order in [order for order in ids if order not in live]:
        if (yield from prove(order)):
            broken.append(BrokenRecord("an order of this number cannot be read: see consent doctor"))
    try:
        return live, (yield from recalled(Order, [line.id], By.LINE)), broken
    except BrokenRecord as error:
        return live, (yield from recalled(Order, [line.id], By.LINE, whole=False)), [*broken, error]


def holder_changed(leased: Leased) -> Step[str]:
    """Take back the services of a former holder, now that the number has another holder, or none.

    Raises BrokenRecord for a timer of another record.
    """
    line = leased.of(Line)
    changed = in_order_of_time(each for each in line.history if each.event in CHANGING)
    over = True
    if changed:
        newest = changed[-1]
        why = Why(Cause.NUMBER_CHANGED, "other", newest.by)
        over = yield from ending_all(line, why, lambda order: order.doc.call.started_at < newest.on)
    put = () if over else (Put(leased.effect, leased.at + AGAIN_MS),)
    drop = ((leased.effect, Drop.ANYWAY),) if over else ()
    yield from save(Commit("", (Change(Owner.LINE, line.id, None, {}, put, drop),), leased.held))
    return "performed"


class Endings:
    """The endings of one store. run: carries out steps, and wakes the lanes in which effects became due."""

    def __init__(self, store: Store, lookup: Lookup, run: Callable[[Sequence[Any]], list[Any]]) -> None:
        self._store = store
        self._lookup = lookup
        self._run = run

    def ask(self, order: Order, why: Why) -> EndingTaken:
        """Have an order taken back. Raises as `ending_asked` does. Proven durable before this returns."""
        return one(self._run, ending_asked(order, why))

    def show(self, order: str) -> Ending:
        """Return the ending of an order. Raises EndingNotFound, and BrokenRecord for one that cannot be read."""
        if found := self.of([order]).get(order):
            return found
        if self._store.records.look({Ending: [ending_id(order)]}).unreadable:
            raise BrokenRecord("this ending's record is damaged, or somebody changed it")
        raise EndingNotFound("no ending of this order was requested")

    def of(self, orders: Sequence[str]) -> dict[str, Ending]:
        names = [ending_id(order) for order in orders]
        known = dict(self._store.records.look({Ending: names}).of(Ending))
        there = dict(zip(names, self._store.records.glance(orders), strict=True))
        if gone := [name for name in names if name not in known and not there[name][0]]:  # archived after its order
            known |= self._lookup.of(Ending, gone)
        return {ending.doc.order: ending for ending in known.values()}

    def notice(self, ending: Ending) -> str:
        """Return why the subscriber has no notice: `waits`, `stuck`, or why there is none; '' for nothing."""
        notified = next((each for each in ending.events if isinstance(each, Notified)), None)
        if notified is None or not notified.effect:
            return notified.why if notified else ""
        line = self._store.records.look({Line: [ending.line]}).of(Line).get(ending.line)
        waits = line.effects.get(notified.effect) if line else None
        return "" if waits is None else "stuck" if waits.parked else "waits"

    def retried(self, order: str, by: str) -> bool:
        """Do the parked effects of the ending of an order now, or its notice; return whether there were any."""
        return one(self._run, if_parked(retrying(ending_id(order), by))) or self._notice_retried(order, by)

    def _notice_retried(self, order: str, by: str) -> bool:
        ending = self.of([order]).get(order)
        notified = next((each for each in ending.events if isinstance(each, Notified)), None) if ending else None
        if ending is None or notified is None or not notified.effect:
            return False
        return one(self._run, if_parked(retrying(ending.line, by, (notified.effect,))))

    def reopened(self, order: str, by: str) -> bool:
        """Do an ending again that was given up; return whether there was one. Raises NothingParked where it is
        archived: the BSS may not know its key any more, and would take the same request for another.
        """
        op = f"retry:{uuid.uuid4().hex[:12]}"
        if one(self._run, if_parked(reopening(ending_id(order), by, op))):
            return True
        known = self.of([order]).get(order)
        if known is not None and known.state is EndingState.GIVEN_UP and known.over_at:
            raise NothingParked(
                "its ending was given up too long ago to be taken up again, for the BSS may not know its key any more: "
                "have the service switched off by hand"
            )
        return False

    def given_up(self, order: str, by: str, reason: str) -> bool | None:
        """Give up the parked effects of an order's ending, as `giving_up_ending` says; None where there are none."""
        try:
            return one(self._run, giving_up_ending(ending_id(order), by, reason))
        except NothingParked:
            return None
