"""Sealing: what commits left in the journals is numbered into the one log, then taken out of the journals.

Written to the log first. Who dies in between leaves an entry in both: whoever comes next brings it again, and the log
knows it.
"""

from consent_engine.domain.leaf import entry_kept
from consent_engine.ports import Store

BATCH = 4_000
MOST_BATCHES = 1_000


def seal(store: Store, reader: str, batches: int = MOST_BATCHES, most: int = BATCH) -> int:
    """Bring what waits into the log; how many entries are new there. Raises StoreUnavailable and ArchiveUnavailable;
    what was not brought waits. most: so many of a cell at a time; a piece that is smaller is the last one for now.
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
        if not any(len(piece.entries) == most for piece in pieces):  # what comes meanwhile is the next time's
            break
    return sealed
