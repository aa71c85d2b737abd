"""The audit of refusals: each that stands by the log must stand on its line. The log is read in its order: the newest
leaf of a line and a head says whether that restriction stands or was lifted.
"""

from collections.abc import Iterable, Iterator
from sys import intern

from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.leaf import STANDS, Leaf, head_of
from consent_engine.ports import Store

PIECE = 500
LOOK_BACK = 10_000
"""How many of the newest liftings are looked at: of those since the log was read, and of a release without leaves."""


class Refusals:
    """Restrictions that stand by the log, without an end: line and head, and since when."""

    def __init__(self) -> None:
        self.standing: dict[tuple[str, str], Millis] = {}

    def note(self, leaves: Iterable[Leaf]) -> None:
        for leaf in leaves:
            if leaf.seq == STANDS:
                self.standing[leaf.record, intern(leaf.head)] = leaf.at
            else:
                self.standing.pop((leaf.record, leaf.head), None)

    def has(self, line: str, name: str) -> bool:
        """Whether a restriction of this name stands by the log."""
        return (line, head_of(name)) in self.standing

    def missing(self, store: Store) -> list[tuple[str, str]]:
        """Return line and head of those that do not stand. Raises StoreUnavailable; reads only."""
        known = list(self.standing)
        gone = [each for n in range(0, len(known), PIECE) for each in _gone(store, known[n : n + PIECE])]
        lifted = _lifted(store) if gone else {}
        return [each for each in gone if lifted.get(each, -1) < self.standing[each]]


def _gone(store: Store, some: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    lines = store.records.live(lines=list({line for line, _ in some}))[2]
    stands = {(line.id, head_of(each.name)) for line in lines.values() for each in line.restrictions}
    yield from (each for each in some if each not in stands)


def _lifted(store: Store) -> dict[tuple[str, str], Millis]:
    found: dict[tuple[str, str], Millis] = {}
    for each in map(parsed, store.lists.lifted(LOOK_BACK)):
        key = str(each["line"]), head_of(str(each["carrier"]))
        found[key] = max(found.get(key, 0), int(each["at"]))
    return found
