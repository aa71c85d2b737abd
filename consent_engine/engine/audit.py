"""The audit: the log replayed against the records. Dropped and rewritten records and entries are named.

For each entry it checks that its number follows the one before and its hash is its own; that the record is there, its
chain as long as the log says, and its head at that length the one in the log; and that the record has no event
that is neither in the log nor on its way there. Then the records are gone through, by SQL's lists: each has entries in
the log, and its row agrees with it: lists, searches, retention and the reservations of recordings go by columns, which
no seal covers. Refusals and registrations that the log has must stand, or be lifted. The catalogue must have each plan
as it was sold: an order's first link covers the hash of its plan, and the log covers that link.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.offer import Offer
from consent_engine.domain.offer.versions import Version
from consent_engine.domain.order.event import chain
from consent_engine.domain.seal import LIFTED, Chained, Leaf
from consent_engine.engine.audit_refusals import Refusals
from consent_engine.engine.recall import Lookup, pieces
from consent_engine.errors import BrokenRecord
from consent_engine.ports import (
    KINDS,
    OWNERS,
    Archive,
    Change,
    Commit,
    CommitResult,
    Recorded,
    ReportFilter,
    Store,
)
from consent_engine.ports.queries import Position

PIECE = 500
CELLS_APART_MS = 60_000
"""A record that is no longer than this after the log's first entry is not missed there: a log that was begun anew may
have another cell's first entry before it.
"""
UNSEALED = "not in the log: none of its events is there"
UNREFUSED = "a refusal is gone: the log has no lifting of it"
Wrong = tuple[str, str]
"""The name of a record, of entries or of a plan, and what is wrong with it."""
Between = tuple[Millis, Millis]
EVER: Between = (0, 2**62)
"""All of the log."""
Plans = Callable[[], Mapping[str, tuple[Version, ...]]]
"""Returns the versions of every plan in the catalogue."""


class Damage(StrEnum):
    """The kinds of damage, by the names of their rules (`doctor/rules.py`)."""

    DROPPED = "dropped"
    REWRITTEN = "rewritten"
    UNSEALED = "unsealed"
    UNREADABLE = "unreadable"
    UNLISTED = "unlisted"
    MISFILED = "misfiled"
    UNREFUSED = "unrefused"
    RESOLD = "resold"
    LOG = "log"


class Fault(NamedTuple):
    """A damage. of: the record, the entries or the plan · said: how it differs"""

    damage: Damage
    of: str
    said: str


@dataclass(slots=True)
class Audited:
    """The result of an audit. expired: entries of records deleted by retention · damaged: entries that `newest` cannot
    read · refusals: those that the log has · lost: line and head of those that are gone
    """

    entries: int = 0
    records: int = 0
    expired: int = 0
    damaged: int = 0
    faults: list[Fault] = field(default_factory=list)
    refusals: Refusals = field(default_factory=Refusals)
    lost: Sequence[tuple[str, str]] = ()

    @property
    def wrong(self) -> list[Wrong]:
        """What is named, and how it differs."""
        return [(fault.of, fault.said) for fault in self.faults]

    def missing(self, store: Store, liftings: Iterable[str] | None) -> None:
        """Note the refusals that are gone."""
        self.lost = self.refusals.missing(store, liftings)
        self.faults += [Fault(Damage.UNREFUSED, line, UNREFUSED) for line, _ in self.lost]


class Chain(NamedTuple):
    """A chain as it is kept now: the leaf of its last event, and its links. offer: an order's"""

    last: Leaf
    publics: Sequence[str]
    offer: Offer | None = None


