"""`consent archive`: moves settled orders to the archive, expires, adopts and copies it."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import opened
from consent_engine.cli.slowly import Slowly
from consent_engine.cli.tables import record, table, tell
from consent_engine.errors import SettingsError

if TYPE_CHECKING:
    from consent_engine.adapters.sql.archive import SqlArchive
    from consent_engine.engine.engine import Engine

app = typer.Typer()

_EXPIRE = typer.Option("--expire", help="Delete data past their retention. Workers that archive do so, too.")
_ADOPT = typer.Option(
    "--adopt", help="Their archive is lost for good: bind these data to the archive of CONSENT_ARCHIVE_URL."
)
_FROM = typer.Option(
    "--from", help="With --adopt: the installation that the archive belongs to, which is gone for good.", metavar="NAME"
)
_SPREAD = typer.Option(help="Over how long a large stock is moved, like 90s or 2h.")


@app.callback(invoke_without_command=True)
def archive(
    context: typer.Context,
    expire: Annotated[bool, _EXPIRE] = False,  # noqa: FBT002
    adopt: Annotated[bool, _ADOPT] = False,  # noqa: FBT002
    instead_of: Annotated[str, _FROM] = "",
    spread: Annotated[str, _SPREAD] = "10m",
) -> None:
    """Ask for settled orders from before there was an archive to be moved there; workers move them."""
    from consent_engine.config.durations import duration

    if context.invoked_subcommand:
        return
    try:
        seconds = duration(spread).total_seconds()
    except (ValueError, SettingsError):
        raise typer.BadParameter("a duration like 90s or 2h", param_hint="--spread") from None
    if expire and adopt:
        raise typer.BadParameter("cannot be combined with --expire", param_hint="--adopt")
    if instead_of and not adopt:
        raise typer.BadParameter("needs --adopt", param_hint="--from")
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


_OTHER = typer.Option(
    "--from", envvar="CONSENT_MERGE_FROM", help="The other archive, like sqlite:////path/archive.sqlite3."
)


@app.command()
def merge(other: Annotated[str, _OTHER]) -> int:
    """Bring in what another archive of these data took, as between --adopt and going back. Exit status 1: not all."""
    from consent_engine.adapters.sql.archive import SqlArchive
    from consent_engine.adapters.sql.merge_archive import ArchiveMerge

    with opened() as engine, closing(SqlArchive(other, named_by="--from")) as source:
        found = ArchiveMerge(source, _own(engine), Slowly().tell).run()
    record([("records merged", found.records), ("entries of the log merged", found.entries)])
    for each in found.other:
        tell(f"{each} is not merged: the archive has another record, or another history, under this id")
    return int(bool(found.other))


def _own(engine: "Engine") -> "SqlArchive":
    from consent_engine.adapters.sql.archive import SqlArchive

    archive = engine.store.ours()
    if not isinstance(archive, SqlArchive):
        raise SettingsError("CONSENT_ARCHIVE_URL: these data have no archive to merge into")
    return archive


_TO = typer.Option("--to", envvar="CONSENT_COPY_TO", help="An empty PostgreSQL database, like postgresql://HOST/NAME.")


@app.command()
def copy(to: Annotated[str, _TO]) -> None:
    """Copy the SQLite archive into a PostgreSQL database while everything works. If it dies, type it again."""
    from sqlalchemy.engine import make_url

    from consent_engine.adapters.sql.archive import AWAY, SqlArchive
    from consent_engine.adapters.sql.copy_archive import ArchiveCopy
    from consent_engine.config.settings import Settings
    from consent_engine.wiring import archive_of

    settings = Settings.load()
    if make_url(settings.archive_address()).get_backend_name() != "sqlite":
        raise typer.BadParameter("the archive in use is not a SQLite file: use pg_dump", param_hint="--to")
    if not to.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
        raise typer.BadParameter("an address like postgresql://HOST/NAME", param_hint="--to")
    with closing(archive_of(settings)) as source, closing(SqlArchive(to, named_by="--to")) as target:
        found = ArchiveCopy(source, target, Slowly().tell).run()
    table(("table", "rows", "digest"), [(name, each.rows, f"{each.digest:016x}") for name, each in found.items()])
    tell("both archives are the same: set CONSENT_ARCHIVE_URL to --to, then restart APIs and workers")
    tell(f"no process writes to the file any more; to go back to it: consent archive --adopt --from {AWAY}")
