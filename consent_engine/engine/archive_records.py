"""Archiving endings that are over and reports that are answered: written there first, let go here after that."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from consent_engine.domain.effects import WAKE_EXPIRED, Millis
from consent_engine.domain.offer.policy import LATE_MARGIN
from consent_engine.engine.archive_awaited import awaited
from consent_engine.ports import Archive, Leased, Left, Owner, Store

log = logging.getLogger(__name__)
MOST_MOVED = 500
_WANTED = {f"f:{WAKE_EXPIRED}"}


async def move_endings(
    store: Store, archive: Archive, batch: Mapping[str, Leased], told: Callable[[str, int], None]
) -> tuple[list[str], list[str]]:
    """Move endings that are over; those to be looked at again soon, and much later. Raises ArchiveUnavailable.

    The order goes first: whose order is in the store has its ending there, too, if it has one, and nobody who takes a
    live order back has to ask the archive.
    """
    orders = {each.ending.id: each.ending.doc.order for each in batch.values() if each.ending is not None}
    there = dict(zip(orders, store.records.versions(list(orders.values())), strict=True))
    found = store.retirement.whole_records(Owner.ENDING, list(batch))
    records = {
        name: fields for name, fields in found.items()
        if not there.get(name) and {n for n in fields if n[:2] == "f:"} == _WANTED
    }  # fmt: skip
    kept = await _keep(store, archive, Owner.ENDING, records) if records else set()
    rows = [(name, int(records[name]["v"]), batch[name].token) for name in records if name in kept]
    left = dict(zip([row[0] for row in rows], store.retirement.retire_endings(rows) if rows else [], strict=True))
    told("archived", sum(word in {Left.OK, Left.GONE} for word in left.values()))
    return [name for name, word in left.items() if word is Left.STALE], list(found.keys() - kept)


async def move_reports(store: Store, now: Millis) -> int:
    """Move reports of which nothing more becomes, a while after that, up to MOST_MOVED; how many went.

    Whoever dies in between leaves a report in both: the store counts, and the repeat finds in the archive what it would
    write. One that is decided or rewarded meanwhile is in another version, and stays. Raises ArchiveUnavailable.
    """
    archive = store.archive
    if archive is None:
        return 0
    found = store.retirement.whole_records(Owner.REPORT, store.reports.answered(now - LATE_MARGIN, MOST_MOVED))
    kept = await _keep(store, archive, Owner.REPORT, found) if found else set()
    rows = [(name, int(fields["v"])) for name, fields in found.items() if name in kept]
    gone = store.retirement.retire_reports(rows) if rows else []
    return sum(word in {Left.OK, Left.GONE} for word in gone)


async def _keep(store: Store, archive: Archive, owner: Owner, records: Mapping[str, Mapping[str, str]]) -> set[str]:
    await awaited(store, archive)
    kept = await asyncio.to_thread(archive.records.keep, owner, records)
    for name in records.keys() - kept:
        log.error(
            "%s %s: the archive does not take it: another one stands there, or it cannot be written", owner.name, name
        )
    return kept