class _Replay:
    """The log's leaves of records, in its order, compared with the records. Of a line, which is deleted with its number
    when nothing is left of it and begins anew with the number's next event, only those since it last began.
    """

    def __init__(self, store: Store, kept_since: Millis) -> None:
        self.newest: dict[str, Leaf] = {}
        self.expired = 0
        self.wrong: dict[str, Fault] = {}
        self.sold: dict[tuple[str, int, str], str] = {}
        """The plans that orders were placed under, each with one of these orders."""
        self._store, self._kept_since = store, kept_since
        self._of_lines: dict[str, set[Leaf]] = {}

    def note(self, leaves: Sequence[Leaf]) -> None:
        """Compare the next leaves."""
        kept = _chains(self._store, ((leaf.of, leaf.record) for leaf in leaves))
        for order, each in kept.items():
            if each.offer:
                self.sold.setdefault((each.offer.plan, each.offer.plan_version, each.offer.plan_hash), order)
        for leaf in leaves:
            self.newest[leaf.record] = leaf
            if leaf.of is Chained.LINE:
                self._begun(leaf)
            if (fault := self._differs(leaf, kept.get(leaf.record))) is not None:
                self.wrong[leaf.record] = fault

    def _begun(self, leaf: Leaf) -> None:
        if leaf.seq == 0:
            self.wrong.pop(leaf.record, None)
            self._of_lines[leaf.record] = set()
        self._of_lines.setdefault(leaf.record, set()).add(leaf)

    def _differs(self, leaf: Leaf, kept: Chain | None) -> Fault | None:
        of_line, damage, said = leaf.of is Chained.LINE, Damage.DROPPED, ""
        if kept is None and not of_line and leaf.at < self._kept_since:
            self.expired += 1
        elif kept is None:
            gone = f"dropped, or cannot be read: the log has its event {leaf.seq}"
            said = "cannot be read: the log has its events" if of_line else gone
        elif of_line and not kept.publics:
            return None  # it went with its number
        elif kept.last.seq < leaf.seq:
            of = "line" if of_line else "record"
            said = f"dropped: the log has event {leaf.seq}, the {of} says {kept.last.seq}"
        elif chain("", kept.publics[: leaf.seq + 1]) != leaf.head:
            damage, said = Damage.REWRITTEN, f"written anew: up to event {leaf.seq} it is not what the log has"
        return Fault(damage, leaf.record, said) if said else None

    def ended(self, until: Millis) -> Iterator[Fault]:
        """Yield what is wrong once the log is read, with the records that have events that are neither in the log nor
        on their way there.
        """
        for some in pieces(list(self.newest), PIECE):
            there = _chains(self._store, ((self.newest[record].of, record) for record in some))
            ahead = {name: kept.last for name, kept in there.items() if kept.publics and self._ahead(kept.last, until)}
            noted = _noted(self._store, [last.entry for last in ahead.values()])
            for record, newest in ((record, self.newest[record]) for record in some):
                came = record in ahead and ahead[record].entry in noted
                if newest.of is Chained.LINE and came:
                    continue  # it began anew, or got more events, since the log was read
                if record in self.wrong:
                    yield self.wrong[record]
                elif record in ahead and not came and newest.seq < ahead[record].seq:
                    yield Fault(Damage.UNSEALED, record, f"not in the log: what came after event {newest.seq}")

    def _ahead(self, last: Leaf, until: Millis) -> bool:
        """Whether the last event of a record was not found in the log."""
        known = self._of_lines.get(last.record)
        found = last in known if known is not None else last.seq <= self.newest[last.record].seq
        return last.at < until and not found


