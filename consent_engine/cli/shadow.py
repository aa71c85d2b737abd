"""`consent shadow`: what a shadow would have done otherwise, and the refusals that it leaves behind."""

from pathlib import Path
from typing import Annotated

import typer

from consent_engine.cli.imports import Listed
from consent_engine.cli.opening import apart, by, opened, sound_reason, typed
from consent_engine.cli.tables import Slowly, instant, line, out, record, table, tell
from consent_engine.domain.csv_file import FileRefused, columns_of, lines_in
from consent_engine.domain.msisdn import hidden, mask
from consent_engine.engine.shadow import Column, Comparison

DIFFERS, BAD_INPUT = 1, 2
app = typer.Typer(help="A shadow (CONSENT_SHADOW=true): compare it with the present system, take its refusals along.")

_FILE = typer.Argument(metavar="FILE", help="What the present system did: CSV in UTF-8, a sale a line.")
_COLUMNS = typer.Option(
    metavar="NAMES",
    help="Its columns, like msisdn=手机号,at=同意时间, or by number: msisdn, at, carrier, plan, asked, answer, "
    "activated, notified.",
)
_WITHIN = typer.Option(help="How far the instants of one sale may lie apart.")


@app.command()
def compare(
    file: Annotated[Path, _FILE],
    *,
    columns: Annotated[str | None, _COLUMNS] = None,
    within: Annotated[str, _WITHIN] = "2m",
) -> int:
    """Say where this engine would have done otherwise than the present system: first how often, then each difference.

    A sale is found by number, plan and instant (`at`: when the subscriber agreed). Only msisdn and at are needed; what
    has no column is not compared. Nothing is recorded. Exit status 1: there are differences; 2: the file, or a line of
    it, cannot be read.
    """
    with typed("--columns"):
        named = columns_of(columns, Column)
    with file.open(encoding="utf-8-sig", newline="") as text, opened() as engine:
        try:
            with engine.shadow.compared(Slowly().counted(lines_in(text)), named, apart(within)) as found:
                return _shown(found)
        except FileRefused as error:
            raise typer.BadParameter(str(error), param_hint="FILE") from None


def _shown(found: Comparison) -> int:
    """Print what was found; return the exit status."""
    head = ("", "compared", "same", "only theirs", "only ours", "read otherwise")
    table(head, found.counts)
    record([("orders here", found.orders), ("not settled yet", found.open)])
    for each in found.differences():
        at = f"line {each.line}" if each.line else "no line"
        said = f"theirs: {each.theirs}", f"ours: {each.ours}", each.because or "no order here"
        line(each.what, at, instant(each.at), mask(each.msisdn), hidden(each.plan) or "-", *said)
    bad = 0
    for bad, refused in enumerate(found.refused(), 1):  # noqa: B007 - the last is how many
        line("refused", f"line {refused.line}", refused.why)
    if bad:
        return BAD_INPUT
    return DIFFERS if any(each.compared != each.same for each in found.counts) else 0


@app.command()
def restrictions(
    kind: Annotated[Listed, typer.Argument(metavar="KIND", help="refusals or registrations, as `consent import`.")],
    reason: Annotated[str, typer.Option(help="Why the numbers must be seen; kept with the export.")],
) -> None:
    """Write the numbers that may not be called, or are marketing-free, as the CSV that `consent import KIND` reads:
    consent shadow restrictions refusals --reason TEXT > FILE. It is one reveal, which stands on /audit.
    """
    why, many = sound_reason(reason), 0
    with opened() as engine:
        out("msisdn,carrier\n")
        for many, row in enumerate(engine.shadow.standing(kind.kind, by(), why), 1):  # noqa: B007
            out(",".join(row) + "\n")
    tell(f"{many} numbers: keep them where nobody reads them who need not")
