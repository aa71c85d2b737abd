"""`consent audit`: replays the log against the stored records."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import opened, typed
from consent_engine.cli.tables import Slowly, table, tell
from consent_engine.domain.days import millis
from consent_engine.errors import BrokenRecord

if TYPE_CHECKING:
    from consent_engine.config.settings import Settings
    from consent_engine.engine.audit import Audited
    from consent_engine.engine.audit_checkpoint import Head
    from consent_engine.ports import Log

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
    from consent_engine.config.settings import Settings
    from consent_engine.engine.audit import EVER
    from consent_engine.engine.audit import audit as looked
    from consent_engine.engine.scribe import as_of_now

    between = millis_of(since, "--since", 0), millis_of(until, "--until", EVER[1])
    if between[1] <= between[0]:
        raise typer.BadParameter("must be after --since", param_hint="--until")
    known = _known(checkpoint)
    settings = Settings.load()
    retention, say = settings.retention(), Slowly().tell
    with opened() as engine:
        with suppress(BrokenRecord):  # of the log's count, which the audit names
            as_of_now(engine.store)
        before = retention.records_before(engine.registry.now())
        plans = engine.registry.catalogue
        found = looked(engine.store, before, between, lambda far: say(f"looked at {far.entries:,} entries"), plans)
        now, differs = "", list[tuple[str, str]]()
        if engine.store.log is not None and (known or not between[0]):
            now, differs = _published(settings, engine.store.log, known)
    rows = [*found.wrong, *differs]
    summary = (
        f"{found.entries:,} entries of {found.records:,} records looked at, {found.expired:,} of them past retention"
    )
    kept = [("checkpoint", now)] if now else []
    table(("record", "found"), [*rows, ("log", f"{summary}; {len(rows):,} wrong"), *kept])
    _say_what_to_do(found)
    return int(bool(rows))


def _say_what_to_do(found: "Audited") -> None:
    from consent_engine.doctor.rules import RULES

    for damage in dict.fromkeys(fault.damage for fault in found.faults):
        tell(f"{RULES[damage].what}: {RULES[damage].do}")


def _published(settings: "Settings", log: "Log", known: "Head | None") -> tuple[str, list[tuple[str, str]]]:
    """Return the log's checkpoint, and how the log differs from what was published and signed of it."""
    from consent_engine.engine.audit_checkpoint import compared, signed_before
    from consent_engine.engine.witnessing import said_of
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


def _known(text: str) -> "Head | None":
    from consent_engine.engine.audit_checkpoint import Head

    with typed("--checkpoint", "must be what an earlier audit ended with"):
        return Head.read(text) if text else None


def millis_of(text: str, option: str, otherwise: int) -> int:
    """Read an instant that was typed; `otherwise` where there is none. Raises BadParameter, which names the option."""
    from datetime import datetime

    if not text:
        return otherwise
    with typed(option, "an instant like 2025-11-25T10:00:00+08:00"):
        at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise typer.BadParameter("an instant with its offset, like 2025-11-25T10:00:00+08:00", param_hint=option)
    return millis(at)
