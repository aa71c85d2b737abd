"""Many cells, each a slice of subscribers on a master of its own: the cell of a record, and calls to several cells."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any, TypeVar

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


class Cells:
    """The stores of all cells. The failure of one cell does not affect the others."""

    def __init__(self, stores: Sequence[Store], down_s: float = DOWN_S) -> None:
        self.stores = stores
        self._down_s = down_s
        self._again_at = [0.0] * len(stores)

    def number(self, record: str) -> int:
        """Return the number of a record's cell."""
        return cell_of(record, len(self.stores))

    def asked(
        self, items: Sequence[T], record: Callable[[T], str], ask: Callable[[Store, list[T]], R]
    ) -> list[tuple[list[int], R]]:
        """Return each cell's answer about its own records, with their places in `items`. Every cell is asked before a
        StoreUnavailable of one is raised.
        """
        answers: list[tuple[list[int], R]] = []
        failed: StoreUnavailable | None = None
        for part, numbers in apart([record(item) for item in items], len(self.stores)).items():
            try:
                answers.append((numbers, ask(self.stores[part], [items[n] for n in numbers])))
            except StoreUnavailable as error:
                failed = error
        if failed is not None:
            raise failed
        return answers

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


class OfCells:
    """A part of the store that spans many cells: a port whose methods are made by the rules below, where one will do.

    Arguments and answers are passed on as they are: their types are checked where the port is called.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells


Of = Callable[[Store], Callable[..., Any]]
"""The method of one store which a rule calls."""


def one(of: Of, cell: Callable[..., int] = lambda cells, record, *_: cells.number(record)) -> Any:  # noqa: ANN401
    """Ask one cell. cell: its number, from all cells and the arguments; else that of the record named first"""

    def method(self: OfCells, *args: Any, **more: Any) -> Any:  # noqa: ANN401
        return of(self._cells.stores[cell(self._cells, *args)])(*args, **more)

    return method


first = partial(one, cell=lambda *_: 0)
"""Ask the first cell, which has what belongs to no number."""


def each(of: Of, record: Callable[[Any], str] = str) -> Any:  # noqa: ANN401
    """Ask each cell about its own of some items. The answers, one an item where there are any, stand in their order."""

    def method(self: OfCells, items: Sequence[Any], **more: Any) -> list[Any]:  # noqa: ANN401
        answers: dict[int, Any] = {}
        for numbers, some in self._cells.asked(items, record, lambda cell, own: of(cell)(own, **more)):
            answers.update(zip(numbers, some, strict=True) if some is not None else ())
        return [answers[n] for n in sorted(answers)]

    return method


def by_name(of: Of, at: int = 0) -> Any:  # noqa: ANN401
    """Ask each cell about its own records of those that the argument at a place names, or has something for. The
    answers, by name where there are any, become one.
    """

    def method(self: OfCells, *args: Any) -> dict[str, Any]:  # noqa: ANN401
        wanted, found = args[at], dict[str, Any]()

        def ask(cell: Store, own: list[str]) -> Any:  # noqa: ANN401
            part = {name: wanted[name] for name in own} if isinstance(wanted, Mapping) else own
            return of(cell)(*args[:at], part, *args[at + 1 :])

        for _, some in self._cells.asked(list(wanted), str, ask):
            found |= some or {}
        return found

    return method


def joined(answers: Iterable[Iterable[Any]]) -> list[Any]:
    """Return the answers of cells as one list."""
    return list(chain.from_iterable(answers))


def every(of: Of, together: Callable[..., Any] = joined) -> Any:  # noqa: ANN401
    """Ask all cells; where one cannot be reached, that is raised. together: makes one answer of theirs"""

    def method(self: OfCells, *args: Any) -> Any:  # noqa: ANN401
        return together([of(cell)(*args) for cell in self._cells.stores])

    return method


def reached(of: Of, together: Callable[..., Any] = joined) -> Any:  # noqa: ANN401
    """Ask the cells that can be reached. together: makes one answer of theirs"""

    def method(self: OfCells, *args: Any, **more: Any) -> Any:  # noqa: ANN401
        return together(self._cells.reached(lambda cell: of(cell)(*args, **more)))

    return method
