"""The scribe: the one way out. What commits changed in Redis is brought to SQL, where lists, sums and proofs are read.

A commit leaves an entry in its cell's journal in the same script: a leaf, or a mark. The scribe reads a piece of it,
and in one transaction of SQL, which holds the log's head, reads the records that the piece names as they are now,
writes them, and numbers the leaves into the log. Only then it drops the piece. Whatever dies in between, the next one
begins with the same piece: a record is written again as it then is, and the log recognises its leaves.

A record is written as it is, and not as it was at each entry: a busy one costs one row a beat. Its history is in it.
"""

from collections.abc import Iterable, Mapping

from consent_engine.domain.leaf import Chained, changed_by, entry_kept, is_mark
from consent_engine.ports import LineKept, Log, Owner, Piece, Store

PIECE = 1_000
"""Entries of a cell at a time: the records that they name are read in one round trip."""
MOST_PIECES = 4_000
_OWNERS = {
    Chained.ORDER: Owner.ORDER, Chained.CALL: Owner.CALL, Chained.ENDING: Owner.ENDING, Chained.REPORT: Owner.REPORT,
}  # fmt: skip


def write_out(store: Store, reader: str, pieces: int = MOST_PIECES, most: int = PIECE) -> int:
    """Bring waiting entries to SQL; return how many leaves are new in the log. Raises StoreUnavailable and
    ArchiveUnavailable: entries that were not brought keep waiting. pieces: how many at most, of each cell · most:
    entries a piece; a smaller one is a cell's last for now
    """
    log = store.log
    if log is None or store.ours() is None:
        return 0
    sealed = 0
    for _ in range(pieces):
        found = store.journal.read(most, reader)
        for piece in found:
            sealed += _write(store, log, piece)
            store.journal.drop(piece)
        if not any(len(piece.entries) == most for piece in found):  # later entries are for the next time
            break
    return sealed


def _write(store: Store, log: Log, piece: Piece) -> int:
    with log.writing() as to:
        records, lines = _named(store, piece.entries)
        store.journal.prove(piece.cell)  # what SQL has must not be lost by a server that fails over
        for owner, some in records.items():
            to.records(owner, some)
        to.lines(lines)
        return to.append([entry_kept(entry) for entry in piece.entries if not is_mark(entry)])


def _named(
    store: Store, entries: Iterable[str]
) -> tuple[Mapping[Owner, Mapping[str, Mapping[str, str]]], Mapping[str, LineKept]]:
    """Read the records that these entries name, and the lines of all of them, as they are now."""
    names: dict[Chained, dict[str, None]] = {kind: {} for kind in Chained}
    for entry in entries:
        if (named := changed_by(entry)) is not None:
            names[named[0]][named[1]] = None
    records = {
        owner: store.retirement.whole(list(names[kind])) if owner is Owner.ORDER
        else store.retirement.whole_records(owner, list(names[kind]))
        for kind, owner in _OWNERS.items() if names[kind]
    }  # fmt: skip
    of_lines = names[Chained.LINE]
    for some in records.values():
        of_lines.update({fields["line"]: None for fields in some.values() if "line" in fields})
    return records, store.journal.lines(list(of_lines)) if of_lines else {}
