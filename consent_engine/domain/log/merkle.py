"""The Merkle tree of the log, as RFC 6962 (2.1) and RFC 9162 (2.1) say: SHA-256, inclusion and consistency proofs; and
its tiles, as C2SP tlog-tiles says: 256 consecutive hashes of one level, eight levels of the tree each.

Proofs are made from the hashes of whole subtrees, wherever these are kept: `node(level, index)` is the hash over the
leaves index * 2**level to (index + 1) * 2**level. The check of an inclusion is in the verifier, which stands alone.
What was written of a tile never changes, it only grows to its 256 hashes: a proof for any earlier size is read from the
same tiles, and a tile may be served from anywhere.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from consent_engine.verify import included

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


HEIGHT, WIDTH, LEVELS = 8, 256, 64
Tile = tuple[int, int]
"""The level of a tile, and its number in that level."""
Tiles = Callable[[int, int], bytes]
"""Returns the hashes of a tile, as many as there are by now; raises LookupError where there is none."""
CUT = "a tile of the log is shorter than the log"
ENTRIES = -1
"""The level, so to speak, of the bundles of entries."""


def grown(size: int, leaves: Sequence[bytes], tiles: Tiles) -> dict[Tile, bytes]:
    """Return the tiles that change when these leaves come after the first `size` ones, each with all of its hashes.
    Raises LookupError for a tile that is gone or was cut.
    """
    changed, level, fresh = dict[Tile, bytes](), 0, list(leaves)
    while fresh:
        whole = list[bytes]()
        number, behind = divmod(size, WIDTH)
        hashes = tiles(level, number)[: behind * HASH_BYTES] if behind else b""
        if len(hashes) != behind * HASH_BYTES:
            raise LookupError(CUT)
        while fresh:
            room = WIDTH - len(hashes) // HASH_BYTES
            hashes, fresh = hashes + b"".join(fresh[:room]), fresh[room:]
            changed[level, number] = hashes
            if len(hashes) == WIDTH * HASH_BYTES:
                whole.append(_root_of(hashes))
                number, hashes = number + 1, b""
        size, level, fresh = size // WIDTH, level + 1, whole
    return changed


def nodes(tiles: Tiles) -> Node:
    """Return what proofs are made of, read from tiles, each of them once. It raises LookupError as `grown` does."""
    read = cache(tiles)

    def node(level: int, index: int) -> bytes:
        first = (index << level % HEIGHT) % WIDTH * HASH_BYTES
        length = HASH_BYTES << level % HEIGHT
        hashes = read(level // HEIGHT, (index << level % HEIGHT) // WIDTH)[first : first + length]
        if len(hashes) != length:
            raise LookupError(CUT)
        return _root_of(hashes)

    return node


def _root_of(hashes: bytes) -> bytes:
    """The hash over all hashes of a tile, or of a part of it."""
    return Tree(hashes[n : n + HASH_BYTES] for n in range(0, len(hashes), HASH_BYTES)).root


# -- where a tile is ---------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A tile as it is asked for. level: ENTRIES for a bundle of entries · width: how many hashes, or entries, of it"""

    level: int
    number: int
    width: int = WIDTH

    def __str__(self) -> str:
        """Return the path, which `decode` reads.

        >>> str(Place(0, 1234067)), str(Place(ENTRIES, 273, 112))
        ('tile/0/x001/x234/067', 'tile/entries/273.p/112')
        """
        digits = f"{self.number:03d}".zfill(-(-len(f"{self.number:03d}") // 3) * 3)
        parts = [digits[n : n + 3] for n in range(0, len(digits), 3)]
        path = "/".join([*(f"x{each}" for each in parts[:-1]), parts[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level == ENTRIES else self.level}/{path}{partial}"

    @classmethod
    def decode(cls, path: str) -> "Place":
        """Read a path. Raises LookupError for one that no tile has."""
        found = re.fullmatch(r"tile/(entries|\d{1,2})/((?:x\d{3}/){0,4}\d{3})(?:\.p/([1-9]\d{0,2}))?", path, re.ASCII)
        if found is None:
            raise LookupError("no tile has this path")
        level = ENTRIES if found[1] == "entries" else int(found[1])
        place = cls(level, int(re.sub(r"\D", "", found[2])), int(found[3] or WIDTH))
        if str(place) != path or place.level >= LEVELS:
            raise LookupError("no tile has this path")
        return place


def changed(since: int, size: int) -> Iterator[Place]:
    """Yield the tiles, and the bundles of entries, that a log of this size has and one of `since` entries had not. The
    other ones that are not full are as they were.
    """
    level, was, now = 0, since, size
    while now:
        if was < now:
            for number in range(was // WIDTH, -(-now // WIDTH)):
                width = min(WIDTH, now - number * WIDTH)
                yield Place(level, number, width)
                if not level:
                    yield Place(ENTRIES, number, width)
        level, was, now = level + 1, was // WIDTH, now // WIDTH


def bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries as a bundle: the length of each in two bytes, and the entry."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in entries)
