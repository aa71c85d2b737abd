"""Many cells, each a slice of subscribers on a master of its own: the cell of a record, and calls to several cells."""

import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

from consent_engine.domain.msisdn import SLOTS
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Store

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")
DOWN_S = 1.0
"""How long a cell that could not be reached is skipped: the others must not wait for it again and again."""


def cell_of(record: str, cells: int) -> int:
    """Return the cell of an order or a line, whose id begins with its number's slot. For any other text: the first one.

    >>> cell_of("3fff00", 4), cell_of("0000ff", 4), cell_of("nonsense", 4)
    (3, 0, 0)
    """
    try:
        return int(record[:4], 16) % SLOTS * cells // SLOTS
    except ValueError:
        return 0


def apart(records: Sequence[str], cells: int) -> dict[int, list[int]]:
    """Split records by cell: for each cell that has some, their places in `records`."""
    parts: dict[int, list[int]] = {}
    for n, record in enumerate(records):
        parts.setdefault(cell_of(record, cells), []).append(n)
    return parts


class OfCells:
    """A part of the store that spans many cells."""

    def __init__(self, cells: "Cells") -> None:
        self._cells = cells


class Cells:
    """The stores of all cells. The failure of one cell does not affect the others."""

    def __init__(self, stores: Sequence[Store], down_s: float = DOWN_S) -> None:
        self.stores = stores
        self._down_s = down_s
        self._again_at = [0.0] * len(stores)

    def number(self, record: str) -> int:
        """Return the number of a record's cell."""
        return cell_of(record, len(self.stores))

    def each(
        self, items: Sequence[T], record: Callable[[T], str], ask: Callable[[Store, list[T]], Sequence[R]]
    ) -> list[R]:
        """Ask each cell for its own records. Every cell is asked before a StoreUnavailable of one is raised."""
        answers: dict[int, R] = {}
        failed: StoreUnavailable | None = None
        for part, numbers in apart([record(item) for item in items], len(self.stores)).items():
            try:
                answers.update(zip(numbers, ask(self.stores[part], [items[n] for n in numbers]), strict=True))
            except StoreUnavailable as error:
                failed = error
        if failed is not None:
            raise failed
        return [answers[n] for n in range(len(items))]

    def passed(self, items: Sequence[T], record: Callable[[T], str], tell: Callable[[Store, list[T]], None]) -> None:
        """Pass each cell its own records, as `each` does, without results."""

        def ask(store: Store, some: list[T]) -> list[None]:
            tell(store, some)
            return [None] * len(some)

        self.each(items, record, ask)

    def reached(self, ask: Callable[[Store], T]) -> list[T]:
        """Return the answers of the cells that can be reached. Raises StoreUnavailable when none can."""
        answers = [answer for _, answer in self.in_turn(0, ask)]
        if not answers:
            raise StoreUnavailable("no cell can be reached")
        return answers

    def in_turn(self, first: int, ask: Callable[[Store], T]) -> Iterator[tuple[int, T]]:
        """Yield number and answer of each reachable cell, from `first` on. Raises StoreUnavailable if none answers."""
        failed: StoreUnavailable | None = None
        reached = False
        for step in range(len(self.stores)):
            number = (first + step) % len(self.stores)
            if monotonic() < self._again_at[number]:
                continue
            try:
                answer = ask(self.stores[number])
            except StoreUnavailable as error:
                self._again_at[number] = monotonic() + self._down_s
                log.warning("cell %d cannot be reached: %s", number, error)
                failed = error
                continue
            reached = True
            yield number, answer
        if failed is not None and not reached:
            raise failed
