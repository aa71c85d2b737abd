"""Sealing: entries that commits left in the journals are numbered into the one log, then taken out of the journals.

They are written to the log first. A process that dies in between leaves an entry in both: the next one brings it
again, and the log recognises it.
"""

from consent_engine.domain.leaf import entry_kept
from consent_engine.ports import Store

BATCH = 4_000
MOST_BATCHES = 1_000


def seal(store: Store, reader: str, batches: int = MOST_BATCHES, most: int = BATCH) -> int:
    """Bring waiting entries into the log; return how many are new there. Raises StoreUnavailable, ArchiveUnavailable;
    entries that were not brought keep waiting. most: of a cell at a time; a smaller piece is its last one for now.
    """
    log = store.log
    if log is None or store.ours() is None:
        return 0
    sealed = 0
    for _ in range(batches):
        pieces = store.journal.read(most, reader)
        for piece in pieces:
            sealed += log.append([entry_kept(entry) for entry in piece.entries])
            store.journal.drop(piece)
        if not any(len(piece.entries) == most for piece in pieces):  # later entries are for the next time
            break
    return sealed
