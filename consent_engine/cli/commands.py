"""All commands by name. The file of each is imported when it is typed, so that `consent read` starts at once."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated

import typer

from consent_engine import __version__
from consent_engine.cli.tables import record


def _print_version(asked: bool) -> None:  # noqa: FBT001 - Typer gives a callback its value so
    if asked:
        record([("version", __version__)])
        raise typer.Exit


_VERSION = typer.Option("--version", help="Print the version, which names its commit.", callback=_print_version)


def consent(*, version: Annotated[bool, _VERSION] = False) -> None:
    """What concerns no command."""


COMMANDS: Mapping[str, str] = {
    "demo": "running.demo", "serve": "running.serve", "api": "running.api", "show": "ops.show", "stuck": "ops.stuck",
    "void": "ops.void", "retry": "ops.retry", "ask-again": "ops.ask_again", "export": "ops.export",
    "refuse": "ops.refuse", "callable": "ops.may_be_called", "import": "imports.import_list",
    "permits": "calls.permits", "held": "held.held", "pause": "pauses.pause", "resume": "pauses.resume",
    "paused": "pauses.paused", "gateways": "pauses.gateways", "calls": "calls.list_calls",
    "violations": "calls.violations", "reports": "calls.reports", "doctor": "checks.doctor",
    "settings": "checks.settings", "audit": "checks.audit", "evidence": "persons.evidence", "verify": "alone.verify",
    "receipt": "persons.receipt", "reconcile": "checks.reconcile", "inspect": "checks.inspect",
    "erase": "persons.erase", "rekey": "persons.rekey", "backup": "backup.make", "restore": "backup.restore",
    "rebuild": "backup.rebuild", "read": "alone.read", "keys": "keys.app", "plans": "plans.app", "log": "log.app",
    "feeds": "feeds.app", "gateway": "outside.gateway", "bss": "outside.bss", "shadow": "shadow.app",
    "reviews": "calls.reviews",
}  # fmt: skip
"""The commands, then their groups: file and function of each."""


def app(typed: Sequence[str] = ()) -> typer.Typer:
    """Make the program with the command that was typed; with all where none was, or one that there is not."""
    made = typer.Typer(
        name="consent",
        help="SMS double opt-in for telephone sales: no consent, no service. With --json every command prints JSON; "
        "lists say on standard error as of when they are.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback()(consent)
    first = next((each for each in typed if not each.startswith("-")), "")
    for name in [first] if first in COMMANDS else COMMANDS:
        file, function = COMMANDS[name].split(".")
        found = getattr(import_module(f"{__package__}.{file}"), function)
        if isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:  # a reply may begin with a dash, and is no option then
            made.command(name, context_settings={"ignore_unknown_options": name == "read"})(found)
    return made