def audit(
    store: Store, kept_since: Millis, between: Between, tell: Callable[[Audited], None] = lambda _: None,
    plans: Plans | None = None, liftings: Iterable[str] | None = None,
) -> Audited:  # fmt: skip
    """Check every log entry of a period, and every record that came in it. Reads only. tell: receives the progress now
    and then · plans: the catalogue, which must have each plan as the period's orders were sold it; None leaves it out ·
    liftings: the records of all that are known; None: the newest are looked at

    kept_since: what ended before may have been deleted by its class. Raises StoreUnavailable and ArchiveUnavailable;
    NotOurArchive for another installation's log: it would find nothing wrong there, or everything.
    """
    if store.log is not None:
        store.bound_archive()
    found, replay = Audited(), _Replay(store, kept_since)
    for piece in _pieces(store, found, between[0]):
        leaves = [leaf for leaf in piece if _is_in(between, leaf)]
        found.entries += len(leaves)
        # With the liftings after the period: what they lifted is not missing.
        found.refusals.note([leaf for leaf in _of_refusals(piece) if leaf.seq == LIFTED or _is_in(between, leaf)])
        replay.note(_of_records(leaves))
        tell(found)
    found.records = len(replay.newest) + len({line for line, _ in found.refusals.standing})
    found.expired = replay.expired
    found.faults += replay.ended(between[1])
    found.faults += _misfiled(store, ((leaf.of, leaf.record) for leaf in replay.newest.values()))
    found.faults += _unlogged(store, replay.newest, kept_since, between)
    found.faults += _resold(replay.sold, plans) if plans else ()
    found.missing(store, liftings)
    return found


def note_events(store: Store, records: Iterable[str]) -> set[str]:
    """Have the log learn of the newest event, and with it of the whole chain, of those of these records that the store
    has; proven durable. Return these, but for one that changed since it was looked at: the next look finds that.
    """
    names = [*records]
    found = store.records.look(dict.fromkeys(OWNERS, names))
    there: list[Recorded | Line] = [each for kind in OWNERS for each in found.found[kind].values()]
    kept = [each for each in there if each.publics]
    commits = [Commit("", (Change.look(each),), entries=(Leaf.of_record(each).entry,)) for each in kept]
    saved = store.records.commit(commits, prove=True) if commits else []
    return {each.id for each, word in zip(kept, saved, strict=True) if word is CommitResult.OK}


def newest(store: Store, kept_since: Millis, most: int = PIECE) -> Audited:
    """Audit the newest entries of the log, as `audit` does: data older than their log lack these first. Damaged entries
    say nothing of the data, and are counted apart.

    Raises StoreUnavailable and ArchiveUnavailable.
    """
    found, replay, leaves = Audited(), _Replay(store, kept_since), list[Leaf]()
    for _, entry, _ in store.log.newest(most) if store.log is not None else ():
        try:
            leaves.append(Leaf.decode(entry))
        except BrokenRecord:
            found.damaged += 1
    found.refusals.note(_of_refusals(leaves))
    # Lines are left to the whole log: one that began anew seems to be another one.
    compared = [leaf for leaf in _of_records(leaves) if leaf.of is not Chained.LINE]
    replay.note(compared)
    found.entries = len(compared) + len(found.refusals.standing)
    found.missing(store, None)
    found.faults += replay.wrong.values()
    return found


def refusals_of(store: Store, first: int) -> Refusals:
    """Return the refusals and registrations that stand by the log, read from an entry on.

    Raises StoreUnavailable and ArchiveUnavailable.
    """
    found = Audited()
    for piece in _pieces(store, found, 0, first):
        found.refusals.note(_of_refusals(piece))
    return found.refusals


def _is_in(between: Between, leaf: Leaf) -> bool:
    return between[0] <= leaf.at < between[1]


def _of_refusals(leaves: Sequence[Leaf]) -> list[Leaf]:
    return [leaf for leaf in leaves if leaf.of is Chained.REFUSAL]


def _of_records(leaves: Sequence[Leaf]) -> list[Leaf]:
    return [leaf for leaf in leaves if leaf.of is not Chained.REFUSAL]


def _noted(store: Store, entries: Sequence[str]) -> set[str]:
    """Return those of these entries that are in the log or on their way there. The journal is read first: an entry that
    leaves it meanwhile is in the log.
    """
    waiting = store.journal.among(set(entries)) if entries else set()
    return {entry for entry in entries if entry in waiting or (store.log is not None and store.log.has(entry))}


# -- the log -----------------------------------------------------------------------------------------------------------


