"""`consent doctor`: what is wrong with this installation, and what to type."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: see commands.py

from typing import Annotated

import typer

from consent_engine.cli.tables import table


def doctor(
    brief: Annotated[bool, typer.Option("--brief", help="Leave the settings out.")] = False,  # noqa: FBT002
) -> int:
    """Look at settings, server, clocks, workers, stuck work, plans and the newest records. Exit status 1: see to it."""
    from consent_engine.doctor import Level, examine, sources
    from consent_engine.settings import Settings
    from consent_engine.wiring import installation

    loaded = Settings.load()
    if not brief:
        table(("setting", "value", "from"), list(sources(loaded)))
    with installation(loaded, stocked=False) as found:
        findings = list(examine(found))
    table(("", "found", "do"), [(each.level, each.what, each.do) for each in findings])
    return int(any(each.level is Level.BAD for each in findings))
