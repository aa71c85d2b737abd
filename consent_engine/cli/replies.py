"""`consent read`: the meaning of replies. Needs no server."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from consent_engine.cli.tables import line, manner, out
from consent_engine.domain.grammar import read as meaning


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
