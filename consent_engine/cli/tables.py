"""What commands print: columns on a terminal, tab-separated lines for programs."""

import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

_CHINA = timezone(timedelta(hours=8))


def instant(at: int) -> str:
    """An instant in China's time; nothing for 0.

    >>> instant(1754013871000), instant(0)
    ('2025-08-01T10:04:31+08:00', '-')
    """
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(_CHINA).isoformat(timespec="seconds") if at else "-"


def line(*cells: object) -> None:
    """One line of cells."""
    sys.stdout.write("\t".join(_plain(cell) for cell in cells) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[object]], nothing: str = "") -> None:
    """Rows; on a terminal with their head, or a word when there are none."""
    if not sys.stdout.isatty():
        for row in rows:
            line(*row)
        return
    if not rows:
        sys.stdout.write(f"{nothing}\n")
        return
    lines = [list(head), *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _plain(cell: object) -> str:
    """A cell in which nothing moves the cursor or splits a column."""
    return "".join(character if character.isprintable() else " " for character in str(cell))


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
