"""What left the store: read in SQL, and brought back into the store where a late fact changes it.

Coming back is the mirror of leaving (`leave`), once for every kind of record. A step asks for the record that its fact
is about (`at_hand`). One that left is read in SQL first, which is enough to refuse, and to answer a repeat. Where it is
to be changed it comes back by a commit of its own, one version above SQL's copy, and the step decides once more.

No other process can undo that, or be undone by it: one with a decision of before it left has read a lower version, and
so has one that is slow to let it go. What was read in SQL counts for STAYS_MS; what comes back stays longer. So
none that is brought back, changed and let go again is ever overwritten by the copy of a process that was slow.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from consent_engine.domain.call.call import Call, CallNotFound, ReportNotFound
from consent_engine.domain.call.ending import Ending, EndingNotFound, ending_id
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_ARCHIVE, Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.engine.round_trips import Load, Recall, Stale, Step, load, prove, save, transact
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, OrderNotFound, Refused
from consent_engine.ports import By, Change, Commit, CommitResult, Kept, R, Recorded, Snapshot, Store
from consent_engine.ports.archive import MOST_OF_A_LINE
from consent_engine.ports.records import CLOCKS_APART_MS, K

log = logging.getLogger(__name__)
STAYS_MS = 60_000
"""For how long what was read in SQL may come back: longer than any request lasts. It then stays here twice as long."""
AWAY = "the archive cannot be asked: the same request again is safe"
_WRITTEN = {"v", "state", "head", "offer", SEAL}
"""Fields that a commit writes itself."""
_ABSENT: Mapping[type, type[Refused]] = {
    Order: OrderNotFound, Call: CallNotFound, Ending: EndingNotFound, Report: ReportNotFound,
}  # fmt: skip
T = TypeVar("T")


def pieces(records: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield records in pieces of this size, to be read one piece at a time."""
    return (records[n : n + size] for n in range(0, len(records), size))


def _read(kept: Sequence[Kept[R]], *, whole: bool = True) -> list[R]:
    """Return the records. whole: raises BrokenRecord where one cannot be read; it must not be taken for none"""
    records = [each.record for each in kept if each.record is not None]
    if whole and len(records) < len(kept):
        raise BrokenRecord("an archived record cannot be read: see consent doctor")
    return records


# -- for steps ---------------------------------------------------------------------------------------------------------


def recalled(
    kind: type[R], names: Sequence[str], by: By = By.ID, *, whole: bool = True
) -> Step[list[R] | None]:  # fmt: skip
    """Return the records that SQL has under these names; None while it cannot be asked.

    whole: raises BrokenRecord where one cannot be read. Raises it, too, for a number that has more records of a kind
    than are read: nothing is decided by a part of them.
    """
    try:
        found: list[Kept[R]] = yield Recall(kind, tuple(names), by)
    except ArchiveUnavailable:
        return None
    if by is By.LINE and len(found) > MOST_OF_A_LINE * len(names):
        raise BrokenRecord(f"this number has more than {MOST_OF_A_LINE} records of a kind: see to it by hand")
    return _read(found, whole=whole)


@transact
def at_hand(kind: type[R], name: str, races: int = 1) -> Step[tuple[R, Millis]]:
    """Return the record that a fact is about, and the instant; one that left the store as SQL has it.

    races: how often the step was too late so far. From the first time on the record is in the store: a step that comes
    again is about to change it. Raises OrderNotFound and the like, ArchiveUnavailable, BrokenRecord, StoreUnavailable.
    """
    loaded: Snapshot = yield Load({kind: (name,)})
    if (here := loaded.find(kind, name)) is not None:
        return here, loaded.now
    kept: list[Kept[R]] = yield Recall(kind, (name,))
    if not kept:
        raise _ABSENT[kind](f"no such {kind.__name__.lower()}")
    [record] = _read(kept)
    if races:
        together: list[Kept[Any]] = [*kept, *((yield from _ending_of(record)) if isinstance(record, Order) else ())]
        yield from brought_back(together, loaded.now)
        log.info("%s came back from the archive", name)
        raise Stale
    return record, loaded.now


