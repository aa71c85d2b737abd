"""`consent doctor`: problems of this installation, each with a remedy; `consent settings`: values and their sources."""

from typing import Annotated

import typer

from consent_engine.cli.tables import announced, table, tell

_ALL = typer.Option("--all", help="Check every record, and replay the whole log; else the newest and those due.")
_MEND = typer.Option("--mend", help="Put back what is surely missing: dues, timers, readers, refusals.")


def doctor(
    everything: Annotated[bool, _ALL] = False,  # noqa: FBT002
    mend: Annotated[bool, _MEND] = False,  # noqa: FBT002
) -> int:
    """Look at settings, server, clocks, workers, stuck work, plans and records. Exit status 1: something is bad."""
    from consent_engine.config.settings import Settings
    from consent_engine.doctor import Level, Wanted, examine

    loaded = Settings.load()
    with announced("still looking: each server has some seconds to answer"):
        findings = list(examine(loaded, Wanted(all=everything, mend=mend), tell))
    table(("", "found", "do"), [(each.level, each.what, each.do) for each in findings])
    return int(any(each.level is Level.BAD for each in findings))


def settings() -> None:
    """Show every setting: its value, secrets hidden, and its source."""
    from consent_engine.config.settings import Settings, sources

    table(("setting", "value", "from"), list(sources(Settings.load())))