def _pieces(store: Store, found: Audited, since: Millis, first: int = 0) -> Iterator[list[Leaf]]:
    """Yield the leaves of the log, starting where `since` may begin, or at `first`; defects of the log itself are noted
    on the way.
    """
    if store.log is None:
        return
    expected = max(first, store.log.begins(since))
    while rows := store.log.entries(expected, PIECE):
        leaves = []
        for n, entry, hashed in rows:
            if n != expected:
                found.faults.append(_gap(expected, n))
            expected = n + 1
            try:
                leaf = Leaf.decode(entry)
            except BrokenRecord as error:
                found.faults.append(Fault(Damage.LOG, f"entry {n}", str(error)))
                continue
            if digest(entry) != hashed:
                anew = "written anew in the log: its hash is another one's"
                found.faults.append(Fault(Damage.LOG, f"entry {n}", anew))
            leaves.append(leaf)
        yield leaves
    if (end := cut(store)) is not None:
        found.faults.append(end)


def _gap(first: int, end: int) -> Fault:
    return Fault(Damage.LOG, f"entries {first} to {end - 1}", "dropped from the log")


def cut(store: Store) -> Fault | None:
    """Return the missing end of the log, or its count of entries that cannot be right, and what is wrong with it.

    Raises ArchiveUnavailable.
    """
    try:
        end, size = store.log.ends() if store.log is not None else (0, 0)
    except BrokenRecord as error:
        return Fault(Damage.LOG, "log", str(error))
    return _gap(end, size) if size > end else None


# -- the records -------------------------------------------------------------------------------------------------------


def _chains(store: Store, wanted: Iterable[tuple[Chained, str]]) -> dict[str, Chain]:
    """Return the chains of records by kind and id, from the store or the archive; not of those that cannot be read.
    That of a line without events is empty.
    """
    lookup, by_kind = Lookup(store), _by_kind(wanted)
    _, orders, lines = lookup.load(by_kind[Chained.ORDER], by_kind[Chained.LINE])
    reports = by_kind[Chained.REPORT]
    others = [
        *lookup.of(Call, by_kind[Chained.CALL]).values(), *lookup.of(Ending, by_kind[Chained.ENDING]).values(),
        *(lookup.of(Report, reports).values() if reports else ()),
    ]  # fmt: skip
    made = {order.id: Chain(Leaf.of_record(order), order.publics, order.doc.offer) for order in orders.values()}
    made |= {each.id: Chain(Leaf.of_record(each), each.publics) for each in others}
    of_lines = ((each, Leaf.of_record(each) if each.history else _NO_EVENT) for each in lines.values())
    return made | {line.id: Chain(last, line.publics) for line, last in of_lines}


_NO_EVENT = Leaf(Chained.LINE, "", -1, 0, "")


def _unlogged(store: Store, known: Mapping[str, Leaf], kept_since: Millis, between: Between) -> Iterator[Fault]:
    """Yield the records that came in a period and are neither in the log nor in the journal, those that SQL lacks, and
    those whose columns differ from their record. known: the records that the log has. Those whose last event is older
    than the log have no entry, and need none.
    """
    began = _began(store)
    if began is None:
        return
    for kind, page in _lists(store):
        for rows in _between(page, between):
            rest = [record for record in rows if record not in known]
            there = _chains(store, ((kind, record) for record in rest))
            ahead = [each.last for each in there.values() if began + CELLS_APART_MS < each.last.at < between[1]]
            noted = _noted(store, [last.entry for last in ahead])
            yield from (Fault(Damage.UNSEALED, last.record, UNSEALED) for last in ahead if last.entry not in noted)
            unread = (record for record in rest if record not in there and rows[record] >= kept_since)
            said = "cannot be read, and nothing of it is in the log"
            yield from (Fault(Damage.UNREADABLE, record, said) for record in unread)
            yield from _misfiled(store, ((kind, record) for record in rest))
    if (archive := store.archive) is not None:
        for of in KINDS.values():
            for names in store.records.names(OWNERS[of]):
                yield from _unlisted(store, archive, of, names, between)


