"""The audit: the log replayed against the records. Dropped and rewritten records and entries are named.

For each entry it checks that its number follows the one before and its hash is its own; that the record is there, its
chain as long as the log says, and its head at that length the one in the log; and that the record has no event
that is neither in the log nor on its way there. Then the records are gone through, by SQL's lists: each has entries in
the log, and its row agrees with it: lists, searches, retention and the reservations of recordings go by columns, which
no seal covers. Refusals and registrations that the log has must stand, or be lifted. The catalogue must have each plan
as it was sold: an order's first link covers the hash of its plan, and the log covers that link.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.versions import Version
from consent_engine.domain.order.event import link
from consent_engine.domain.order.order import Order
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
NEVER: Between = (0, 0)
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


class _ByLog:
    """The log's leaves of records, in its order. Of a line, which is deleted with its number when nothing is left of it
    and begins anew with the number's next event, only those since it last began.
    """

    def __init__(self, kept_since: Millis) -> None:
        self.leaves: dict[Chained, dict[str, str]] = {of: {} for of in Chained}
        """number and head of each leaf of a record, with blanks between: there are as many as there were events"""
        self.early: Counter[str] = Counter()
        """how many leaves of a record are so old that its class may have been deleted"""
        self._kept_since = kept_since

    def note(self, leaves: Iterable[Leaf]) -> None:
        """Take the next leaves."""
        for leaf in leaves:
            of, is_line = self.leaves[leaf.of], leaf.of is Chained.LINE
            of[leaf.record] = f"{'' if is_line and not leaf.seq else of.get(leaf.record, '')}{leaf.seq} {leaf.head} "
            self.early[leaf.record] += not is_line and leaf.at < self._kept_since

    def of(self, kind: Chained, record: str) -> list[tuple[int, str]]:
        """Return number and head of the leaves of a record."""
        words = self.leaves[kind].get(record, "").split()
        return list(zip(map(int, words[::2]), words[1::2], strict=True))


class _Walk:
    """The records compared with the log, which was read before: so no record is behind it. Each is read once, and once
    more where something is wrong with it: one that came back from SQL between two reads is in neither.

    began: when the log's first entry came; records without one whose last event is not newer need none
    """

    def __init__(self, store: Store, log: _ByLog, between: Between, kept_since: Millis = 0) -> None:
        self.expired: dict[str, int] = {}
        self.sold: dict[tuple[str, int, str], str] = {}
        """The plans that orders were placed under, each with one of these orders."""
        self._store, self._log, self._between, self._kept_since = store, log, between, kept_since
        self._began = _began(store)

    def everything(self) -> Iterator[Fault]:
        """Go through the records that the log has, then those that SQL lists, then those of the store."""
        store = self._store
        for of, rows in self._named():
            yield from self.twice(of, rows)
            if store.archive is not None and of is not Chained.LINE:
                yield from _misfiled(store.archive.misfiled(_KINDS[of], list(rows)))
        if self._began is not None and store.archive is not None:
            for kind in KINDS.values():
                for names in store.records.names(OWNERS[kind]):
                    yield from _unlisted(store, store.archive, kind, names, self._between)

    def _named(self) -> Iterator[tuple[Chained, Mapping[str, Millis]]]:
        """Yield the names of the records that the log has, and of the others that SQL lists, with when these came."""
        for of, leaves in self._log.leaves.items():
            yield from ((of, dict.fromkeys(names, EVER[1])) for names in pieces(list(leaves), PIECE))
        for of, page in _lists(self._store) if self._began is not None else ():
            for rows in _between(page, self._between):
                yield of, {name: at for name, at in rows.items() if name not in self._log.leaves[of]}

    def twice(self, of: Chained, rows: Mapping[str, Millis]) -> list[Fault]:
        """Return what is wrong with records at both of two looks. rows: when each came, by SQL's lists"""
        once = {fault.of for fault in self._judged(of, rows)}
        return list(self._judged(of, {name: rows[name] for name in rows if name in once})) if once else []

    def _judged(self, of: Chained, rows: Mapping[str, Millis]) -> Iterator[Fault]:
        there = _read(self._store, of, list(rows))
        lasts = {name: Leaf.of_record(each) for name, each in there.items() if each.publics}
        ahead = {name: last for name, last in lasts.items() if self._is_ahead(last)}
        noted = _noted(self._store, [last.entry for last in ahead.values()])
        for name, at in rows.items():
            leaves, record = self._log.of(of, name), there.get(name)
            if isinstance(record, Order):
                offer = record.doc.offer
                self.sold.setdefault((offer.plan, offer.plan_version, offer.plan_hash), name)
            came = name in ahead and ahead[name].entry in noted
            if came and of is Chained.LINE:
                continue  # it began anew, or got more events, since the log was read
            if record is None and not leaves:
                if at >= self._kept_since:
                    yield Fault(Damage.UNREADABLE, name, "cannot be read, and nothing of it is in the log")
            elif (fault := self._missing(of, name, leaves) if record is None else _differs(record, leaves)) is not None:
                yield fault
            elif name in ahead and not came and (not leaves or leaves[-1][0] < ahead[name].seq):
                after = f"not in the log: what came after event {leaves[-1][0]}" if leaves else UNSEALED
                yield Fault(Damage.UNSEALED, name, after)

    def _is_ahead(self, last: Leaf) -> bool:
        """Whether the last event of a record was not found in the log, though it should be there."""
        leaves = self._log.of(last.of, last.record)
        if not leaves:
            return self._began is not None and self._began + CELLS_APART_MS < last.at < self._between[1]
        found = (last.seq, last.head) in leaves if last.of is Chained.LINE else last.seq <= leaves[-1][0]
        return last.at < self._between[1] and not found

    def _missing(self, of: Chained, record: str, leaves: Sequence[tuple[int, str]]) -> Fault | None:
        if early := self._log.early[record]:
            self.expired[record] = early
        if early == len(leaves):
            return None
        gone = f"dropped, or cannot be read: the log has its event {leaves[-1][0]}"
        said = "cannot be read: the log has its events" if of is Chained.LINE else gone
        return Fault(Damage.DROPPED, record, said)


