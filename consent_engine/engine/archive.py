"""Archiving: settled orders leave the store for the archive, batch by batch, beside the timers.

They are written to the archive first, in one transaction, and deleted from the store after that. A worker that dies in
between leaves an order in both: the store's copy counts, and the repeat finds in the archive what it would write.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from consent_engine.domain.effects import MOVED, WAKE_ARCHIVE, WAKE_EXPIRED, WAKE_LINE, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import request_key
from consent_engine.domain.offer.policy import LATE_MARGIN
from consent_engine.engine.archive_records import (
    Moving,
    awaited,
    move_calls,
    move_endings,
    move_reports,
    moving_effect,
    park,
)
from consent_engine.engine.lasting_trouble import LastingTrouble
from consent_engine.errors import ArchiveUnavailable, ConsentError
from consent_engine.ports import (
    Aged,
    Archive,
    Leased,
    Owner,
    RetireResult,
    Retiring,
    Store,
)

log = logging.getLogger(__name__)
BATCH = 200
MOST_WAITING = 1_000
"""Most leased records that wait for the archive; no more are leased before some have moved."""
LATER_MS = 3_600_000
"""Delay before a record that still has other effects is looked at again."""
SOON_MS = 60_000
DOWN_MS, MOST_DOWN_MS = 5_000, 600_000
_MOVES = frozenset({WAKE_ARCHIVE, WAKE_EXPIRED})
IDLE_MS = LATE_MARGIN
"""How long a number must be silent before its dedupe keys go: twice as long as any gateway repeats a message."""


class Archiver:
    """The mover of records whose archive timers are due: on one event loop; the archive is called in a thread."""

    def __init__(self, store: Store, told: Callable[[str, int], None]) -> None:
        self._store = store
        self._archive = store.archive
        self._told = told
        self._waiting: list[Leased] = []
        self._moving: asyncio.Task[None] | None = None
        self._troubles = 0
        self._trouble = LastingTrouble(log, "timer: finished records cannot be archived now")

    def take(self, leased: Sequence[Leased]) -> list[Leased]:
        """Queue the records that due timers move, delete lines without entries, and return all other leases."""
        self._waiting += [each for each in leased if each.effect in _MOVES]
        if self._waiting and (self._moving is None or self._moving.done()):
            self._moving = asyncio.ensure_future(self._move_all())
        idle = [each.held for each in leased if each.effect == WAKE_LINE and each.line is not None]
        if idle:
            self._told("let_go", self._store.retirement.age(idle, leased[0].at).count(Aged.OK))
        return [each for each in leased if each.effect not in MOVED]

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
            orders = {each.order.id: each for each in batch if each.order is not None}
            calls = {each.call.id: each for each in batch if each.call is not None}
            endings = {each.ending.id: each for each in batch if each.ending is not None}
            reports = {each.report.id: each for each in batch if each.report is not None}
            for move, some in (
                (self._move, orders),
                (partial(self._move_others, Owner.CALL, move_calls), calls),
                (partial(self._move_others, Owner.ENDING, move_endings), endings),
                (partial(self._move_others, Owner.REPORT, move_reports), reports),
            ):
                try:
                    await move(some)
                except ConsentError as error:  # their leases expire, and a worker tries again
                    log.error("timer: finished records could not be archived: %s: %s", type(error).__name__, error)
                    self._told("failed", len(some))

    async def _move_others(self, owner: Owner, move: Moving, batch: Mapping[str, Leased]) -> None:
        now, archive = max((each.at for each in batch.values()), default=0), self._archive
        if archive is None or not batch:
            self._postpone(dict.fromkeys(batch, now + LATER_MS), owner)
            return
        try:
            stale, early = await move(self._store, archive, batch, self._told)
        except ArchiveUnavailable as error:
            self._troubles += 1
            self._trouble.met(error)
            self._down(list(batch), now, owner)
            return
        self._fine()
        self._postpone({**dict.fromkeys(stale, now + SOON_MS), **dict.fromkeys(early, now + LATER_MS)}, owner)

    async def _move(self, batch: Mapping[str, Leased]) -> None:
        now, archive = max((each.at for each in batch.values()), default=0), self._archive
        if archive is None or not batch:
            self._postpone(dict.fromkeys(batch, now + LATER_MS))
            return
        found = self._store.retirement.whole(list(batch))
        records = {order_id: record for order_id, record in found.items() if _is_over(record)}
        self._postpone(dict.fromkeys(found.keys() - records.keys(), now + LATER_MS))
        try:
            kept = await self._keep(archive, records) if records else set()
        except ArchiveUnavailable as error:
            self._troubles += 1
            self._trouble.met(error)
            self._down(list(records), now)
            return
        self._fine()
        self._let_go({order: (batch[order], record) for order, record in records.items() if order in kept}, now)
        park(self._store, Owner.ORDER, {o: r for o, r in records.items() if o not in kept}, batch, self._told)

    async def _keep(self, archive: Archive, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        await awaited(self._store, archive)
        return await asyncio.to_thread(archive.keep, records)

    def _let_go(self, kept: Mapping[str, tuple[Leased, Mapping[str, str]]], now: Millis) -> None:
        """Delete archived orders from the store, if they are still as they were written to the archive."""
        rows = [Retiring(each.held, r["line"], int(r["v"])) for each, r in kept.values()]
        left = self._store.retirement.retire(rows, now - IDLE_MS) if rows else []
        gone = [
            row.order for row, (word, _) in zip(rows, left, strict=True) if word in {RetireResult.OK, RetireResult.GONE}
        ]
        self._store.reservations.forget([(request_key(order), order) for order in gone])
        self._told("archived", len(gone))
        dues = {}
        for row, (word, at) in zip(rows, left, strict=True):
            if word is RetireResult.YOUNG:
                dues[row.order] = at + IDLE_MS + 1
            elif word in {RetireResult.STALE, RetireResult.UNREAD}:
                dues[row.order] = now + SOON_MS
        self._postpone(dues)

    def _fine(self) -> None:
        self._troubles = 0
        self._trouble.over()

    def _down(self, records: Sequence[str], now: Millis, owner: Owner = Owner.ORDER) -> None:
        pause = min(DOWN_MS << min(self._troubles - 1, 10), MOST_DOWN_MS)
        # Each at its own instant, so that they do not all come at once when the archive is back.
        dues = {record: now + pause // 2 + random.randrange(pause // 2) for record in records}  # noqa: S311 - jitter
        self._postpone(dues, owner)
        self._told("waiting", len(records))

    def _postpone(self, dues: Mapping[str, Millis], owner: Owner = Owner.ORDER) -> None:
        if dues:
            self._store.lanes.postpone(moving_effect(owner), dues, owner)


def _is_over(record: Mapping[str, str]) -> bool:
    """Whether an order has settled, and this move is its only effect."""
    wanted = {name for name in record if name.startswith("f:")}
    return State(record["state"]).settled and wanted == {f"f:{WAKE_ARCHIVE}"}
