"""All commands by name. Each imports what it needs when it runs, so that `consent read` starts at once."""

from collections.abc import Callable
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


_GROUPS = {
    "keys": keys.app, "plans": plans.app, "log": log.app, "feeds": feeds.app, "gateway": outside.gateway,
    "bss": outside.bss, "shadow": shadow.app, "reviews": calls.reviews,
}  # fmt: skip
_COMMANDS: dict[str, Callable[..., object]] = {
    "demo": running.demo, "serve": running.serve, "api": running.api, "show": ops.show, "stuck": ops.stuck,
    "void": ops.void, "retry": ops.retry, "ask-again": ops.ask_again, "export": ops.export, "refuse": ops.refuse,
    "callable": ops.may_be_called, "import": imports.import_list, "permits": calls.permits, "held": held.held,
    "pause": pauses.pause, "resume": pauses.resume, "paused": pauses.paused, "gateways": pauses.gateways,
    "calls": calls.list_calls, "violations": calls.violations, "reports": calls.reports, "doctor": checks.doctor,
    "settings": checks.settings, "audit": checks.audit, "evidence": persons.evidence, "verify": persons.verify,
    "receipt": persons.receipt, "reconcile": checks.reconcile, "inspect": checks.inspect, "erase": persons.erase,
    "rekey": persons.rekey, "backup": backup.make, "restore": backup.restore, "rebuild": backup.rebuild,
}  # fmt: skip
for _name, _group in _GROUPS.items():
    app.add_typer(_group, name=_name)
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
# A reply may begin with a dash, and is no option then.
app.command(context_settings={"ignore_unknown_options": True})(ops.read)
