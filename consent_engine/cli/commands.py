"""All commands by name. Each imports what it needs when it runs, so that `consent read` starts at once."""

from typing import Annotated

import typer

from consent_engine import __version__
from consent_engine.cli import (
    backup,
    calls,
    checks,
    feeds,
    held,
    imports,
    keys,
    log,
    ops,
    outside,
    pauses,
    persons,
    plans,
    running,
    shadow,
)
from consent_engine.cli.tables import record

app = typer.Typer(
    name="consent",
    help="SMS double opt-in for telephone sales: no consent, no service. With --json every command prints JSON; "
    "lists say on standard error as of when they are.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - Typer gives a callback its value so
    if asked:
        record([("version", __version__)])
        raise typer.Exit


_VERSION = typer.Option("--version", help="Print the version, which names its commit.", callback=_print_version)


@app.callback()
def consent(*, version: Annotated[bool, _VERSION] = False) -> None:
    """What concerns no command."""


app.command()(running.demo)
app.command()(running.serve)
app.command()(running.api)
app.add_typer(keys.app, name="keys")
app.add_typer(plans.app, name="plans")
app.add_typer(log.app, name="log")
app.add_typer(feeds.app, name="feeds")
app.add_typer(outside.gateway, name="gateway")
app.add_typer(outside.bss, name="bss")
app.add_typer(shadow.app, name="shadow")
app.command()(ops.show)
app.command()(ops.stuck)
app.command()(ops.void)
app.command()(ops.retry)
app.command("ask-again")(ops.ask_again)
app.command()(ops.export)
app.command()(ops.refuse)
app.command("callable")(ops.may_be_called)
app.command("import")(imports.import_list)
app.command()(calls.permits)
app.command()(held.held)
app.command()(pauses.pause)
app.command()(pauses.resume)
app.command()(pauses.paused)
app.command()(pauses.gateways)
app.command("calls")(calls.list_calls)
app.command()(calls.violations)
app.command()(calls.reports)
app.add_typer(calls.reviews, name="reviews")
app.command()(checks.doctor)
app.command()(checks.settings)
app.command()(checks.audit)
app.command()(persons.evidence)
app.command()(persons.verify)
app.command()(persons.receipt)
app.command()(checks.reconcile)
app.command("inspect")(checks.inspect)
app.command()(persons.erase)
app.command("backup")(backup.make)
app.command("restore")(backup.restore)
app.command()(backup.rebuild)
# A reply may begin with a dash, and is no option then.
app.command(context_settings={"ignore_unknown_options": True})(ops.read)
