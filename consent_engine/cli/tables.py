"""Output of commands: columns on a terminal, tab-separated lines for programs, JSON with `--json`; progress."""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from threading import Timer
from time import monotonic
from typing import Any, TextIO, TypeVar

from consent_engine.domain.days import CHINA, Days
from consent_engine.errors import ConsentError

T = TypeVar("T")
_days: ContextVar[Days] = ContextVar("days", default=CHINA)
print_by = _days.set
"""Set the business's clock, by which instants are printed."""


def instant(at: int) -> str:
    """Return an instant by the clock of the business, as pages show it, with its offset; "-" for 0.

    >>> instant(1754013871000), instant(0)
    ('2025-08-01T10:04:31+08:00', '-')
    """
    return _days.get().instant(at, "seconds") if at else "-"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command prints. every_s: seconds between two lines of progress."""

    as_json: bool = False
    every_s: float = 2.0


USUAL = Manner()
_manner = ContextVar("manner", default=USUAL)
manner = _manner.get


@contextmanager
def printing(**change: Any) -> Iterator[None]:  # noqa: ANN401 - fields of Manner
    """Print in another manner within the block."""
    before = _manner.set(replace(manner(), **change))
    try:
        yield
    finally:
        _manner.reset(before)


class OutputLost(ConsentError, code="output_lost"):
    """Standard output takes no more."""


def out(text: str) -> None:
    """Write to standard output. Raises OutputLost, and BrokenPipeError where a reader has seen enough."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(f"the output cannot be written: {error.strerror}") from error


def lost(stream: TextIO) -> OSError | None:
    """Flush a stream; return the error of one that takes no more, which then leads nowhere: Python would complain of it
    at exit, with a status of its own.
    """
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _json(value: object) -> None:
    out(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def tell(message: str) -> None:
    """Print a message for the person at the terminal: on standard error, since standard output is for programs. Where
    that cannot be written, the work goes on without it.
    """
    with suppress(OSError):
        sys.stderr.write(f"{message}\n")


def line(*cells: object) -> None:
    """Print one line of cells; in JSON a list."""
    if manner().as_json:
        _json([cell if isinstance(cell, int) else str(cell) for cell in cells])
        return
    out("\t".join(_plain(cell) for cell in cells) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[object]], nothing: str = "") -> None:
    """Print rows; on a terminal with their head, or `nothing` when there are none; in JSON one list of objects."""
    if manner().as_json:
        names = [name or "note" for name in head]
        _json([dict(zip(names, row, strict=True)) for row in rows])
        return
    if not sys.stdout.isatty():
        for row in rows:
            line(*row)
        if not rows and nothing:
            tell(nothing)  # on standard output there is no line where there is no row
        return
    if not rows:
        out(f"{nothing}\n")
        return
    lines = [list(head), *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
        out("  ".join(padded).rstrip() + "\n")


def record(rows: Iterable[Sequence[object]]) -> None:
    """Print facts of one thing, each a line of its name and values; in JSON one object."""
    if manner().as_json:
        _json({str(name): rest[0] if len(rest) == 1 else list(rest) for name, *rest in rows})
        return
    for row in rows:
        line(*row)


def _plain(cell: object) -> str:
    """Return a cell's text without characters that move the cursor or split a column."""
    return "".join(character if character.isprintable() else " " for character in str(cell))


def _width(text: str) -> int:
    """Return the width in terminal columns: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


class Slowly:
    """Progress output of one command: at most one line every two seconds."""

    def __init__(self) -> None:
        self._said_at = monotonic()

    def counted(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield the rows of a file, and say how many were read."""
        for n, each in enumerate(rows, 1):
            self.tell(f"read {n:,} lines")
            yield each

    def tell(self, text: str) -> None:
        """Print the text, unless a line was printed within the interval."""
        if monotonic() - self._said_at >= manner().every_s:
            self._said_at = monotonic()
            tell(text)


@contextmanager
def announced(text: str, after_s: float = 2.0) -> Iterator[None]:
    """Print the text if the block lasts longer than that: a server that does not answer reports no progress."""
    late = Timer(after_s, tell, [text])
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()
