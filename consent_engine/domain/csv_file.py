"""CSV files of other systems, read row by row: their columns are found by name or by number, in bounded memory."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, TextIO, TypeVar

from consent_engine.errors import ConsentError

Column = TypeVar("Column", bound=StrEnum)
LONGEST_LINE = 65_536
MOST_COLUMNS = 1_000


class FileRefused(ConsentError, code="file_refused"):
    """A file that cannot be taken as a whole: what follows in it was not recorded."""


class RefusedLine(NamedTuple):
    """A line that cannot be read."""

    line: int
    why: str


def columns_of(text: str | None, known: type[Column]) -> dict[Column, str]:
    """Read `caller=A,number=B`: the file's names of columns; one that is left out has its own. Raises ValueError."""
    named = {column: str(column) for column in known}
    for each in text.split(",") if text is not None else ():
        column, equals, name = (part.strip() for part in each.partition("="))
        if column not in named or not equals or not name:
            wanted = ",".join(f"{column}=..." for column in known)
            raise ValueError(f"must be like {wanted}; each by its name in the file, or by its number from 1")
        named[known(column)] = name
    return named


def lines_in(file: TextIO) -> Iterator[str]:
    """Yield a file's lines, each as it comes. Raises FileRefused for one that is too long, before it is in memory."""
    n = 0
    while line := file.readline(LONGEST_LINE + 1):
        n += 1
        if len(line) > LONGEST_LINE:
            raise FileRefused(f"line {n} has more than {LONGEST_LINE:,} characters: is this a file of lines?")
        yield line


def rows_in(
    lines: Iterable[str], named: Mapping[Column, str], may_lack: Collection[Column] = ()
) -> Iterator[tuple[int, dict[Column, str]] | RefusedLine]:
    """Yield the cells of each row, each as it comes, with the number of its last line; empty lines are skipped.

    named: the file's names of the columns, or all their numbers from 1, where it has no line of names · may_lack:
    columns that a file need not have, where no other name is given. Raises FileRefused for what is no CSV in UTF-8, and
    where a column is missing.
    """
    rows = csv.reader(lines, strict=True)
    try:
        head = next(rows, [])
        places, is_row = _places(head, named, may_lack)
        least = max(places.values()) + 1
        for row in [head] if is_row else []:
            yield _read(rows.line_num, row, places, least)
        for row in rows:
            if row:
                yield _read(rows.line_num, row, places, least)
    except csv.Error as error:
        raise FileRefused(f"line {rows.line_num} is not CSV: {error}") from None
    except UnicodeDecodeError:
        said = f"the file is not UTF-8 behind line {rows.line_num}: iconv -f GB18030 -t UTF-8"
        raise FileRefused(said) from None


def _read(
    line: int, row: list[str], places: Mapping[Column, int], least: int
) -> tuple[int, dict[Column, str]] | RefusedLine:
    if len(row) < least:
        return RefusedLine(line, f"has {len(row)} columns, which are too few")
    return line, {column: row[place].strip() for column, place in places.items()}


def _places(
    head: list[str], named: Mapping[Column, str], may_lack: Collection[Column]
) -> tuple[dict[Column, int], bool]:
    """Return each column's place in a row, and whether the first line is a row, and none of names."""
    names = [each.strip() for each in head]
    if not names:
        raise FileRefused("the file has no line")
    wanted = {each: name for each, name in named.items() if name in names or each not in may_lack or name != each}
    if not (missing := [name for name in wanted.values() if name not in names]):
        if twice := [name for name in wanted.values() if names.count(name) > 1]:
            raise FileRefused(f"the first line has the column {', '.join(twice)} twice: name it by its number")
        return {each: names.index(name) for each, name in wanted.items()}, False
    if all(name.isascii() and name.isdecimal() and 0 < int(name) <= MOST_COLUMNS for name in wanted.values()):
        return {each: int(name) - 1 for each, name in wanted.items()}, True
    raise FileRefused(  # not what is there: of a file without a line of names it would be a person's
        f"no column {', '.join(missing)} in the first line, which has {len(names)}: name them as they are there, or by "
        f"number from 1, with --columns {','.join(f'{each}=...' for each in named)}"
    )
