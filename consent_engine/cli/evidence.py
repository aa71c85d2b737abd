"""`consent evidence`, the proof of one order as a file, and `consent verify`, its check: it needs no installation."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from consent_engine.cli.opening import by, opened
from consent_engine.cli.tables import table, tell

_ORDER = typer.Argument(metavar="ORDER", help="The order's id.")
_FILE = typer.Argument(metavar="FILE", help="An evidence or inspection file.")
_TRUST = typer.Option(
    metavar="KEYS", help="A file of verifier keys, one a line, and certificates: one of them must have signed."
)


def evidence(order: Annotated[str, _ORDER]) -> None:
    """Write the evidence of an order to standard output: consent evidence ORDER > FILE. It has the subscriber's number
    and words: that it was made, and by whom, is recorded first, as when a number is revealed.
    """
    from consent_engine.engine.evidence import encoded
    from consent_engine.engine.scribe import as_of_now

    with opened() as engine:
        engine.evidence.note(engine.show(order), by(), "cli")
        as_of_now(engine.store)
        made = encoded(engine.evidence.file(order, by()))
    sys.stdout.flush()
    sys.stdout.buffer.write(made + b"\n")
    tell("has the subscriber's number and words: keep it where nobody reads it who need not")


def verify(file: Annotated[Path, _FILE], trust: Annotated[Path | None, _TRUST] = None) -> int:
    """Check an evidence or inspection file, with nothing but the file. Exit status 0: sound; 1: broken, and the first
    broken link is named; 2: neither of them. The file consent_engine/verify.py does the same by itself, anywhere.
    """
    from consent_engine.verify import report

    status, rows = report(str(file), str(trust) if trust else None)
    table(("", "found"), rows)
    return status
