"""Leaving: what has settled, is quiet, and stands in SQL as it is here, is deleted from the store, whatever its kind.

The scribe brought it to SQL before, so nothing is copied. SQL marks its row as gone where that has exactly this version
and head; then a commit deletes the record, if it is still of this version. A worker that dies in between leaves it in
both: the store's copy counts, and the repeat ends it. What goes on meanwhile has a higher version, and the scribe's
next row of it is gone no more. An idle line on which nothing stands leaves by the same commit; it needs no row.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.call.review import UNDECIDED
from consent_engine.domain.decide.decision import Drop, Put, parking
from consent_engine.domain.decide.leaving import LATER_MS, QUIET_MS, at_rest, wants_more
from consent_engine.domain.effects import LEAVES, WAKE_LINE, Millis
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.line.line import STRANGER_MS, Line, request_key
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Chained, mark_of
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.recall import changing
from consent_engine.engine.round_trips import SAVED, Step, drive, drive_in_turn, load, prove, save, saving
from consent_engine.engine.scribe import let_go
from consent_engine.errors import ArchiveUnavailable, ConsentError, StoreUnavailable
from consent_engine.ports import Change, Commit, CommitResult, Leased, Owner, Recorded, Store
from consent_engine.ports.records import EVERY_MESSAGE

log = logging.getLogger(__name__)
BATCH = 200
MOST_WAITING = 1_000
"""Most leased records that wait to leave; no more are leased before some have left."""
SOON_MS = 60_000
DOWN_MS, MOST_DOWN_MS = 5_000, 600_000
LEFT = "left"
"""The identity of a commit by which a record leaves: a repeat finds it gone."""


class Beside(NamedTuple):
    """What a record leaves beside. due: it must stay, and is looked at again then; 0: it may go · line: the changed
    line, where it leaves one · changes: those of the line
    """

    due: Millis = 0
    line: Line | None = None
    changes: tuple[Change, ...] = ()


class Left(NamedTuple):
    """The end of a step that lets a record go. gone: it left · due: when to look again; 0: not by this worker"""

    gone: bool
    due: Millis = 0


def leaving(leased: Leased) -> Step[Left]:
    """Delete a record from the store, as it was leased; what it left on its line goes in the same commit. Where either
    changes meanwhile, it is looked at again soon. Raises BrokenRecord for a line that cannot be read.
    """
    beside = yield from _beside(leased)
    if beside.due:
        return Left(gone=False, due=beside.due)
    guard, record = EVERY_MESSAGE if beside.line else None, leased.record
    # The scribe finds a line by the records that its entries name; those of this one it may not have read yet.
    line = () if isinstance(record, Order | Line) else (mark_of(Chained.LINE, record.line),)
    word = yield from save(Commit(LEFT, (Change.leave(record), *beside.changes), leased.held, guard, entries=line))
    if word in SAVED:
        return Left(gone=True)
    return Left(gone=False, due=0 if word is CommitResult.LOST else leased.at + SOON_MS)


def _staying(leased: Leased) -> Step[Beside]:
    if wants_more(leased.record.effects, leased.effect):
        return Beside(leased.at + LATER_MS)
    return (yield from _beside(leased))


def _beside(leased: Leased) -> Step[Beside]:
    """Return what a record that wants nothing more leaves beside, as that is now."""
    now, record = leased.at, leased.record
    if isinstance(record, Order):
        line = (yield from load({Line: [record.line]})).line(record.line)
        return _line_without(line, record.id, now)
    if isinstance(record, Call) and record.verdict in UNDECIDED:  # an order may await its review
        line = (yield from load({Line: [record.line]})).line(record.line)
        awaited = any(each.kind is Kind.REVIEW and each.ref == record.id for each in line.restrictions)
        return Beside(now + LATER_MS if awaited else 0)
    if isinstance(record, Ending):
        # The order goes first: one in the store has its ending, if any, there too, so that taking it back needs no SQL.
        order = record.doc.order
        is_there = order in (yield from load({Order: [order]})).of(Order) or (yield from prove(order))
        return Beside(now + LATER_MS if is_there else 0)
    return Beside(line=record) if isinstance(record, Line) else Beside()


def _line_without(line: Line, order: str, now: Millis) -> Beside:
    """Return a line without an order that leaves; where it was the last one, the line must be quiet."""
    if not line.version:
        return Beside()
    rest, is_last = at_rest(line, now, QUIET_MS, order), all(entry.order == order for entry in line.entries)
    if is_last and line.seen > now - QUIET_MS:
        return Beside(line.seen + QUIET_MS + 1)
    if rest.goes and not line.reported:
        return Beside(line=line, changes=(Change.leave(line),))
    put = () if rest.due is None or WAKE_LINE in line.effects else (Put(WAKE_LINE, now - QUIET_MS + STRANGER_MS),)
    return Beside(line=line, changes=(Change.of(line, rest.fields, put),))


def ageing(leased: Leased) -> Step[Left]:
    """Let an idle line go on which nothing stands, or have it looked at again. Raises BrokenRecord for a timer of
    another record.
    """

    def aged(line: Line, _: Millis) -> Step[Left]:
        rest = at_rest(line, leased.at, STRANGER_MS)
        if rest.goes:
            return (yield from leaving(replace(leased, record=line)))
        put = () if rest.due is None else (Put(leased.effect, rest.due),)
        drop = () if put else ((leased.effect, Drop.ANYWAY),)
        yield from saving(Commit("", (Change.of(line, rest.fields, put, drop),), leased.held))
        return Left(gone=False)

    return (yield from changing(Line, leased.held.record, aged, (leased.of(Line), leased.at)))


class Mover:
    """Lets records go whose timers say so: on one event loop; SQL is asked in a thread. count: by outcome"""

    def __init__(self, store: Store, count: Callable[[str, int], None]) -> None:
        self._store = store
        self._count = count
        self._waiting: list[Leased] = []
        self._moving: asyncio.Task[None] | None = None
        self._trouble = LogOnChange(log, "timer: finished records cannot leave the store now")

    def enqueue(self, leased: Sequence[Leased]) -> list[Leased]:
        """Queue the records that are to leave, and return all other leases, but those that go with their records."""
        going = [each for each in leased if each.effect in LEAVES]
        self._waiting += going
        if self._waiting and (self._moving is None or self._moving.done()):
            self._moving = asyncio.ensure_future(self._move_all())
        reports = {each.record.id for each in going if isinstance(each.record, Report)}
        return [each for each in leased if each.effect not in LEAVES and each.record.id not in reports]

    async def rest(self, most: int = 0) -> None:
        """Wait until at most `most` wait. Raises the error that ended the move: no defect is passed over."""
        moving = self._moving
        while moving is not None and not moving.done() and (most == 0 or len(self._waiting) > most):
            await asyncio.wait([moving], timeout=0.01 if most else None)
        if moving is not None and moving.done():
            self._moving = None
            moving.result()

    async def _move_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._move(batch)
            except ConsentError as error:  # their leases expire, and a worker tries again
                log.error("timer: finished records could not leave: %s: %s", type(error).__name__, error)
                self._count("failed", len(batch))

    async def _move(self, batch: Sequence[Leased]) -> None:
        lines = [each for each in batch if each.owner is Owner.LINE]
        self._end(lines, [ageing(each) for each in lines], "let_go")
        cases = self._quiet([each for each in batch if each.owner is not Owner.LINE])
        if not cases:
            return
        try:
            there = await self._in_sql(cases)
        except ArchiveUnavailable as error:
            self._trouble.met(error)
            self._wait(cases)
            return
        self._trouble.over()
        kept = [each for each in cases if each.record.id in there]
        self._end(kept, [leaving(each) for each in kept], "archived")
        self._park([each for each in cases if each.record.id not in there])

    def _quiet(self, cases: Sequence[Leased]) -> list[Leased]:
        """Return those that want nothing more, with nothing that they must stay for; put off the others."""
        beside = drive(self._store, [_staying(each) for each in cases]).results
        dues = [found.due if isinstance(found, Beside) else 0 for found in beside]
        if self._store.archive is None:
            dues = [each.at + LATER_MS for each in cases]
        self._put_off([(each, due) for each, due in zip(cases, dues, strict=True) if due])
        return [each for each, due in zip(cases, dues, strict=True) if not due]

    async def _in_sql(self, cases: Sequence[Leased]) -> set[str]:
        """Mark these records as gone in SQL, and return those of them that are safely there. Raises ArchiveUnavailable
        and NotOurArchive.
        """
        store = self._store
        store.expect_archive()  # first: asking a missing archive for its id creates it
        if store.archive is not None:
            await asyncio.to_thread(store.archive.id)
        if (archive := store.bound_archive()) is None:
            return set()
        records = [each.record for each in cases if not isinstance(each.record, Line)]
        return await asyncio.to_thread(let_go, store, archive, records)

    def _end(self, leased: Sequence[Leased], steps: Sequence[Step[Left]], word: str) -> None:
        """Carry out steps that let records go; their reservations go after them."""
        gone, dues = list[Leased](), list[tuple[Leased, Millis]]()
        lines = [each.record.id if isinstance(each.record, Line) else each.record.line for each in leased]
        ended = drive_in_turn(self._store, list(zip(lines, steps, strict=True))).results
        for each, left in zip(leased, ended, strict=True):
            if isinstance(left, StoreUnavailable):  # too many others change its line
                dues.append((each, each.at + SOON_MS))
            elif isinstance(left, ConsentError):
                self._park([each], left)
            elif left.gone:
                gone.append(each)
            elif left.due:
                dues.append((each, left.due))
        if keys := [(key, each.record.id, "") for each in gone for key in reserved(each.record)]:
            self._store.reservations.release(keys)
        if gone:
            self._count(word, len(gone))
        self._put_off(dues)

    def _park(self, cases: Sequence[Leased], error: ConsentError | None = None) -> None:
        """Put records that SQL does not take on the stuck list, for a person to see why; the others go on."""
        commits = []
        for each in cases:
            record, (noun, known_by) = each.record, _NAMED[each.owner]
            another = f"another {noun} stands in the archive under this {known_by}, or it cannot be written"
            log.error("%s %s cannot leave: %s", noun, record.id, error or another)
            why = Hitch.UNREADABLE if error else Hitch.NOT_ARCHIVED
            stuck = parking(each.effect, record.effects[each.effect], why.of())
            commits.append(Commit("", (Change.of(record, put=(stuck,)),), each.held))
        saved = self._store.records.commit(commits) if commits else []
        if parked := saved.count(CommitResult.OK):
            self._count("parked", parked)

    def _wait(self, cases: Sequence[Leased]) -> None:
        """Put off what waits for SQL, each to its own instant: they do not all come at once when it is back."""
        pause = min(DOWN_MS << min(self._trouble.times - 1, 10), MOST_DOWN_MS)
        dues = [each.at + pause // 2 + random.randrange(pause // 2) for each in cases]  # noqa: S311 - jitter
        self._put_off(list(zip(cases, dues, strict=True)))
        self._count("waiting", len(cases))

    def _put_off(self, dues: Sequence[tuple[Leased, Millis]]) -> None:
        for owner in Owner:
            some = {each.record.id: (each.effect, due) for each, due in dues if each.owner is owner}
            if some:
                effect = next(iter(some.values()))[0]  # each kind has one by which it leaves
                self._store.lanes.postpone(effect, {name: due for name, (_, due) in some.items()}, owner)


_NAMED = {
    Owner.ORDER: ("order", "id"), Owner.CALL: ("call", "id or recording"), Owner.ENDING: ("ending", "id"),
    Owner.REPORT: ("report", "id"), Owner.LINE: ("line", "id"),
}  # fmt: skip


def reserved(record: Recorded | Line) -> set[str]:
    """Return the keys that are reserved for a record while the store has it."""
    if isinstance(record, Order):
        return {request_key(record.id)}
    return {request_key(record.id), *record.recording_keys} if isinstance(record, Call) else set()
