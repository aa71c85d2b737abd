"""Archiving of finished calls and endings, and of answered reports: written to the archive first, in one
transaction, and deleted from the store after that, as orders are. What it does not take is parked, whatever its kind.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from consent_engine.domain.call.call import keys_held
from consent_engine.domain.call.review import UNDECIDED
from consent_engine.domain.decide.decision import PARKED, Put
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_EXPIRED, WAKE_PERSON, Pending
from consent_engine.domain.line.line import request_key
from consent_engine.domain.line.restriction import Kind
from consent_engine.ports import (
    Archive,
    Commit,
    CommitResult,
    Leased,
    Owner,
    RecordChange,
    RetireResult,
    Store,
)

log = logging.getLogger(__name__)
Records = Mapping[str, Mapping[str, str]]
Told = Callable[[str, int], None]
Moving = Callable[[Store, Archive, Mapping[str, Leased], Told], Awaitable[tuple[list[str], list[str]]]]
"""Moves finished records; returns those to look at again soon, and those much later. Raises ArchiveUnavailable."""


_GOES_WITH_IT = {f"f:{WAKE_PERSON}"}
"""The effect that a report which leaves may still have: SQL has a retention, too."""


class _Moved(NamedTuple):
    """The result of moving a batch. over: the records that want nothing but this move · kept: those of them in the
    archive · gone: those that left the store · soon, later: those to look at again
    """

    over: Records
    kept: set[str]
    gone: list[str]
    soon: list[str]
    later: list[str]


async def _move(
    store: Store, archive: Archive, owner: Owner, batch: Mapping[str, Leased], stay: Collection[str], effect: str
) -> _Moved:
    found = store.retirement.whole_records(owner, list(batch))
    over = {
        name: fields for name, fields in found.items()
        if name not in stay and {n for n in fields if n[:2] == "f:"} - _GOES_WITH_IT == {f"f:{effect}"}
    }  # fmt: skip
    kept = await _keep(store, archive, owner, over) if over else set()
    rows = [(batch[name].held, int(over[name]["v"])) for name in over if name in kept]
    words = store.retirement.retire_records(owner, rows) if rows else []
    left = {held.record: word for (held, _), word in zip(rows, words, strict=True)}
    gone = [name for name, word in left.items() if word in {RetireResult.OK, RetireResult.GONE}]
    return _Moved(
        over, kept, gone, [n for n, word in left.items() if word is RetireResult.STALE], list(found.keys() - over)
    )


async def move_calls(
    store: Store, archive: Archive, batch: Mapping[str, Leased], told: Told
) -> tuple[list[str], list[str]]:
    """Move calls, as Moving says. A call whose review an order awaits stays; one that the archive rejects is parked."""
    moved = await _move(store, archive, Owner.CALL, batch, _waited_for(store, batch), WAKE_ARCHIVE)
    keys = [(key, call) for call in moved.gone for key in {request_key(call), *keys_held(call, moved.over[call])}]
    store.reservations.forget(keys)
    told("archived", len(moved.gone))
    park(store, Owner.CALL, _left(moved.over, moved.kept), batch, told)
    return moved.soon, moved.later


def _left(records: Records, kept: Collection[str]) -> Records:
    return {name: fields for name, fields in records.items() if name not in kept}


def _waited_for(store: Store, batch: Mapping[str, Leased]) -> set[str]:
    """Return the calls whose review an order awaits: they stay until a reviewer has heard them."""
    open_ = [each.call for each in batch.values() if each.call and each.call.verdict in UNDECIDED]
    if not open_:
        return set()
    lines = store.records.look(lines=[call.line for call in open_]).lines.values()
    return {each.ref for line in lines for each in line.restrictions if each.kind is Kind.REVIEW}


_NAMED = {
    Owner.ORDER: ("order", "id"),
    Owner.CALL: ("call", "id or recording"),
    Owner.ENDING: ("ending", "id"),
    Owner.REPORT: ("report", "id"),
}


def park(store: Store, owner: Owner, records: Records, batch: Mapping[str, Leased], told: Told) -> None:
    """Put records that the archive does not take on the stuck list, for a person to see why; the others go on.

    records: as they were to be kept · batch: their leases
    """
    kind, known_by = _NAMED[owner]
    why = f"the archive does not take it: another {kind} stands there under this {known_by}, or it cannot be written"
    effect, commits = moving_effect(owner), list[Commit]()
    for name, fields in records.items():
        log.error("%s %s: the archive does not take it", kind, name)
        stuck = replace(Pending.decode(fields.get(f"f:{effect}", "[]")), leased_at=0, parked=1, why=why)
        change = RecordChange(owner, name, int(fields["v"]), put=(Put(effect, PARKED, stuck),))
        commits.append(Commit("", (change,), batch[name].held))
    words = [saved.word for saved in store.records.commit(commits)] if commits else []
    if parked := words.count(CommitResult.OK):
        told("parked", parked)


def moving_effect(owner: Owner) -> str:
    """Return the effect that moves a kind of record to the archive, and that stands for it on the stuck list."""
    return WAKE_EXPIRED if owner is Owner.ENDING else WAKE_ARCHIVE


async def move_endings(
    store: Store, archive: Archive, batch: Mapping[str, Leased], told: Told
) -> tuple[list[str], list[str]]:
    """Move endings, as Moving says. One that the archive does not take is parked.

    The order goes first: an order in the store has its ending, if any, there too, so that taking a live order back
    never needs the archive.
    """
    orders = {each.ending.id: each.ending.doc.order for each in batch.values() if each.ending is not None}
    there = dict(zip(orders, store.records.versions(list(orders.values())), strict=True))
    stay = {name for name, version in there.items() if version}
    moved = await _move(store, archive, Owner.ENDING, batch, stay, WAKE_EXPIRED)
    told("archived", len(moved.gone))
    park(store, Owner.ENDING, _left(moved.over, moved.kept), batch, told)
    return moved.soon, moved.later


async def move_reports(
    store: Store, archive: Archive, batch: Mapping[str, Leased], told: Told
) -> tuple[list[str], list[str]]:
    """Move reports, as Moving says. One that the archive does not take is parked."""
    moved = await _move(store, archive, Owner.REPORT, batch, (), WAKE_ARCHIVE)
    told("archived", len(moved.gone))
    park(store, Owner.REPORT, _left(moved.over, moved.kept), batch, told)
    return moved.soon, moved.later


async def awaited(store: Store, archive: Archive) -> None:
    """Wait until the archive answers and is the data's own. Where the one that the data name is missing, none is made.

    Raises ArchiveUnavailable, NotOurArchive and StoreUnavailable.
    """
    store.expect_archive()  # first: asking a missing archive for its id creates it
    await asyncio.to_thread(archive.id)
    store.ours()


async def _keep(store: Store, archive: Archive, owner: Owner, records: Records) -> set[str]:
    """Write records to the archive; return those that are safely there."""
    await awaited(store, archive)
    if owner is Owner.CALL:
        return await asyncio.to_thread(archive.calls.keep, records)
    return await asyncio.to_thread(archive.records.keep, owner, records)