def _unlisted(
    store: Store, archive: Archive, kind: type[Recorded], names: Sequence[str], between: Between
) -> Iterator[Fault]:  # fmt: skip
    """Yield those of these records of the store that SQL lacks, and that are not on their way there: no list names
    them, and the log may have none of their events. SQL is asked again at the end: what left the journal meanwhile is
    there.
    """
    lacking = {*names} - archive.known(kind, names)
    there = _chains(store, ((Chained(OWNERS[kind].value), name) for name in lacking)) if lacking else {}
    lasts = {name: each.last for name, each in there.items() if between[0] <= each.last.at < between[1]}
    waiting = store.journal.among({last.entry for last in lasts.values()}) if lasts else set()
    lost = {name for name, last in lasts.items() if last.entry not in waiting}
    for name in sorted(lost - archive.known(kind, list(lost))):
        has = store.log is not None and store.log.has(lasts[name].entry)
        damage, said = (Damage.UNLISTED, "SQL has no row of it") if has else (Damage.UNSEALED, UNSEALED)
        yield Fault(damage, name, said)


def _misfiled(store: Store, wanted: Iterable[tuple[Chained, str]]) -> Iterator[Fault]:
    """Yield the records whose row has columns that differ from the record, with the columns' names."""
    archive = store.archive
    if archive is None:
        return
    by_kind = _by_kind(wanted)
    for kind in KINDS.values():
        for some in pieces(by_kind[Chained(OWNERS[kind].value)], PIECE):
            for record, columns in archive.misfiled(kind, some).items():
                yield Fault(Damage.MISFILED, record, f"its row in the archive was changed: {', '.join(columns)}")


def _by_kind(wanted: Iterable[tuple[Chained, str]]) -> dict[Chained, list[str]]:
    found: dict[Chained, dict[str, None]] = {kind: {} for kind in Chained}
    for kind, record in wanted:
        found[kind][record] = None
    return {kind: list(ids) for kind, ids in found.items()}


def _began(store: Store) -> Millis | None:
    """Return the instant of the log's first entry; None where there is none, or it cannot be read."""
    first = store.log.entries(0, 1) if store.log is not None else []
    try:
        return Leaf.decode(first[0][1]).at if first else None
    except BrokenRecord:
        return None


_Listed = Callable[[Position | None, int], Sequence[Position]]


def _lists(store: Store) -> Iterator[tuple[Chained, _Listed]]:
    """Yield every list of records: their kind, and its pages."""
    if store.archive is not None:
        yield Chained.ORDER, store.queries.orders.listed
        yield Chained.CALL, store.queries.calls.listed
        yield Chained.ENDING, store.queries.endings.listed
        yield Chained.REPORT, partial(store.queries.reports.page, ReportFilter())


def _between(page: _Listed, between: Between) -> Iterator[Mapping[str, Millis]]:
    """Yield the rows of a list that came in a period, newest first, a page at a time."""
    before: Position = (between[1], "")
    while before[0] >= between[0] and (rows := page(before, PIECE)):
        yield {record: at for at, record in rows if at >= between[0]}
        before = rows[-1]


def _resold(sold: Mapping[tuple[str, int, str], str], plans: Plans) -> Iterator[Fault]:
    """Yield the plans that do not stand as they were sold, and how they differ. A version that nobody bought yet, the
    instants from which a tariff is public, and who approved it, are in no order: nothing here would show that they
    changed.
    """
    try:
        hashes = {(code, each.number): each.plan.hash for code, all_of in plans().items() for each in all_of}
    except (KeyError, TypeError, ValueError):
        said = "cannot be read: a record of the catalogue was changed or damaged"
        yield Fault(Damage.RESOLD, "plans", said)
        return
    for (code, number, hashed), order in sold.items():
        stands = hashes.get((code, number))
        if stands is None:
            said = f"version {number} is gone: order {order} was placed under it"
        elif stands != hashed:
            said = f"version {number} is not as it was sold: order {order} has another hash of it"
        else:
            continue
        yield Fault(Damage.RESOLD, f"plan {code}", said)
