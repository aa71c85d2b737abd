"""New orders as the script `commit_new` takes them: many in one go, and what they share is said once."""

from collections.abc import Mapping, Sequence
from itertools import chain

from consent_engine.adapters.redis.codec import Offers
from consent_engine.adapters.redis.commit_arguments import Lists, Numbers, written
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.decide.decision import PARKED, Drop, Put
from consent_engine.domain.seal import Seal
from consent_engine.ports import CallChange, Change, Commit, LineChange, Look, OrderChange


def is_new(commit: Commit) -> bool:
    """Whether a commit makes an order."""
    first = commit.records[0]
    return isinstance(first, OrderChange) and first.state_before is None


def _only_makes(commit: Commit) -> bool:
    """Whether a commit does nothing else than to make and stamp records: `commit_new` knows no more."""
    more = commit.held or commit.guard is not None or commit.beat or commit.unmatched
    return not more and all(map(_is_plain, commit.records))


def _is_plain(change: Change) -> bool:
    if isinstance(change, (OrderChange, CallChange)):  # asked of each record: a union takes twice as long
        return not change.drop
    if isinstance(change, LineChange):
        marked = change.consume or change.barring or change.drop or change.sealed
        return change.read is not None and "seen" in change.fields and not marked
    return isinstance(change, Look) and change.read is not None and not change.barring


class NewOrders(Lists):
    """The keys and the arguments of one script, commit by commit."""

    __slots__ = ("_cell", "_counted", "_records", "_seal", "offers")

    def __init__(self, cell: Cell, seal: Seal | None) -> None:
        super().__init__(Numbers(1))
        self._cell = cell
        self._seal = seal
        self._records: list[str] = []
        self._counted: dict[tuple[str | int, ...], int] = {}
        self.offers: dict[tuple[str, str], int] = {}

    def add(self, commit: Commit, offers: Offers) -> None:
        """Add a commit. offers: those that are believed to be in the store.

        Raises ValueError for one that does more than to make an order, and to make and stamp records with it.
        """
        first, args = commit.records[0], self.args
        if not (isinstance(first, OrderChange) and _only_makes(commit)):
            raise ValueError("a commit that makes an order does nothing else")
        offer = self.offers.setdefault(offers.needed(first.order), len(self.offers) + 1)
        args += "" if commit.until is None else commit.until, offer, 0, len(commit.records)
        counts = len(args) - 2
        self.counts, self.due, self.gone, self.sealed = [], [], [], []
        for change in commit.records:
            self._records.append(written(change, self._cell, self._seal, "", self))
        if self.counts:
            args[counts] = self._counted.setdefault(tuple(self.counts), len(self._counted) + 1)
        self.listed()
        args += len(self.sealed), *self.sealed

    def row(
        self, begins: str, fields: Mapping[str, str], names: list[str], put: Sequence[Put] = (),
        drop: Sequence[tuple[str, Drop]] = (), barring: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """A record as `commit_new` reads it behind its version and how it is touched: what is set, and what goes."""
        going = [] if all(fields.values()) else [name for name, value in fields.items() if not value]
        kept = list(chain.from_iterable([pair for pair in fields.items() if pair[1]] if going else fields.items()))
        for each in put:
            effect, due = each.effect, each.due
            kept += f"f:{effect}", each.pending.encode()
            self.due += self.numbers[self._cell.due_of(effect)], "+inf" if due == PARKED else due, begins + effect
        self.args += len(kept) // 2, *kept, len(going), *going

    def asked(self, commits: int, now: str) -> tuple[list[str], list[str | int]]:
        """The keys and the arguments of the script, for so many commits. now: '' for the server's own"""
        keys = [self._cell.offers, self._cell.journal, *self._records, *self.numbers]
        before: list[str | int] = [len(self._records), now, len(self.offers)]
        for offer in self.offers:
            before += offer
        after: list[str | int] = [len(self._counted)]
        for counts in self._counted:
            after += len(counts) // 2, *counts
        return keys, [*before, commits, *self.args, *after]
