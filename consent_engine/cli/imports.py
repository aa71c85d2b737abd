"""`consent import`: lists of numbers that another system kept, as a file of any size."""

import hashlib
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Annotated, NamedTuple

import typer

from consent_engine.api.schemas.forms import ImportedNumber, read_refusal
from consent_engine.cli.opening import CARRIER_NAMES, by, carrier_named, opened, typed
from consent_engine.cli.tables import Slowly, line, record, tell
from consent_engine.domain.csv_file import FileRefused, RefusedLine, columns_of, lines_in, rows_in
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import Malformed, StoreUnavailable
from consent_engine.ports.registry import Import


class Listed(StrEnum):
    """What a list is of, as the HTTP doors that take the same rows are called."""

    REFUSALS = "refusals"
    REGISTRATIONS = "registrations"

    @property
    def kind(self) -> Kind:
        """What stands on a line for each of its numbers."""
        return Kind.REFUSED if self is Listed.REFUSALS else Kind.MARKETING_FREE


class Column(StrEnum):
    """The columns of a list; it needs only the first."""

    MSISDN = "msisdn"
    CARRIER = "carrier"
    CHANNEL = "channel"
    REF = "ref"


_MAY_LACK = (Column.CARRIER, Column.CHANNEL, Column.REF)
_KIND = typer.Argument(
    metavar="KIND", help="refusals: numbers not to be called (do-not-call); registrations: marketing-free numbers."
)
_FILE = typer.Argument(metavar="FILE", help="CSV in UTF-8, a number a line; columns msisdn, carrier, channel, ref.")
_COLUMNS = typer.Option(metavar="NAMES", help="Its columns, like msisdn=手机号,carrier=运营商, or by number: msisdn=1.")
_CARRIER = typer.Option(help=f"Of lines that name none: {CARRIER_NAMES}; default: all of them.")


def import_list(
    kind: Annotated[Listed, _KIND],
    file: Annotated[Path, _FILE],
    *,
    columns: Annotated[str | None, _COLUMNS] = None,
    carrier: Annotated[str | None, _CARRIER] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read the file; record nothing.")] = False,
) -> int:
    """Import numbers that may not be called, or that are marketing-free. Each is in force at once; open orders of a
    do-not-call number are cancelled.

    The file is read whole first: a line that cannot be read is named, with its column and the reason. The others, and
    those whose number and carrier are right, are taken; a file that is no list is refused as a whole. Only msisdn is
    needed. Where an import broke off, the same command again goes on: no number counts twice. Exit status 1: lines
    were refused.
    """
    with typed("--columns"):
        taken = _List(file, kind, columns_of(columns, Column), carrier_named(carrier) or "")
    if not file.is_file():
        raise typer.BadParameter("must be a file, since it is read twice", param_hint="FILE")
    digest = _digest(file)
    lines, refused = _looked_at(taken)
    facts: list[tuple[str, object]] = [("file", digest), ("kind", kind), ("lines", lines), ("refused", refused)]
    if dry_run:
        tell("nothing was recorded")
    else:
        new = _stored(taken, digest, lines, refused)
        facts += [("new", new), ("already", lines - new)]
    record(facts)
    return int(refused > 0)


class _List(NamedTuple):
    """A list to be read. named: its names of the columns · carrier: of lines that name none"""

    file: Path
    kind: Listed
    named: dict[Column, str]
    carrier: str

    def rows(self) -> Iterator[ImportedNumber | RefusedLine]:
        """Yield its rows, each as it comes: a line that is refused although its number and its carrier are right is
        both. Raises FileRefused as `rows_in` does.
        """
        usual = {Column.CARRIER: self.carrier, Column.CHANNEL: "import"}
        with self.file.open(encoding="utf-8-sig", newline="") as text:
            for found in rows_in(lines_in(text), self.named, _MAY_LACK):
                if isinstance(found, RefusedLine):
                    yield found
                    continue
                n, cells = found
                try:
                    row = usual | {column: cell for column, cell in cells.items() if cell}
                    form, error = read_refusal(ImportedNumber, row)
                    yield form
                except Malformed as unread:
                    error = unread
                if error:
                    wrong = (f"{self.named[Column(each.field)]}: {each.message}" for each in error.errors)
                    yield RefusedLine(n, "; ".join(wrong))


def _digest(file: Path) -> str:
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def _looked_at(taken: _List) -> tuple[int, int]:
    """Name the lines of a list that are refused; return how many are taken, and how many are named."""
    lines = refused = 0
    for found in Slowly().counted(taken.rows()):
        if isinstance(found, RefusedLine):
            line("refused", f"line {found.line}", found.why)
            refused += 1
        else:
            lines += 1
    with taken.file.open("rb") as raw:
        raw.seek(-1, os.SEEK_END)
        if raw.read() not in {b"\n", b"\r"}:
            tell("the last line has no end: is the file whole?")
    return lines, refused


def _stored(taken: _List, digest: str, lines: int, refused: int) -> int:
    """Store the numbers of a list; return how many are new. Raises FileRefused where it is not the one that was looked
    at, and StoreUnavailable: the same again goes on.
    """
    from consent_engine.api.http.csv_bodies import number_asked
    from consent_engine.api.routes.refusals import stored

    person, kind, slowly, done = by(), taken.kind.kind, Slowly(), 0

    def say(so_far: int) -> None:
        nonlocal done
        done = so_far
        slowly.tell(f"imported {done:,} of {lines:,} lines, {done / (monotonic() - began):,.0f} a second")

    def asked() -> Iterator[RefusalAsked]:
        for each in taken.rows():
            if not isinstance(each, RefusedLine):
                yield number_asked(each, person, kind, digest)
        if _digest(taken.file) != digest:
            raise FileRefused("the file was changed while it was imported: import it again")

    with opened() as engine:
        began = monotonic()
        try:
            return stored(engine, asked(), Import(engine.registry.now(), person, kind, digest, lines, refused), say)
        except StoreUnavailable:
            tell(f"broke off behind {done:,} numbers, which are in force: the same command again goes on")
            raise
