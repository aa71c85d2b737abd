"""The audit of the log's length: the present checkpoint, compared with an earlier one that was kept elsewhere.

Anyone who can write to Redis and to the archive can shorten the log together with its count, its marks and its records:
nothing that is kept there shows it. A checkpoint shows it if it is kept where the same person cannot write.
"""

from consent_engine.domain.tree import Checkpoint, Tree
from consent_engine.ports import Log

PIECE = 5_000


def compared(log: Log, known: Checkpoint | None = None) -> tuple[Checkpoint, str]:
    """Return the log's present checkpoint, and how the log differs from the known one; '' where it begins with that.

    known: a checkpoint of an earlier time. Raises ArchiveUnavailable.
    """
    tree, read, then = Tree(), 0, Tree().checkpoint
    while rows := log.entries(read, PIECE):
        read = rows[-1][0] + 1
        for _, entry, _ in rows:
            tree.add(entry)
            if known is not None and tree.size == known.size:
                then = tree.checkpoint
    now = tree.checkpoint
    if known is None:
        return now, ""
    if now.size < known.size:
        return now, f"shortened: it has {now.size:,} entries, and had {known.size:,} at this checkpoint"
    if then != known:
        return now, f"written anew: its first {known.size:,} entries are not those of this checkpoint"
    return now, ""
