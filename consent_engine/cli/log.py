"""`consent log`: the public log, its keys, and a new one in place of a log that cannot go on."""

from typing import Annotated

import typer

from consent_engine.cli.opening import opened, typed
from consent_engine.cli.tables import instant, line, table
from consent_engine.config.data_folder import keep_log_key
from consent_engine.config.settings import Settings
from consent_engine.domain.log.checkpoint import PrivateKey, Signer
from consent_engine.errors import ArchiveUnavailable

app = typer.Typer(help="The public log: what is signed of it, its keys.", invoke_without_command=True)
RESTART = "restart APIs and workers: they sign with it from then on"


@app.callback()
def show(context: typer.Context) -> None:
    """Show how far the log is signed, by which keys and witnesses, and where its files are."""
    if context.invoked_subcommand is not None:
        return
    from consent_engine.wiring import log_as_kept

    settings = Settings.load()
    folder, keys = log_as_kept(settings)
    rows: list[tuple[str, object]] = []
    with opened() as engine:
        if (log := engine.store.log) is not None and (newest := log.public.newest()) is not None:
            rows = [
                ("name", newest.checkpoint.origin), ("entries", log.ends()[1]), ("signed", newest.checkpoint.size),
                ("at", instant(newest.at)), ("cosigned", f"{newest.cosigned} of {len(settings.witnesses or ())}"),
                *(("followed by", note.text.splitlines()[-1]) for note in log.public.rotations()),
            ]  # fmt: skip
    rows += [*(("key", str(each)) for each in keys), ("folder", str(folder.path))]
    table(("log", ""), rows)


@app.command()
def rotate() -> None:
    """Make a new key. The former one signs beside it, and both say that it follows, until its line is taken out.
    Without an archive there is no log: ArchiveUnavailable.
    """
    from consent_engine.wiring import log_keys

    settings = Settings.load()
    with opened() as engine:
        log, archive = engine.store.log, engine.store.archive
        if log is None or archive is None:
            raise ArchiveUnavailable("there is no log here")
        keys = log_keys(settings, log.public, archive.id())
        _keep(settings, PrivateKey.made(keys.name), *keys.signers)


@app.command("key")
def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The log's name: where it is served, without https://.")],
) -> None:
    """Print a new key for CONSENT_LOG_KEY, where several machines publish one log. It is kept nowhere here."""
    with typed("NAME"):
        line(str(PrivateKey.made(name)))


@app.command()
def anew(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The present log's name, as consent log shows it.")],
) -> None:
    """Begin a new log, with a key and a name of its own, of all entries that SQL has.

    For a log that cannot go on: its key is lost, or SQL had to be restored from an older copy. Whoever watches it sees
    that it ended, and another one beside it: nothing is hidden. Its last checkpoint is kept.
    """
    from consent_engine.wiring import log_as_kept

    settings = Settings.load()
    folder, _ = log_as_kept(settings)
    with opened() as engine:
        if engine.store.log is None or (public := engine.store.log.public).named() != name:
            raise typer.BadParameter("the log has another name: see consent log", param_hint="NAME")
        base, slash, count = name.rpartition("/")
        again = f"{base}/{int(count) + 1}" if slash and count.isdecimal() else f"{name}/2"
        public.named(again, anew=True)
        _keep(settings, PrivateKey.made(again))
        if (aside := folder.put_aside()) is not None:
            line(f"the last checkpoint of {name} is kept: {aside}")


def _keep(settings: Settings, made: PrivateKey, *before: Signer) -> None:
    """Keep a new key, before those that sign beside it, where the settings have the log's keys."""
    keys = [str(made), *map(str, before)]
    if settings.log_key is not None:
        line(f"set CONSENT_LOG_KEY to this, shown this once, and {RESTART}: {' '.join(keys)}")
        return
    keep_log_key(settings.data_dir, "\n".join(keys))
    line(f"{made.key}: {RESTART}")
