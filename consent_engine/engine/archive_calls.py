"""Archiving calls: written to the archive first, in one transaction, and let go here after that, as orders are."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from consent_engine.domain.call.review import UNDECIDED
from consent_engine.domain.decide.decision import PARKED, Put
from consent_engine.domain.effects import WAKE_ARCHIVE
from consent_engine.domain.line.line import request_key
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.archive_awaited import awaited
from consent_engine.ports import Archive, CallChange, Commit, Leased, Left, RetiringCall, Store, Word

log = logging.getLogger(__name__)
_WANTED = {f"f:{WAKE_ARCHIVE}"}


async def move_calls(
    store: Store, archive: Archive, batch: Mapping[str, Leased], told: Callable[[str, int], None]
) -> tuple[list[str], list[str]]:
    """Move calls that are over; those to be looked at again soon, and much later. Raises ArchiveUnavailable."""
    found = store.retirement.whole_calls(list(batch))
    waited_for = _waited_for(store, batch)
    records = {
        call: fields for call, fields in found.items()
        if call not in waited_for and {n for n in fields if n[:2] == "f:"} == _WANTED
    }  # fmt: skip
    kept = await _keep(store, archive, records) if records else set()
    rows = [RetiringCall(call, int(records[call]["v"]), batch[call].token) for call in records if call in kept]
    left = dict(zip([row.call for row in rows], store.retirement.retire_calls(rows) if rows else [], strict=True))
    gone = [call for call, word in left.items() if word in {Left.OK, Left.GONE}]
    keys = [(key, call) for call in gone for key in (request_key(call), records[call].get("rec", "")) if key]
    store.reservations.forget(keys)
    told("archived", len(gone))
    for call in records.keys() - kept:
        _park(store, batch[call], told)
    return [call for call, word in left.items() if word is Left.STALE], list(found.keys() - records.keys())


def _waited_for(store: Store, batch: Mapping[str, Leased]) -> set[str]:
    """Those for whose review an order waits: they stay until somebody has heard them."""
    open_ = [each.call for each in batch.values() if each.call and each.call.verdict in UNDECIDED]
    if not open_:
        return set()
    lines = store.records.look(lines=[call.line for call in open_]).lines.values()
    return {each.ref for line in lines for each in line.restrictions if each.kind is Kind.REVIEW}


async def _keep(store: Store, archive: Archive, records: Mapping[str, Mapping[str, str]]) -> set[str]:
    await awaited(store, archive)
    return await asyncio.to_thread(archive.calls.keep, records)


def _park(store: Store, leased: Leased, told: Callable[[str, int], None]) -> None:
    """The archive does not take it: a person must see why. Nothing else is kept from going on."""
    call = leased.call
    if call is None:
        return
    log.error("call %s: the archive does not take it", call.id)
    why = "the archive does not take it: another call stands there under this id or recording, or it cannot be written"
    stuck = replace(call.effects[WAKE_ARCHIVE], leased_at=0, parked=1, why=why)
    change = CallChange(call, call, {}, (Put(WAKE_ARCHIVE, PARKED, stuck),))
    if store.records.commit([Commit("", (change,), leased.held)])[0].word is Word.OK:
        told("parked", 1)
