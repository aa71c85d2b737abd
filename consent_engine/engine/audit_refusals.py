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
from consent_engine.ports import Change, Commit, CommitResult, Recorded, Store

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

    def note(self, leaf: Leaf) -> None:
        """Take the next leaf of a refusal, in the log's order."""
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
        acts = lifted_on(store.records.lifted(LOOK_BACK) if liftings is None else liftings, {line for line, _ in gone})
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
        waiting -= store.log.among(waiting) if store.log is not None else set()
        return [each for each, stands in of if each.leaf.at >= stands or each.leaf.entry in waiting]


def _gone(store: Store, some: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    lines = store.records.look({Line: list({line for line, _ in some})}).of(Line)
    stands = {(line.id, head_of(each.name)) for line in lines.values() for each in line.restrictions if not each.until}
    yield from (each for each in some if each not in stands)


def sealed(store: Store, entries: Set[str]) -> set[str]:
    """Return those of these entries that are in the log, or on their way there. The journal first: what leaves it
    meanwhile is in the log.
    """
    waiting = store.journal.among(entries)
    return waiting | (store.log.among(entries - waiting) if store.log is not None else set())


def lifted_on(liftings: Iterable[str], lines: Set[str]) -> list[Lifting]:
    """Read the records of liftings on these lines."""
    found = (each for each in map(parsed, liftings) if each["line"] in lines)
    acts = ((str(each["line"]), str(each["carrier"]), int(each["at"])) for each in found)
    return [Lifting(name, Leaf.of_lifting(line, name, at)) for line, name, at in acts]


def lasting(store: Store, some: Sequence[tuple[str, str]]) -> tuple[Millis, list[tuple[Line, str]]]:
    """Return those of these restrictions, by line and name, that stand without an end, each with its line; and when
    that was read.
    """
    found = store.records.look({Line: list({line for line, _ in some})})
    lines = found.of(Line)
    named = ((lines[line], name, lines[line].named(name)) for line, name in some if line in lines)
    return found.now, [(line, name) for line, name, stands in named if stands is not None and not stands.until]


def note_standing(store: Store, some: Sequence[tuple[str, str]]) -> int:
    """Have the log learn of restrictions, by line and name, as where they begin to stand; proven durable. Those that do
    not stand any more, or have an end, get no entry. Return how many got one. A repeat adds them again.
    """
    now, standing = lasting(store, some)
    return len(noted(store, [(line, Leaf.of_refusal(line.id, name, now)) for line, name in standing]))


def note_lifted(store: Store, some: Sequence[Lifting]) -> int:
    """Have the log learn of liftings; proven durable. Where the restriction stands by now, without an end, it gets no
    entry. Return how many got one.
    """
    lines = store.records.look({Line: list({leaf.record for _, leaf in some})}).of(Line)
    stands = {(line.id, name) for line, name in lasting(store, [(leaf.record, name) for name, leaf in some])[1]}
    over = [leaf for name, leaf in some if leaf.record in lines and (leaf.record, name) not in stands]
    return len(noted(store, [(lines[leaf.record], leaf) for leaf in over]))


def noted(store: Store, leaves: Sequence[tuple[Recorded | Line, Leaf]]) -> list[str]:
    """Have the log learn of these leaves, each unless its record changed since it was looked at: the next look finds
    that; proven durable. Return the records of those that it learns.
    """
    commits = [Commit("", (Change.look(record),), entries=(leaf.entry,)) for record, leaf in leaves]
    saved = store.records.commit(commits, prove=True) if commits else []
    return [record.id for (record, _), word in zip(leaves, saved, strict=True) if word is CommitResult.OK]
