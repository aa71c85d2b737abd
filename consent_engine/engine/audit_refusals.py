"""The audit of refusals: each that stands by the log must stand on its line. The log is read in its order: the newest
leaf of a line and a head says whether that restriction stands or was lifted. Liftings that the log does not have, or
did not when it was read, are looked up where they are recorded.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from sys import intern
from typing import NamedTuple

from consent_engine.domain.canonical_json import parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.seal import STANDS, Leaf, head_of
from consent_engine.engine.recall import pieces
from consent_engine.ports import Change, Commit, CommitResult, Store

PIECE = 500
LOOK_BACK = 10_000
"""How many of the newest liftings are looked at where not all are given: of those since the log was read, of a release
without such leaves, and of a time that an older archive lacks.
"""


class Lifting(NamedTuple):
    """A lifting by its record: the restriction's name, and the leaf that it has in the log, or should have."""

    name: str
    leaf: Leaf


class Refusals:
    """Restrictions that stand by the log, without an end: line and head, and since when; and the liftings in it."""

    def __init__(self) -> None:
        self.standing: dict[tuple[str, str], Millis] = {}
        self.lifted: list[Lifting] = []
        """Liftings, not in the log when it was read, of restrictions that stand by it: found by `missing`."""
        self._liftings: set[str] = set()
        self._lifted_at: dict[tuple[str, str], Millis] = {}

    def note(self, leaves: Iterable[Leaf]) -> None:
        """Take the next leaves of refusals, in the log's order."""
        for leaf in leaves:
            if leaf.seq == STANDS:
                self.standing[leaf.record, intern(leaf.head)] = leaf.at
            else:
                self.standing.pop((leaf.record, leaf.head), None)
                self._liftings.add(leaf.entry)
                self._lifted_at[leaf.record, intern(leaf.head)] = leaf.at

    def has(self, line: str, name: str) -> bool:
        """Whether a restriction of this name stands by the log."""
        return (line, head_of(name)) in self.standing

    def lifted_at(self, line: str, name: str) -> Millis:
        """When a restriction of this name was last lifted, by the log; -1: never."""
        return self._lifted_at.get((line, head_of(name)), -1)

    def missing(self, store: Store, liftings: Iterable[str] | None = None) -> list[tuple[str, str]]:
        """Return line and head of those that do not stand, or stand with an end, and were not lifted. Reads only.

        liftings: the records of all that are known; without them the newest are looked at.
        Raises StoreUnavailable and ArchiveUnavailable.
        """
        known = list(self.standing)
        gone = [each for some in pieces(known, PIECE) for each in _gone(store, some)]
        if not gone:
            return []
        acts = _lifted_on(store.records.lifted(LOOK_BACK) if liftings is None else liftings, {line for line, _ in gone})
        self.lifted = self._since_the_log(store, [each for each in acts if each.leaf.entry not in self._liftings])
        lifted = {(leaf.record, leaf.head) for _, leaf in self.lifted}
        return [each for each in gone if each not in lifted]

    def _since_the_log(self, store: Store, liftings: Sequence[Lifting]) -> list[Lifting]:
        """Return those of these liftings, which the log had not, that are newer than what they lift: by their instants,
        or because they are still on their way to the log: the clock may have gone back in between.
        """
        known = self.standing
        of = [(each, known[key]) for each in liftings if (key := (each.leaf.record, each.leaf.head)) in known]
        older = {each.leaf.entry for each, stands in of if each.leaf.at < stands}
        waiting = store.journal.among(older) if older else set()
        waiting = {entry for entry in waiting if store.log is None or not store.log.has(entry)}
        return [each for each, stands in of if each.leaf.at >= stands or each.leaf.entry in waiting]


def _gone(store: Store, some: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    lines = store.records.look({Line: list({line for line, _ in some})}).of(Line)
    stands = {(line.id, head_of(each.name)) for line in lines.values() for each in line.restrictions if not each.until}
    yield from (each for each in some if each not in stands)


def _lifted_on(liftings: Iterable[str], lines: Set[str]) -> list[Lifting]:
    """Read the records of liftings on these lines."""
    found = (each for each in map(parsed, liftings) if each["line"] in lines)
    acts = ((str(each["line"]), str(each["carrier"]), int(each["at"])) for each in found)
    return [Lifting(name, Leaf.of_lifting(line, name, at)) for line, name, at in acts]


def note_standing(store: Store, some: Sequence[tuple[str, str]]) -> int:
    """Have the log learn of restrictions, by line and name, as where they begin to stand; proven durable. Those that do
    not stand any more, or have an end, get no entry. Return how many got one. A repeat adds them again.
    """
    found = store.records.look({Line: list({line for line, _ in some})})
    kept = [(found.of(Line)[line], name) for line, name in some if line in found.of(Line)]
    lasting = [(line, name) for line, name in kept if _lasts(line, name)]
    return _noted(store, [(line, Leaf.of_refusal(line.id, name, found.now)) for line, name in lasting])


def note_lifted(store: Store, some: Sequence[Lifting]) -> int:
    """Have the log learn of liftings; proven durable. Where the restriction stands by now, without an end, it gets no
    entry. Return how many got one.
    """
    lines = store.records.look({Line: list({leaf.record for _, leaf in some})}).of(Line)
    kept = [(lines[leaf.record], name, leaf) for name, leaf in some if leaf.record in lines]
    return _noted(store, [(line, leaf) for line, name, leaf in kept if not _lasts(line, name)])


def _lasts(line: Line, name: str) -> bool:
    stands = line.named(name)
    return stands is not None and not stands.until


def _noted(store: Store, leaves: Sequence[tuple[Line, Leaf]]) -> int:
    """Add entries, each unless its line changed since it was looked at: the next look finds that."""
    commits = [
        Commit("", (Change.look(line),), entries=(leaf.entry,)) for line, leaf in leaves
    ]  # fmt: skip
    saved = store.records.commit(commits, prove=True) if commits else []
    return saved.count(CommitResult.OK)
