"""The Merkle tree of the log, as RFC 6962 (2.1) and RFC 9162 (2.1) say: SHA-256, inclusion and consistency proofs.

Proofs are made from the hashes of whole subtrees, wherever these are kept: `node(level, index)` is the hash over the
leaves index * 2**level to (index + 1) * 2**level. The check of an inclusion is in the verifier, which stands alone.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from consent_engine.verify import MOST_HASHES, included

__all__ = ["included"]

HASH_BYTES = 32
Node = Callable[[int, int], bytes]
_LEAF = hashlib.sha256(b"\x00")
"""Created once: a copy costs half as much as a new hash object."""
_NODE = hashlib.sha256(b"\x01")


def published(entry: str) -> bytes:
    """The log's entry as it is published: the hash (SHA-256) of its text, which says when something happened to which
    record, and is for the parties alone.
    """
    return hashlib.sha256(entry.encode("utf-8", "surrogatepass")).digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf with this content; of an entry, with what is published of it.

    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    hashed = _LEAF.copy()
    hashed.update(data)
    return hashed.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    hashed = _NODE.copy()
    hashed.update(left + right)
    return hashed.digest()


class Tree:
    """The tree of the leaves so far; it keeps one hash for each one bit of their number."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._nodes: list[bytes] = []
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """Take the hash of the next leaf."""
        left = self.size
        while left & 1:
            leaf = node_hash(self._nodes.pop(), leaf)
            left >>= 1
        self._nodes.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The hash that covers all of them."""
        if not self._nodes:
            return hashlib.sha256().digest()
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = node_hash(node, root)
        return root


def root(size: int, node: Node) -> bytes:
    """The root of the first `size` leaves."""
    return _over(0, size, node) if size else hashlib.sha256().digest()


def inclusion(number: int, size: int, node: Node) -> list[bytes]:
    """Return the proof that leaf `number` is in the tree of the first `size` ones, from its sibling up. Raises
    ValueError where it is not.
    """
    if not 0 <= number < size:
        raise ValueError(f"a log of {size} entries has no entry {number}")
    path, first, end = list[bytes](), 0, size
    while end - first > 1:
        middle = first + _left(end - first)
        if number < middle:
            path.append(_over(middle, end, node))
            end = middle
        else:
            path.append(_over(first, middle, node))
            first = middle
    return path[::-1]


def consistency(old: int, new: int, node: Node) -> list[bytes]:
    """Return the proof that the tree of the first `new` leaves begins with that of the first `old` ones; it is empty
    for an old one of none, and for the same one. Raises ValueError for an old tree that is the larger one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a log of {new} entries does not begin with {old}")
    path, first, end = list[bytes](), 0, new
    while 0 < old < end:
        middle = first + _left(end - first)
        if old <= middle:
            path.append(_over(middle, end, node))
            end = middle
        else:
            path.append(_over(first, middle, node))
            first = middle
    if first:
        path.append(_over(first, end, node))
    return path[::-1]


def _over(first: int, end: int, node: Node) -> bytes:
    """The hash over some leaves, the first of them where a subtree of theirs begins."""
    count = end - first
    if not count & (count - 1):
        level = count.bit_length() - 1
        return node(level, first >> level)
    middle = first + _left(count)
    return node_hash(_over(first, middle, node), _over(middle, end, node))


def _left(count: int) -> int:
    """The largest power of two below a count above 1: how many leaves are on the left side."""
    return 1 << (count - 1).bit_length() - 1


# -- verifying ---------------------------------------------------------------------------------------------------------


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the new tree begins with the old one: RFC 9162, 2.1.4.2."""
    if not 0 <= old <= new or len(proof) > MOST_HASHES:
        return False
    if old in {0, new}:
        return not proof and old_root == (new_root if old else hashlib.sha256().digest())
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    return bool(path) and _climbed(at, last, path[0], path[1:]) == (old_root, new_root)


def _climbed(at: int, last: int, start: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Climb from a node to the root; return the hash over what is left of the way, with the node, and the root. None
    for a proof that is too long, or too short. last: the number of the last node on its level
    """
    left = whole = start
    for hashed in proof:
        if not last:
            return None
        if at & 1 or at == last:
            left, whole = node_hash(hashed, left), node_hash(hashed, whole)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            whole = node_hash(whole, hashed)
        at, last = at >> 1, last >> 1
    return None if last else (left, whole)
