"""The audit: the log replayed against the records. Dropped and rewritten records and entries are named.

For each entry it checks that its number follows the one before and its hash is its own; that the record is there, its
chain as long as the log says, and its head at that length the one in the log; and that the record has no event
that is neither in the log nor on its way there. Then the records are gone through (`audit_records.py`): each has
entries in the log, and its row in the archive agrees with it. Refusals and registrations that the log has must stand,
or be lifted. The catalogue must have each plan as it was sold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from consent_engine.domain.effects import Millis
from consent_engine.domain.leaf import LIFTED, Chained, Leaf, leaf_hash
from consent_engine.domain.order.event import chain
from consent_engine.engine.audit_lines import Lines
from consent_engine.engine.audit_plans import Plans, Sold
from consent_engine.engine.audit_records import UNLOGGED, Chain, chains, misfiled, unlogged
from consent_engine.engine.audit_refusals import Refusals
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Store

PIECE = 500
DROPPED = "dropped from the log"
UNREFUSED = "a refusal is gone: the log has no lifting of it"


@dataclass(slots=True)
class Audited:
    """The result of an audit. expired: entries of records deleted by retention · damaged: entries that `newest` cannot
    read · wrong: (record, finding) pairs
    """

    entries: int = 0
    records: int = 0
    expired: int = 0
    damaged: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)


def audit(
    store: Store, kept_since: Millis, between: tuple[Millis, Millis], tell: Callable[[Audited], None] = lambda _: None,
    plans: Plans | None = None,
) -> Audited:  # fmt: skip
    """Check every log entry of a period. Reads only. tell: receives the progress now and then · plans: the catalogue,
    which must have each plan as the period's orders were sold it; None leaves it out.

    kept_since: what ended before may have been deleted by its class. Raises StoreUnavailable and ArchiveUnavailable;
    NotOurArchive for another installation's log: it would find nothing wrong there, or everything.
    """
    if store.log is not None:
        store.ours()
    found, newest = Audited(), dict[str, Leaf]()
    lines, refusals, sold = Lines(), Refusals(), Sold()
    for piece in _pieces(store, found, between[0]):
        leaves = [leaf for leaf in piece if _is_in(between, leaf)]
        found.entries += len(leaves)
        # With the liftings after the period: what they lifted is not missing.
        refusals.note([leaf for leaf in _of_refusals(piece) if leaf.seq == LIFTED or _is_in(between, leaf)])
        leaves = _others(leaves, lines)
        chains = _kept(store, leaves)
        sold.note((order, each.offer) for order, each in chains.items() if each.offer)
        for leaf in leaves:
            newest[leaf.record] = leaf
            _compare(found, leaf, chains.get(leaf.record), kept_since)
        tell(found)
    found.records = len(newest) + len(lines.known) + len({line for line, _ in refusals.standing})
    _unlogged(store, found, newest, between[1])
    found.wrong += misfiled(store, ((leaf.of, leaf.record) for leaf in newest.values()))
    found.wrong += unlogged(store, newest, kept_since, between)
    found.wrong += sold.wrong(plans) if plans else ()
    found.wrong += lines.wrong(store, between[1])
    found.wrong += [(line, UNREFUSED) for line, _ in refusals.missing(store)]
    return found


def _is_in(between: tuple[Millis, Millis], leaf: Leaf) -> bool:
    return between[0] <= leaf.at < between[1]


def _of_refusals(leaves: Sequence[Leaf]) -> list[Leaf]:
    return [leaf for leaf in leaves if leaf.of is Chained.REFUSAL]


def _others(leaves: Sequence[Leaf], lines: Lines) -> list[Leaf]:
    """Note the leaves of lines; return those of all other records, refusals left out."""
    lines.note([leaf for leaf in leaves if leaf.of is Chained.LINE])
    return [leaf for leaf in leaves if leaf.of not in {Chained.LINE, Chained.REFUSAL}]


def refusals_of(store: Store, tell: Callable[[Audited], None] = lambda _: None, first: int = 0) -> Refusals:
    """Return the refusals and registrations that stand by the log, read from an entry on. tell: receives the progress.

    Raises StoreUnavailable and ArchiveUnavailable.
    """
    found, refusals = Audited(), Refusals()
    for piece in _pieces(store, found, 0, first):
        refusals.note(_of_refusals(piece))
        found.entries += len(piece)
        tell(found)
    return refusals


def _kept(store: Store, leaves: Iterable[Leaf]) -> dict[str, Chain]:
    """Return the chains of the records of these leaves."""
    return chains(store, ((leaf.of, leaf.record) for leaf in leaves))


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
                found.wrong.append((f"entries {expected} to {n - 1}", DROPPED))
            expected = n + 1
            try:
                leaf = Leaf.decode(entry)
            except BrokenRecord as error:
                found.wrong.append((f"entry {n}", str(error)))
                continue
            if leaf_hash(entry) != hashed:
                found.wrong.append((f"entry {n}", "written anew in the log: its hash is another one's"))
            leaves.append(leaf)
        yield leaves
    if (end := cut(store)) is not None:
        found.wrong.append(end)


def cut(store: Store) -> tuple[str, str] | None:
    """Return the missing end of the log, or its count of entries that cannot be right, and what is wrong with it.

    Raises ArchiveUnavailable.
    """
    try:
        end, size = store.log.ends() if store.log is not None else (0, 0)
    except BrokenRecord as error:
        return "log", str(error)
    return (f"entries {end} to {size - 1}", DROPPED) if size > end else None


def _compare(found: Audited, leaf: Leaf, kept: Chain | None, kept_since: Millis) -> None:
    if kept is None and leaf.at < kept_since:
        found.expired += 1
    elif kept is None:
        found.wrong.append((leaf.record, f"dropped, or cannot be read: the log has its event {leaf.seq}"))
    elif kept.last.seq < leaf.seq:
        found.wrong.append((leaf.record, f"dropped: the log has event {leaf.seq}, the record says {kept.last.seq}"))
    elif chain("", kept.publics[: leaf.seq + 1]) != leaf.head:
        found.wrong.append((leaf.record, f"written anew: up to event {leaf.seq} it is not what the log has"))


def _unlogged(store: Store, found: Audited, newest: Mapping[str, Leaf], until: Millis) -> None:
    """Note records with events that are neither in the log nor on their way there.

    The journal is read before the log: an entry that leaves the journal meanwhile is in the log.
    """
    known = list(newest.values())
    for some in (known[n : n + PIECE] for n in range(0, len(known), PIECE)):
        ahead = {
            kept.last.entry: kept.last for kept in _kept(store, some).values()
            if newest[kept.last.record].seq < kept.last.seq and kept.last.at < until
        }  # fmt: skip
        waiting = store.journal.among(set(ahead)) if ahead else set()
        found.wrong += [
            (last.record, f"{UNLOGGED}: what came after event {newest[last.record].seq}")
            for entry, last in ahead.items()
            if entry not in waiting and not (store.log and store.log.has(entry))
        ]


def newest(store: Store, kept_since: Millis, most: int = PIECE) -> Audited:
    """Audit the newest entries of the log, as `audit` does: data older than their log lack these first. Damaged entries
    say nothing of the data, and are counted apart.

    Raises StoreUnavailable and ArchiveUnavailable.
    """
    found = Audited()
    if store.log is None:
        return found
    leaves = []
    for _, entry, _ in store.log.newest(most):
        try:
            leaves.append(Leaf.decode(entry))
        except BrokenRecord:
            found.damaged += 1
    refusals = Refusals()
    refusals.note(_of_refusals(leaves))
    leaves = _others(leaves, Lines())
    found.entries = len(leaves) + len(refusals.standing)
    found.wrong += [(line, UNREFUSED) for line, _ in refusals.missing(store)]
    chains = _kept(store, leaves)
    for leaf in leaves:
        _compare(found, leaf, chains.get(leaf.record), kept_since)
    return found
