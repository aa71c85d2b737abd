"""`consent backup` and `consent restore`: copies everything to a folder while everything works; and puts it back."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from consent_engine.cli.opening import typed
from consent_engine.cli.tables import Slowly, instant, line, print_by, record, tell
from consent_engine.config.settings import Settings
from consent_engine.config.urls import redis_url
from consent_engine.config.yaml_files import days_in

_TO = typer.Argument(help="A new folder; its files are as secret as the data.", metavar="FOLDER")
_OF = typer.Argument(help="A folder that `consent backup` made.", metavar="FOLDER")
_FROM = typer.Option(
    "--from", envvar="CONSENT_BACKUP_FROM",
    help="The address in CONSENT_REDIS_URL, with a user that may copy everything (ACL +replconf +sync).",
)  # fmt: skip
_BARE = typer.Option("--without-secret", help="Leave the secret out: keep it elsewhere, or the backup is of no use.")


def make(
    folder: Annotated[Path, _TO],
    source: Annotated[str | None, _FROM] = None,
    without_secret: Annotated[bool, _BARE] = False,  # noqa: FBT002
) -> int:
    """Copy Redis, the SQLite archive and the secret into a new folder, while everything works on. An archive that does
    not answer stops nothing: a line and the manifest say so, and for an SQLite archive the status is 1.
    """
    from consent_engine.backup.back_up import back_up

    source = _address(source) if source else None
    settings, slowly = _begun()
    made = back_up(settings, source, folder.absolute(), slowly.tell, with_secret=not without_secret)
    archive, log = made.archive, "-" if made.archive.unasked else made.archive.log
    record([
        ("backup", str(folder)), ("of the instant", instant(made.at)), ("servers", ", ".join(made.servers)),
        ("archive", archive.kind), ("entries in its log", log), ("bytes", sum(each.bytes for each in made.files)),
    ])  # fmt: skip
    tell("keep the backup as safe as the data: it holds numbers" + ("" if without_secret else " and the secret"))
    lite = archive.kind == "sqlite"
    copy = "copy its file" if lite else _dump(settings, folder)
    if archive.unasked:
        tell(f"the archive is not in it, and was not asked ({archive.unasked}): once it answers, {copy}")
    elif not lite:
        tell(f"the archive's database is not in it: now, after the backup, {copy}")
    return int(lite and bool(archive.unasked))


def _begun() -> tuple[Settings, Slowly]:
    """Load the settings, whose clock instants are printed by, and begin to tell of progress."""
    settings = Settings.load()
    print_by(days_in(settings.time_zone))
    return settings, Slowly()


def _dump(settings: Settings, folder: Path) -> str:
    """Return the command that copies a PostgreSQL archive; it repeats no password (pg_dump reads PGPASSWORD)."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.archive_address()).set(drivername="postgresql")
    at = url._replace(password=None).render_as_string(hide_password=False)
    return f"pg_dump --format=custom --file={shlex.quote(str(folder / 'archive.dump'))} {shlex.quote(at)}"


def restore(folder: Annotated[Path, _OF]) -> None:
    """Put a backup back into an empty data folder: stop APIs and workers first. If it dies, type it again. Then the
    data are checked, and what they lack is put back, as by `consent doctor --all --mend`. An archive that was not lost
    stays as it is; restore a lost PostgreSQL before, from a dump not older than the backup. For a Redis of your own it
    checks the backup, and prints the commands that fill that Redis.
    """
    from consent_engine.backup.put_back import by_hand, put_back

    settings, slowly = _begun()
    made = put_back(settings, folder.absolute(), slowly.tell)
    commands = by_hand(settings, folder.absolute(), made)
    if commands:
        for command in [*commands, "consent doctor --all --mend"]:
            line(command)
    else:
        record([("restored", str(folder)), ("of the instant", instant(made.at))])
    tell(f"EVERYTHING ACKNOWLEDGED AFTER {instant(made.at)} IS GONE, REFUSALS TOO, but for those that the archive's")
    tell("log has: consent doctor --all --mend puts these back. Was it not typed to its end, type it before any worker")
    if not commands:
        _checked(settings, slowly)
    tell("now type consent doctor --all: no refusal may be gone. Take the others since then")
    tell("from the lists of gateway and call centre, and enter each: consent refuse NUMBER; start the workers last")
    tell("services activated since may be requested again, by the same key, which the BSS knows; SMS may go out twice")
    tell("keys revoked and sign-ins ended since work again: end them again; lifted restrictions are in force again;")
    tell("number changes, reviewers' verdicts and pauses since then are gone")
    tell("then: consent audit names the records that the archive's log has and these data lack")


def rebuild() -> None:
    """Fill a Redis that lost its data from SQL, which has every record as of a second before. Stop APIs and workers
    first. If it dies, type it again. CONSENT_CELLS may be another number than before. A data folder's own server, and
    cells of a cluster that lost their data, likewise.
    """
    from consent_engine.backup.put_back import fill

    settings, slowly = _begun()
    done = fill(settings, slowly.tell)
    cells = [("cells", " ".join(map(str, done.filled)))] if settings.cells > 1 else []
    record([
        *cells, *done.counts.items(), ("known until", instant(done.until)), ("rebuilt", instant(done.now)),
    ])  # fmt: skip
    if done.broken:
        tell(f"{len(done.broken):,} records of SQL cannot be read, and are not there: {' '.join(done.broken[:10])}")
    tell(f"WHAT WAS ACKNOWLEDGED AFTER {instant(done.until)} MAY BE GONE, the last second or two before the loss: take")
    tell("the refusals since then from the lists of gateway and call centre, and enter each: consent refuse NUMBER")
    tell("calls outside that waited are in doubt: the BSS is asked, an SMS waits for its report, then goes once more")
    tell("not brought back, because Redis alone has them: API KEYS (consent keys add, or from the newest backup: see")
    tell("docs/operations.md), ended sign-ins, proposals, pauses, who lifted or revealed what, answers to requests for")
    tell("permits, messages that answered nothing, measures, yeses that are laid beside others")
    _checked(settings, slowly)


def _checked(settings: Settings, slowly: Slowly) -> None:
    """Check the data while no worker works, and put back the missing parts."""
    from consent_engine.doctor import Level, Wanted, examine
    from consent_engine.doctor.records import MENDED

    for each in examine(settings, Wanted(all=True, mend=True, stopped=True), slowly.tell):
        if each.level is not Level.GOOD or each.what.startswith(MENDED):
            tell(f"{each.level}: {each.what}{each.do and ': '}{each.do}")


def _address(url: str) -> str:
    """Return a Redis address in the form of the settings. Raises BadParameter."""
    with typed("--from"):
        return redis_url(url)
