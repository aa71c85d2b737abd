"""`consent reconcile`, calls dialled against calls reported, and `consent inspect`, an inspector's signed file."""

import hashlib
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import A_DAY, CARRIER_NAMES, by, carrier_named, opened, typed
from consent_engine.cli.tables import Slowly, instant, line, record, tell
from consent_engine.domain.msisdn import mask

if TYPE_CHECKING:
    from consent_engine.engine.reconciliation import CdrForm, Compared

_CDR = typer.Argument(metavar="FILE", help="A CDR file of one carrier: CSV in UTF-8, a call a line.")
_COLUMNS = typer.Option(
    metavar="NAMES", help="Its columns, like caller=calling,number=called,start=began, or by number."
)
_WITHIN = typer.Option(help="How far the exchange's clock and a desk's may lie apart.")
LONGEST_APART = timedelta(hours=1)


def reconcile(
    file: Annotated[Path, _CDR],
    *,
    columns: Annotated[str | None, _COLUMNS] = None,
    carrier: Annotated[str | None, typer.Option(help=f"{CARRIER_NAMES}; else by the official number.")] = None,
    within: Annotated[str, _WITHIN] = "2m",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare; record nothing.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Record them though not one call was reported.")] = False,
) -> int:
    """Compare the calls that were dialled, from a CDR file, with those that desks reported.

    A call dialled and never reported is recorded, with the violation `unreported`; one reported and never dialled is a
    doubt; a line that is no call is refused, with the reason. Look at --dry-run first. The same file again records
    nothing twice. Exit status 1: there are unreported calls, or lines that were refused.
    """
    from consent_engine.domain.csv_file import lines_in

    form, say = _form(columns, carrier, within), Slowly().tell
    with file.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    with opened() as engine, file.open(encoding="utf-8-sig", newline="") as text:
        read = (each for n, each in enumerate(lines_in(text), 1) if say(f"read {n:,} lines") is None)
        with engine.reconciler.compared(read, form) as found:
            _show(found)
            if not dry_run:
                engine.reconciler.record(found, by(), digest, anyway=anyway)
            figures = [(each, found.count(each)) for each in ("unreported", "doubted", "refused")]
            span = ("from", instant(found.since)), ("until", instant(found.until))
            record([("file", digest), ("carrier", found.carrier), *span, ("calls", found.calls), *figures])
    if dry_run:
        tell("nothing was recorded")
    return int(any(count for name, count in figures if name != "doubted"))


def _form(columns: str | None, carrier: str | None, within: str) -> "CdrForm":
    """Read the options. Raises BadParameter."""
    from consent_engine.config.values import duration, millis
    from consent_engine.domain.call.cdr import Column
    from consent_engine.domain.csv_file import columns_of
    from consent_engine.engine.reconciliation import CdrForm

    with typed("--within"):
        apart = millis(duration(within, LONGEST_APART))
    with typed("--columns"):
        named = columns_of(columns, Column)
    return CdrForm(named, carrier_named(carrier), apart)


def _show(found: "Compared") -> None:
    """Print what was found, a line each."""
    for refused in found.refused():
        line("refused", f"line {refused.line}", refused.why)
    for call in found.unreported():
        line("unreported", f"line {call.line}", instant(call.at), call.caller, mask(call.msisdn))
    for at, name in found.doubted():
        line("doubted", name, instant(at))


def inspect(
    *,
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day, like 2025-08-01.")],
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The last day.")],
    seed: Annotated[str, typer.Option(help="The inspector's own words: the same seed draws the same calls.")],
    sample: Annotated[int, typer.Option(min=0, max=10_000, help="How many calls are drawn.")] = 100,
) -> None:
    """Write a period for an inspector to standard output, signed: consent inspect --from D --until D --seed S > FILE.

    Figures, coverage, violations, complaints, CDR files compared, orders whose evidence is incomplete, and calls drawn
    by the seed with their proof in the log. It has no number and no word of a subscriber. `consent verify FILE` checks
    it.
    """
    from consent_engine.config.settings import Settings
    from consent_engine.config.yaml_files import days_in
    from consent_engine.engine.evidence import encoded
    from consent_engine.engine.inspection import Asked

    days = days_in(Settings.load().time_zone)
    with typed("--from", A_DAY):
        first = days.begins(since)
    with typed("--until", A_DAY):
        last = days.ends(until)
    if last < first:
        raise typer.BadParameter("must not be before --from", param_hint="--until")
    with opened() as engine:
        made = encoded(engine.inspections.file(Asked(first, last, seed, sample), by()))
    sys.stdout.flush()
    sys.stdout.buffer.write(made + b"\n")
