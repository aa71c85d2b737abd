"""The Merkle tree over the log's entries, hashed as RFC 6962 and RFC 9162 say: one hash that covers all of them."""

import hashlib
import re
from base64 import urlsafe_b64encode
from typing import NamedTuple


class Checkpoint(NamedTuple):
    """How many entries a log had, and the hash that covers them: a copy kept elsewhere reveals a shortened log."""

    size: int
    root: str

    def __str__(self) -> str:
        """Return the text that `read` reads."""
        return f"{self.size}.{self.root}"

    @classmethod
    def read(cls, text: str) -> "Checkpoint":
        """Read a checkpoint. Raises ValueError.

        >>> Checkpoint.read(f"12.{'A' * 43}").size
        12
        """
        found = re.fullmatch(r"(0|[1-9][0-9]{0,14})\.([A-Za-z0-9_-]{43})", text, re.ASCII)
        if found is None:
            raise ValueError("not a checkpoint")
        return cls(int(found[1]), found[2])


class Tree:
    """The tree of the entries so far; it keeps one hash for each one bit of their number."""

    def __init__(self) -> None:
        self.size = 0
        self._nodes: list[bytes] = []

    def add(self, entry: str) -> None:
        """Take the next entry. One that is damaged counts as its bytes."""
        node, left = hashlib.sha256(b"\x00" + entry.encode("utf-8", "surrogatepass")).digest(), self.size
        while left & 1:
            node = _parent(self._nodes.pop(), node)
            left >>= 1
        self._nodes.append(node)
        self.size += 1

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of the entries so far."""
        root = self._nodes[-1] if self._nodes else hashlib.sha256().digest()
        for node in reversed(self._nodes[:-1]):
            root = _parent(node, root)
        return Checkpoint(self.size, urlsafe_b64encode(root).decode().rstrip("="))


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
