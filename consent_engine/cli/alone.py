"""`consent read`, the meaning of replies, and `consent verify`, the check of a file: both need no installation."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from consent_engine.cli.tables import line, manner, out, table
from consent_engine.domain.grammar import read as meaning
from consent_engine.verify import report

_FILE = typer.Argument(metavar="FILE", help="An evidence or inspection file.")
_TRUST = typer.Option(
    metavar="KEYS", help="A file of verifier keys, one a line, and certificates: one of them must have signed."
)


def verify(file: Annotated[Path, _FILE], trust: Annotated[Path | None, _TRUST] = None) -> int:
    """Check an evidence or inspection file, with nothing but the file. Exit status 0: sound; 1: broken, and the first
    broken link is named; 2: neither of them, or newer than this verifier. The file consent_engine/verify.py does the
    same by itself, anywhere.
    """
    status, rows = report(str(file), str(trust) if trust else None)
    table(("", "found"), rows)
    return status


def read(
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Replies; else lines of input.")] = None,
) -> None:
    """Tell what replies mean: YES, NO, STOP, HELP, WITHDRAW, HOLD or UNKNOWN, a tab, and the code in it or -."""
    for text in texts or _lines():
        found = meaning(text)
        if manner().as_json:
            line(found.keyword, found.code or "-")
        else:
            out(f"{found.keyword}\t{found.code or '-'}\n")
        if sys.stdout.isatty():
            sys.stdout.flush()


def _lines() -> Iterator[str]:
    """Yield the lines of standard input, empty ones too. Bytes that are not UTF-8 become U+FFFD."""
    for raw in sys.stdin.buffer:
        yield raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
