"""Tiles of the tree, as C2SP tlog-tiles says: 256 consecutive hashes of one level, eight levels of the tree each.

What was written of a tile never changes, it only grows to its 256 hashes: a proof for any earlier size is read from the
same tiles, and a tile may be served from anywhere.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from consent_engine.domain.log.merkle import HASH_BYTES, Node, Tree

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
                whole.append(_over(hashes))
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
        return _over(hashes)

    return node


def _over(hashes: bytes) -> bytes:
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
