"""The scribe: the one way out. Every change in Redis is brought to SQL, where lists, sums and proofs are read.

A commit leaves an entry in its cell's journal in the same script: a leaf, or a mark. The scribe reads a piece of it,
and in one transaction of SQL, which holds the log's head, reads the records that the piece names as they are now,
writes them, and numbers the leaves into the log. Only then it drops the piece. Whatever dies in between, the next one
begins with the same piece: a record is written again as it then is, and the log recognises its leaves.

A record is written as it is, and not as it was at each entry: a busy one costs one row a beat. Its history is in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from secrets import token_hex
from time import monotonic, sleep

from consent_engine.domain.seal import Chained, changed_by, entry_kept, is_mark
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import OWNERS, Archive, Log, Owner, Piece, Recorded, Store
from consent_engine.ports.queries import Queries

PIECE = 16_000
"""Entries of a cell at a time, two beats' at 1,000 orders a second: a record is written once for all of them."""
PART = 2_000
"""Records that are read at a time."""
MOST_PIECES = 4_000
AT_ONCE = 5
WAIT_S, PAUSE_S = 15.0, 0.05
"""How long an act waits for SQL: longer than a reader that died holds its cell; and the pauses between its looks."""


def write_out(store: Store, reader: str, pieces: int = MOST_PIECES, most: int = PIECE) -> int:
    """Bring waiting entries to SQL; return how many leaves are new in the log. Raises StoreUnavailable and
    ArchiveUnavailable, and NotOurArchive where a cell lost its data: entries that were not brought keep waiting.
    pieces: how many at most, of each cell · most: entries a piece; a smaller one is a cell's last for now
    """
    log, archive = store.log, store.bound_archive()
    if log is None or archive is None:
        return 0
    if kept := store.retirement.plans(archive.id(), store.plans):
        with log.writing() as to:
            to.plans(kept)
        store.plans = kept.mark
    sealed = 0
    for _ in range(pieces):
        some = store.journal.read(most, reader, archive.id())
        for piece in some:
            sealed += _write(store, log, archive.id(), piece)
            store.journal.drop(piece)
        if not any(len(piece.entries) == most for piece in some):  # later entries are for the next time
            break
    return sealed


def as_of_now(store: Store, wait_s: float = WAIT_S) -> Queries:
    """Return the lists once they have all that was committed before this call: for acts on every record that a list
    names, which must miss none. The entries are brought to SQL here; another reader of a cell is waited for.

    Raises StoreUnavailable where a cell cannot be reached, and ArchiveUnavailable where SQL cannot be written, or is
    still behind after `wait_s`: nothing was done then, and the same request again is safe.
    """
    if store.log is None or store.bound_archive() is None:
        return store.queries
    reader, end, until = f"act-{token_hex(4)}", monotonic() + wait_s, store.journal.spans()
    left = sum(count for _, count in until)
    while left:
        write_out(store, reader, AT_ONCE)
        now = store.journal.spans()
        left = sum(min(count, max(0, sum(was) - first)) for was, (first, count) in zip(until, now, strict=True))
        if left and monotonic() >= end:
            raise ArchiveUnavailable(f"SQL is {left:,} entries behind, and this must miss none: try again in a moment")
        if left:
            sleep(PAUSE_S)
    return store.queries


def let_go(store: Store, archive: Archive, records: Sequence[Recorded]) -> set[str]:
    """Mark records that are to leave as gone in SQL. One that it lacks, or has as it was before, is brought there: no
    scribe has read its entries yet, or no entry names it any more. Return the ids of those that are safely there.
    Raises StoreUnavailable and ArchiveUnavailable.
    """
    found = set[str]()
    for owner in {OWNERS[type(each)] for each in records}:
        heads = {each.id: (each.version, each.head) for each in records if OWNERS[type(each)] is owner}
        found |= archive.let_go(owner, heads)
        if (missing := [name for name in heads if name not in found]) and store.log is not None:
            with store.log.writing() as to:
                found |= to.records(owner, store.retirement.whole(owner, missing), gone=True)
    return found


def _write(store: Store, log: Log, archive: str, piece: Piece) -> int:
    """Write the records that a piece names, and the lines of all of them, as they are now, and append its leaves.

    Calls and the like are read first, then the lines, then the orders, with all that these lines name: so in SQL no
    line is ahead of its orders. A message read there is in an order's history, too, whatever is lost after that.
    """
    names: dict[str, dict[str, None]] = {kind: {} for kind in Chained}
    for named in filter(None, map(changed_by, piece.entries)):
        names[named[0]][named[1]] = None
    orders, of_lines = names[Chained.ORDER], names[Chained.LINE]
    with log.writing() as to:
        for owner in (Owner.CALL, Owner.ENDING, Owner.REPORT):
            for some in _parts(names[owner]):
                records = store.retirement.whole(owner, some)
                of_lines.update({fields["line"]: None for fields in records.values() if "line" in fields})
                to.records(owner, records)
        for some in _parts(orders):
            of_lines.update({line: None for _, line in store.records.glance(some) if line})
        for some in _parts(of_lines):
            lines = store.journal.lines(some)
            orders.update({name[2:]: None for kept in lines.values() for name in kept.fields if name[:2] == "o:"})
            to.lines(lines)
        for some in _parts(orders):
            to.records(Owner.ORDER, store.retirement.whole(Owner.ORDER, some))
        store.journal.prove(piece.cell, archive)  # what SQL has must not be lost by a server that fails over
        return to.append([entry_kept(entry) for entry in piece.entries if not is_mark(entry)])


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield names in parts whose records fit into little memory."""
    found = iter(names)
    while some := list(islice(found, PART)):
        yield some
