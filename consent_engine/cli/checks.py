"""Looks at an installation: its health and settings, its log, the calls that were dialled, an inspector's file."""

import hashlib
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from consent_engine.cli.opening import A_DAY, CARRIER_NAMES, apart, by, carrier_named, opened, real_settings, typed
from consent_engine.cli.tables import Slowly, announced, instant, line, record, table, tell
from consent_engine.config.settings import Settings, sources
from consent_engine.config.yaml_files import days_in
from consent_engine.domain.call.cdr import Column
from consent_engine.domain.csv_file import columns_of, lines_in
from consent_engine.domain.days import millis
from consent_engine.domain.msisdn import mask
from consent_engine.engine.audit import EVER
from consent_engine.engine.audit_checkpoint import Head, compared, signed_before
from consent_engine.engine.evidence import encoded
from consent_engine.engine.inspection import Asked
from consent_engine.engine.reconciliation import CdrForm, Compared
from consent_engine.engine.scribe import as_of_now
from consent_engine.engine.witnessing import said_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Log

_CDR = typer.Argument(metavar="FILE", help="A CDR file of one carrier: CSV in UTF-8, a call a line.")
_COLUMNS = typer.Option(
    metavar="NAMES", help="Its columns, like caller=calling,number=called,start=began, or by number."
)
_WITHIN = typer.Option(help="How far the exchange's clock and a desk's may lie apart.")


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
    form = _form(columns, carrier, within)
    with file.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    with (
        opened() as engine,
        file.open(encoding="utf-8-sig", newline="") as text,
        engine.reconciler.compared(Slowly().counted(lines_in(text)), form) as found,
    ):
        _show(found)
        if not dry_run:
            engine.reconciler.record(found, by(), digest, anyway=anyway)
        figures = [(each, found.count(each)) for each in ("unreported", "doubted", "refused")]
        span = ("from", instant(found.since)), ("until", instant(found.until))
        record([("file", digest), ("carrier", found.carrier), *span, ("calls", found.calls), *figures])
    if dry_run:
        tell("nothing was recorded")
    return int(any(count for name, count in figures if name != "doubted"))


def _form(columns: str | None, carrier: str | None, within: str) -> CdrForm:
    """Read the options. Raises BadParameter."""
    with typed("--columns"):
        named = columns_of(columns, Column)
    return CdrForm(named, carrier_named(carrier), apart(within))


def _show(found: Compared) -> None:
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
    settings = real_settings("nothing of a shadow is for an inspector: ask the real installation")
    days = days_in(settings.time_zone)
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


_ALL = typer.Option("--all", help="Check every record, and replay the whole log; else the newest and those due.")
_MEND = typer.Option("--mend", help="Put back what is surely missing: dues, timers, readers, refusals.")


def doctor(
    everything: Annotated[bool, _ALL] = False,  # noqa: FBT002
    mend: Annotated[bool, _MEND] = False,  # noqa: FBT002
) -> int:
    """Look at settings, server, clocks, workers, stuck work, plans and records. Exit status 1: something is bad."""
    from consent_engine.doctor import Level, Wanted, examine

    loaded = Settings.load()
    with announced("still looking: each server has some seconds to answer"):
        findings = list(examine(loaded, Wanted(all=everything, mend=mend), tell))
    table(("", "found", "do"), [(each.level, each.what, each.do) for each in findings])
    return int(any(each.level is Level.BAD for each in findings))


def settings() -> None:
    """Show every setting: its value, secrets hidden, and its source."""
    table(("setting", "value", "from"), list(sources(Settings.load())))


_SINCE = typer.Option(
    help="Only entries sealed from this instant on, like 2025-11-25T10:00:00+08:00. It ends without a checkpoint.",
    metavar="T",
)
_UNTIL = typer.Option(help="Only entries sealed before this instant.", metavar="T")


_KNOWN = typer.Option(help="What an earlier audit ended with: the log must still begin with it.", metavar="CHECKPOINT")


def audit(
    since: Annotated[str, _SINCE] = "", until: Annotated[str, _UNTIL] = "", checkpoint: Annotated[str, _KNOWN] = ""
) -> int:
    """Replay the log against the stored records, and name those dropped or rewritten. Exit status 1: there are some.

    A person who can write to Redis and to the archive can shorten the log with all that goes by it, unseen from
    here: keep the checkpoint that an audit ends with where nobody of the installation can change it. What was committed
    before is brought to the log first.
    """
    from consent_engine.doctor.records import audit as looked
    from consent_engine.doctor.rules import RULES

    between = millis_of(since, "--since", 0), millis_of(until, "--until", EVER[1])
    if between[1] <= between[0]:
        raise typer.BadParameter("must be after --since", param_hint="--until")
    known = _known(checkpoint)
    settings = Settings.load()
    with opened() as engine:
        with suppress(BrokenRecord):  # of the log's count, which the audit names
            as_of_now(engine.store)
        before = settings.retention().records_before(engine.registry.now())
        found = looked(engine.store, before, between, Slowly().tell, engine.registry.catalogue)
        now, differs = "", list[tuple[str, str]]()
        if engine.store.log is not None and (known or not between[0]):
            now, differs = _published(settings, engine.store.log, known)
    rows, log = [*found.wrong, *differs], found.log
    summary = f"{log.entries:,} entries of {log.records:,} records looked at, {found.expired:,} of them past retention"
    kept = [("checkpoint", now)] if now else []
    table(("record", "found"), [*rows, ("log", f"{summary}; {len(rows):,} wrong"), *kept])
    for rule in (RULES[name] for name, breaks in found.found.items() if breaks):
        tell(f"{rule.what}: {rule.do}")
    return int(bool(rows))


def _published(settings: Settings, log: Log, known: Head | None) -> tuple[str, list[tuple[str, str]]]:
    """Return the log's checkpoint, and how the log differs from what was published and signed of it."""
    from consent_engine.wiring import log_as_kept

    folder, keys = log_as_kept(settings)
    kept, wrong = None, list[tuple[str, str]]()
    try:
        kept = folder.kept()
    except (BrokenRecord, OSError) as error:
        wrong.append(("checkpoint", str(error)))
    try:
        signed, changed = signed_before(log.public, kept, keys)
        now, differs = compared(log, known, signed)
        wrong += [*changed, *differs, *((each.witness, said_of(each)) for each in log.public.misgivings())]
    except BrokenRecord as error:
        return "", [*wrong, ("log", str(error))]
    return str(now), wrong


def _known(text: str) -> Head | None:

    with typed("--checkpoint", "must be what an earlier audit ended with"):
        return Head.read(text) if text else None


def millis_of(text: str, option: str, otherwise: int) -> int:
    """Read an instant that was typed; `otherwise` where there is none. Raises BadParameter, which names the option."""
    if not text:
        return otherwise
    with typed(option, "an instant like 2025-11-25T10:00:00+08:00"):
        at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise typer.BadParameter("an instant with its offset, like 2025-11-25T10:00:00+08:00", param_hint=option)
    return millis(at)