def _differs(record: Recorded | Line, leaves: Sequence[tuple[int, str]]) -> Fault | None:
    """Compare the chain of a record with its leaves, link by link once. A line without events went with its number."""
    heads = list(accumulate(record.publics, link, initial=""))[1:]
    for seq, head in reversed(leaves if heads or not isinstance(record, Line) else ()):
        if seq >= len(heads):
            of = "line" if isinstance(record, Line) else "record"
            said = f"dropped: the log has event {seq}, the {of} says {len(heads) - 1}"
            return Fault(Damage.DROPPED, record.id, said)
        if heads[seq] != head:
            said = f"written anew: up to event {seq} it is not what the log has"
            return Fault(Damage.REWRITTEN, record.id, said)
    return None


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
    found, by_log = Audited(), _ByLog(kept_since)
    for piece in _pieces(store, found, between[0]):
        leaves = [leaf for leaf in piece if _is_in(between, leaf)]
        found.entries += len(leaves)
        # With the liftings after the period: what they lifted is not missing.
        found.refusals.note([leaf for leaf in _of_refusals(piece) if leaf.seq == LIFTED or _is_in(between, leaf)])
        by_log.note(_of_records(leaves))
        tell(found)
    found.records = sum(map(len, by_log.leaves.values())) + len({line for line, _ in found.refusals.standing})
    walk = _Walk(store, by_log, between, kept_since)
    found.faults += walk.everything()
    found.expired = sum(walk.expired.values())
    found.faults += _resold(walk.sold, plans) if plans else ()
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
    found, by_log, leaves = Audited(), _ByLog(kept_since), list[Leaf]()
    for _, entry, _ in store.log.newest(most) if store.log is not None else ():
        try:
            leaves.append(Leaf.decode(entry))
        except BrokenRecord:
            found.damaged += 1
    found.refusals.note(_of_refusals(leaves))
    # Lines are left to the whole log: one that began anew seems to be another one.
    compared = [leaf for leaf in _of_records(leaves) if leaf.of is not Chained.LINE]
    by_log.note(compared)
    found.entries = len(compared) + len(found.refusals.standing)
    found.missing(store, None)
    walk = _Walk(store, by_log, NEVER)  # what the log lacks yet is left to the whole log, too
    found.faults += (fault for of in _KINDS for fault in walk.twice(of, dict.fromkeys(by_log.leaves[of], EVER[1])))
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


_KINDS: Mapping[Chained, type[Recorded]] = {Chained(owner.value): kind for owner, kind in KINDS.items()}


def _read(store: Store, of: Chained, names: Sequence[str]) -> Mapping[str, Recorded | Line]:
    """Return the records of a kind, from the store or the archive, that can be read. A line that is gone has none."""
    return store.records.look({Line: names}).of(Line) if of is Chained.LINE else Lookup(store).of(_KINDS[of], names)


def _unlisted(
    store: Store, archive: Archive, kind: type[Recorded], names: Sequence[str], between: Between
) -> Iterator[Fault]:  # fmt: skip
    """Yield those of these records of the store that SQL lacks, and that are not on their way there: no list names
    them, and the log may have none of their events. SQL is asked again at the end: what left the journal meanwhile is
    there.
    """
    lacking = {*names} - archive.known(kind, names)
    there = _read(store, Chained(OWNERS[kind].value), list(lacking)) if lacking else {}
    lasts = {name: Leaf.of_record(each) for name, each in there.items()}
    lasts = {name: last for name, last in lasts.items() if between[0] <= last.at < between[1]}
    waiting = store.journal.among({last.entry for last in lasts.values()}) if lasts else set()
    lost = {name for name, last in lasts.items() if last.entry not in waiting}
    for name in sorted(lost - archive.known(kind, list(lost))):
        has = store.log is not None and store.log.has(lasts[name].entry)
        damage, said = (Damage.UNLISTED, "SQL has no row of it") if has else (Damage.UNSEALED, UNSEALED)
        yield Fault(damage, name, said)


def _misfiled(rows: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    for record, columns in rows.items():
        yield Fault(Damage.MISFILED, record, f"its row in the archive was changed: {', '.join(columns)}")


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
