"""`consent backup` and `consent restore`: copies everything to a folder while everything works; and puts it back."""

from pathlib import Path
from typing import Annotated

import typer

from consent_engine.cli.cells import address
from consent_engine.cli.slowly import Slowly
from consent_engine.cli.tables import record, tell

_TO = typer.Argument(help="A new folder; its files are as secret as the data.", metavar="FOLDER")
_OF = typer.Argument(help="A folder that `consent backup` made.", metavar="FOLDER")
_FROM = typer.Option(
    "--from", envvar="CONSENT_BACKUP_FROM",
    help="The address in CONSENT_REDIS_URL, with a user that may copy everything (ACL +replconf +sync).",
)  # fmt: skip
_BARE = typer.Option("--without-secret", help="Leave the secret out: keep it elsewhere, or the backup is of no use.")

_KEEP = typer.Option("--keep-archive", help="The archive was not lost: leave it as it is, newer than the backup.")


def make(
    folder: Annotated[Path, _TO],
    source: Annotated[str | None, _FROM] = None,
    without_secret: Annotated[bool, _BARE] = False,  # noqa: FBT002
) -> None:
    """Copy Redis, the SQLite archive and the secret into a new folder, while everything works on."""
    from consent_engine.backup.take import take
    from consent_engine.config.settings import Settings

    source = address(source, "--from") if source else None
    made = take(Settings.load(), source, folder.absolute(), Slowly().tell, with_secret=not without_secret)
    record([
        ("backup", str(folder)), ("of the instant", made.instant), ("orders in Redis", made.counts.get("order", 0)),
        ("archive", made.archive.kind), ("entries in its log", made.archive.log),
        ("bytes", sum(each.bytes for each in made.files)),
    ])  # fmt: skip
    tell("keep the backup as safe as the data: it holds numbers" + ("" if without_secret else " and the secret"))
    if made.archive.kind != "sqlite":
        tell("the archive's database is not in it: run pg_dump now, after the backup; restore both together")


def restore(folder: Annotated[Path, _OF], keep_archive: Annotated[bool, _KEEP] = False) -> None:  # noqa: FBT002
    """Put a backup back into an empty installation: stop APIs and workers first. If it dies, type it again."""
    from consent_engine.backup.put_back import put_back
    from consent_engine.config.settings import Settings

    made = put_back(Settings.load(), folder.absolute(), Slowly().tell, keep_archive=keep_archive)
    record([
        ("restored", str(folder)), ("of the instant", made.instant), ("orders in Redis", made.counts.get("order", 0)),
    ])  # fmt: skip
    tell(f"EVERYTHING ACKNOWLEDGED AFTER {made.instant} IS GONE, REFUSALS TOO: before any worker starts, type")
    tell("consent doctor --all --mend, which puts back the refusals that the archive's log has; take the others since")
    tell("then from the lists of gateway and call centre, and enter each: consent refuse NUMBER")
    tell("services activated since may be requested again, by the same key, which the BSS knows; SMS may go out twice")
    tell("keys revoked and sign-ins ended since work again: end them again; lifted restrictions are in force again;")
    tell("number changes, reviewers' verdicts and pauses since then are gone")
    if made.archive.kind != "sqlite":
        tell("if the archive's database is lost, pg_restore a dump that is not older than this backup")
    tell("then: consent doctor; consent audit names the records that the archive's log has and these data lack")