def changing(
    kind: type[K], name: str, once: Callable[[K, Millis], Step[T]], leased: tuple[K, Millis] | None = None
) -> Step[T]:
    """Change a record, or a line: decide on it as it is at hand, and save; once more where another write came first.
    Raises StoreUnavailable where too many others change it, and as `at_hand` does.

    once: one try, as `transact` has it · leased: the record and the instant of its lease, to save the first load
    """
    races = count()

    @transact
    def changed() -> Step[T]:
        before = next(races)
        if leased and not before:
            return (yield from once(*leased))
        if kind is Line:
            loaded = yield from load({Line: [name]})
            return (yield from once(cast(Any, loaded.line(name)), loaded.now))
        return (yield from once(*(yield from at_hand(cast(Any, kind), name, before))))

    return (yield from changed())


def proven(record: R) -> Step[R]:
    """Prove durable what a record says: in the store, or by SQL, which has only what is. Raises Stale where it is in
    neither: it has changed, and is looked for again.
    """
    kind = type(record)
    if not ((yield from prove(record.id, kind)) or (yield Recall(kind, (record.id,)))):
        raise Stale
    return record


def _ending_of(order: Order) -> Step[Sequence[Kept[Ending]]]:
    """Return the ending with which an order comes back: one in the store has it there."""
    name = ending_id(order.id)
    loaded: Snapshot = yield Load({Ending: (name,)})
    left: list[Kept[Ending]] = yield Recall(Ending, () if loaded.of(Ending) else (name,))
    return left


def brought_back(some: Sequence[Kept[Recorded]], now: Millis) -> Step[CommitResult]:
    """Bring records of a line back, or none where one of them is there by now. now: an instant before SQL was read"""
    stays = (Put(WAKE_ARCHIVE, now + 2 * STAYS_MS),)
    read = zip(_read(some), some, strict=True)
    changes = tuple(back(record, each.fields, 1, stays) for record, each in read)
    return (yield from save(Commit("", changes, until=holds_until(now))))


def holds_until(now: Millis) -> Millis:
    """Until when a commit may rest on what was read in SQL after this instant."""
    return now + STAYS_MS - CLOCKS_APART_MS


def back(record: Recorded, kept: Mapping[str, str], above: int, put: tuple[Put, ...]) -> Change:
    """Return the change that puts a record into the store as SQL has it, `above` versions higher. kept: its fields"""
    fields = {name: value for name, value in kept.items() if name not in _WRITTEN and name[:2] != "f:"}
    fields["v"] = str(record.version + above)
    return Change.of(replace(record, version=0), fields, put)


# -- for readers -------------------------------------------------------------------------------------------------------


class Lookup:
    """The reader of records: in the store, then in SQL. One that can change is in the store; one that is leaving it, or
    has come back, is in both: then the store counts.

    Its methods raise ArchiveUnavailable when SQL must be asked and cannot be.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """As `Records.look`, with archived orders. The store first: an order leaving it is archived already."""
        found = self._store.records.look({Order: orders, Line: lines})
        return found.now, self.completed(Order, orders, found), {**found.of(Line)}

    def of(self, kind: type[R], names: Sequence[str]) -> dict[str, R]:
        """Return the records of a kind that exist and can be read."""
        return self.completed(kind, names, self._store.records.look({kind: names}))

    def versions(self, orders: Sequence[str]) -> list[int]:
        """Return the version of each order, 0 where there is none: cheap enough to ask often."""
        found = [version for version, _ in self._store.records.glance(orders)]
        missing = [order for order, version in zip(orders, found, strict=True) if not version]
        archive = self._store.bound_archive() if missing else None
        archived = archive.versions(missing) if archive else {}
        return [version or archived.get(order, 0) for order, version in zip(orders, found, strict=True)]

    def completed(self, kind: type[R], names: Sequence[str], found: Snapshot) -> dict[str, R]:
        """Return the records that the store had, by a look at it, with the missing ones that SQL has."""
        here = found.of(kind)
        missing = [name for name in names if name not in here]
        archive = self._store.bound_archive() if missing else None
        kept = archive.recall(kind, missing) if archive else {}
        return {**here, **{name: each.record for name, [each] in kept.items() if each.record is not None}}
