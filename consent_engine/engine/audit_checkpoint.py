"""The audit of the log's length: the present checkpoint, compared with an earlier one that was kept elsewhere.

Anyone who can write to Redis and to the archive can shorten the log together with its count, its marks and its records:
nothing that is kept there shows it. A checkpoint shows it if it is kept where the same person cannot write.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from consent_engine.domain.log.merkle import Tree, leaf_hash, published
from consent_engine.ports import Log

PIECE = 5_000


class Head(NamedTuple):
    """How many entries a log had, and the hash that covers them."""

    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text that `read` reads: short, as people copy it."""
        return f"{self.size}.{urlsafe_b64encode(self.root).decode().rstrip('=')}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Read a checkpoint as an audit ended with it. Raises ValueError.

        >>> Head.read(f"12.{'A' * 43}").size
        12
        """
        found = re.fullmatch(r"(0|[1-9][0-9]{0,14})\.([A-Za-z0-9_-]{43})", text, re.ASCII)
        if found is None:
            raise ValueError("not a checkpoint")
        return cls(int(found[1]), urlsafe_b64decode(f"{found[2]}="))


def compared(log: Log, known: Head | None = None) -> tuple[Head, str]:
    """Return the log's present checkpoint, and how the log differs from the known one; '' where it begins with that.

    known: a checkpoint of an earlier time. Raises ArchiveUnavailable.
    """
    tree, read, then = Tree(), 0, Head(0, Tree().root)
    while rows := log.entries(read, PIECE):
        read = rows[-1][0] + 1
        for _, entry, _ in rows:
            tree.add(leaf_hash(published(entry)))
            if known is not None and tree.size == known.size:
                then = Head(tree.size, tree.root)
    now = Head(tree.size, tree.root)
    if known is None:
        return now, ""
    if now.size < known.size:
        return now, f"shortened: it has {now.size:,} entries, and had {known.size:,} at this checkpoint"
    if then != known:
        return now, f"written anew: its first {known.size:,} entries are not those of this checkpoint"
    return now, ""
