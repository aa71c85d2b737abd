"""`consent doctor`: what is wrong with this installation, and what to type; `consent archive`: what it keeps."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: see commands.py

import sys
from typing import Annotated

import typer

from consent_engine.cli.slowly import Slowly
from consent_engine.cli.tables import record, table

_BRIEF = typer.Option("--brief", help="Leave the settings out.")
_ALL = typer.Option("--all", help="Look at every record, not only the newest and what is due.")
_MEND = typer.Option("--mend", help="Put back what is surely missing: dues of pending effects, timers, readers.")


def doctor(
    brief: Annotated[bool, _BRIEF] = False,  # noqa: FBT002
    everything: Annotated[bool, _ALL] = False,  # noqa: FBT002
    mend: Annotated[bool, _MEND] = False,  # noqa: FBT002
) -> int:
    """Look at settings, server, clocks, workers, stuck work, plans and records. Exit status 1: see to it."""
    from consent_engine.config.settings import Settings
    from consent_engine.doctor import Level, Wanted, examine, sources

    loaded = Settings.load()
    if not brief:
        table(("setting", "value", "from"), list(sources(loaded)))
    findings = list(examine(loaded, Wanted(all=everything, mend=mend), _tell))
    table(("", "found", "do"), [(each.level, each.what, each.do) for each in findings])
    return int(any(each.level is Level.BAD for each in findings))


_EXPIRE = typer.Option("--expire", help="Delete what must not be kept any longer. Whoever archives does so, too.")
_ADOPT = typer.Option(
    "--adopt", help="The archive these data belonged to is lost for good: from now on they belong to the one named."
)
_FROM = typer.Option(
    "--from", help="With --adopt: the installation that the archive belongs to, which is gone for good.", metavar="NAME"
)
_SPREAD = typer.Option(help="Over how long a large stock is moved, like 90s or 2h.")


def archive(
    expire: Annotated[bool, _EXPIRE] = False,  # noqa: FBT002
    adopt: Annotated[bool, _ADOPT] = False,  # noqa: FBT002
    instead_of: Annotated[str, _FROM] = "",
    spread: Annotated[str, _SPREAD] = "10m",
) -> None:
    """Ask settled orders from before there was an archive to move there; workers move them."""
    from consent_engine.cli.opening import opened
    from consent_engine.config.durations import duration
    from consent_engine.errors import SettingsError

    try:
        seconds = duration(spread).total_seconds()
    except (ValueError, SettingsError):
        raise typer.BadParameter("a duration like 90s or 2h", param_hint="--spread") from None
    if expire and adopt:
        raise typer.BadParameter("one thing at a time", param_hint="--adopt")
    if instead_of and not adopt:
        raise typer.BadParameter("goes with --adopt", param_hint="--from")
    slowly = Slowly()
    with opened() as engine:
        if adopt:
            record([("these data belong to the archive", engine.archive.adopt(instead_of))])
        elif expire:
            done = engine.archive.expire(
                lambda sofar: slowly.tell(f"so far: person parts {sofar.persons:,}, orders {sofar.orders:,}")
            )
            record([("person parts deleted", done.persons), ("orders deleted", done.orders)])
        else:
            asked = engine.archive.move_settled(seconds, lambda far: slowly.tell(f"looked at {far.looked_at:,} orders"))
            record([("orders looked at", asked.looked_at), ("asked to move", asked.asked)])


def _tell(what: str) -> None:
    sys.stderr.write(f"{what}\n")
