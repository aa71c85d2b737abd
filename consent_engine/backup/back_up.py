"""Making a backup while everything works: Redis first, then the archive, then the secret, then the manifest.

Records that leave Redis after its copy are in the archive's copy, which is made later; never the other way round, or
they would be in neither. FOLDER itself appears only when it is complete: until then all is in `consent-backup.part`
beside it, which a failed or interrupted backup removes, and the next one where this one was killed.

An archive that cannot be asked stops no backup: Redis' data may be needed most while something else is down. The
manifest says what could not be asked.
"""

import hmac
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from socket import gethostname

from sqlalchemy.engine import make_url

from consent_engine import __version__
from consent_engine.adapters.file_lock import lock_now, unlock
from consent_engine.adapters.redis.client import NAMED_BY, Wire, connect
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import proof_of
from consent_engine.adapters.redis.snapshot import AOF, copy_servers
from consent_engine.adapters.redis.topology import is_cluster
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.backup.manifest import FORMAT, KEY_FILE, REDIS, ArchiveKept, Manifest, Tell, listed, room_on, write
from consent_engine.config.data_folder import ARCHIVE_FILE, LOG_KEY_FILE, is_new, kept_log_key, private_folder
from consent_engine.config.settings import Settings
from consent_engine.errors import ArchiveUnavailable, SettingsError
from consent_engine.ports.archive import BackupMade
from consent_engine.wiring import archive_of, is_archive_of

PAGES = 2_000
WAIT_S = 5.0


def copy_online(path: Path, to: Path, tell: Callable[[str], None]) -> None:
    """Copy the database at `path` into a new file, as of this instant, the contents of its `-wal` included.

    Raises ArchiveUnavailable where it cannot be read.
    """
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def far(_: int, left: int, pages: int) -> None:
        tell(f"archive: {pages - left:,} of {pages:,} pages")

    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=WAIT_S)) as source:
            # One transaction fixes the instant: without it, every write would make the copy start again.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(to)) as made:
                source.backup(made, pages=PAGES, progress=far)
                made.execute("PRAGMA journal_mode=DELETE")  # one file, with no -wal beside it
    except sqlite3.Error as error:
        raise ArchiveUnavailable(f"the archive cannot be copied: {type(error).__name__}") from error


PART = "consent-backup.part"
_LOCK = "lock"


def back_up(settings: Settings, source: str | None, folder: Path, tell: Tell, *, with_secret: bool = True) -> Manifest:
    """Back up everything into a new folder. source: the Redis, as reached by a user who may copy it; None: as set.

    Raises SettingsError and StoreUnavailable; then there is no folder of that name.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder} is there: name a new folder")
    secret = _known_secret(settings, source)
    with _part(folder) as part, _address(settings, source, tell) as (url, named_by):
        cluster = is_cluster(url)
        with closing(connect(url)) as client:
            wire = Wire(client, proves=False, replicas=0, named_by=named_by)
            meta = RedisSurvey(wire, Cell(alone=not cluster)).meta()
            database = int(client.connection_pool.connection_kwargs.get("db") or 0)
        _check_origin(meta, settings, secret)
        copied = copy_servers(url, settings.cells, private_folder(part / REDIS), tell, named_by)
        archive = _archive(settings, meta, part / ARCHIVE_FILE, tell)
        if with_secret:
            _keep(part / KEY_FILE, f"{secret}\n")
            if keys := settings.log_key.get_secret_value() if settings.log_key else kept_log_key(settings.data_dir):
                _keep(part / LOG_KEY_FILE, keys)
        files = [each for each in listed(part, tell) if each.path != _LOCK]
        manifest = Manifest(
            FORMAT, copied.at, __version__, meta.get("installation", ""), meta["secret"], settings.cells, cluster,
            database, copied.servers, archive, files,
        )  # fmt: skip
        write(part, manifest)
    if not archive.unasked:
        _note(settings, BackupMade(copied.at, f"{gethostname()}:{folder.resolve()}"), tell)
    return manifest


def _note(settings: Settings, made: BackupMade, tell: Tell) -> None:
    """Have the archive keep where a backup is: an erasure names those that still have the person."""
    try:
        with closing(archive_of(settings)) as archive:
            archive.must_stand = True
            archive.note(made)
    except ArchiveUnavailable:
        tell("the archive cannot be asked: an erasure will not name this backup")


def _keep(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _known_secret(settings: Settings, source: str | None) -> str:
    """Return the secret. Raises SettingsError where no data were ever kept, before a secret is made or a server started
    in vain.
    """
    elsewhere = source or settings.redis_url
    if (settings.secret is None and is_new(settings.data_dir)) or not (elsewhere or (settings.data_dir / AOF).exists()):
        raise SettingsError(
            f"there are no data in {settings.data_dir}, nothing to keep: name their place by CONSENT_DATA_DIR or "
            "CONSENT_REDIS_URL"
        )
    return settings.secret_for(settings.data_dir)


@contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """Make a private folder beside that of the backup, without anything in it; it is renamed to it at the end."""
    part = private_folder(folder.with_name(PART), "FOLDER")
    lock = lock_now(part / _LOCK)
    if lock is None:
        raise SettingsError(f"another backup into {folder.parent} is under way: wait for it, or name another place")
    try:
        for path in part.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with room_on(part):
            yield part
        (part / _LOCK).unlink()
        part.replace(folder)
    except BaseException:  # the folder holds subscribers' numbers
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        unlock(lock)


@contextmanager
def _address(settings: Settings, source: str | None, tell: Tell) -> Iterator[tuple[str, str]]:
    """Give the address of the Redis to be copied, and the setting or option that leads there."""
    if source is not None:
        yield source, "--from"
    elif settings.redis_url is not None:
        yield settings.redis_url, NAMED_BY
    else:
        with connect_or_start(settings.data_dir, settings.durability, tell) as server:
            yield server.url, NAMED_BY


def _check_origin(meta: Mapping[str, str], settings: Settings, secret: str) -> None:
    """Raise SettingsError where the data were written with another secret or number of cells than the one to be kept,
    or by no engine.
    """
    if meta.get("cells") != str(settings.cells):
        raise SettingsError("no data of an engine are there, or of another CONSENT_CELLS: nothing to keep")
    if not hmac.compare_digest(proof_of(secret), meta.get("secret", "").partition(" ")[0]):
        raise SettingsError("CONSENT_SECRET is not the one these data were written with: set that one")


def _archive(settings: Settings, meta: Mapping[str, str], to: Path, tell: Tell) -> ArchiveKept:
    """Copy the archive if it is SQLite's; return what is known of it.

    Raises SettingsError for one that is not the data's own, as a file that was copied to PostgreSQL and left where it
    was.
    """
    at = make_url(settings.archive_address())
    kind, known = at.get_backend_name(), meta.get("archive", "")
    try:
        with closing(archive_of(settings)) as archive:
            archive.must_stand = bool(known)
            if not is_archive_of(archive, meta):
                raise SettingsError("CONSENT_ARCHIVE_URL leads to another archive than these data have: set that one")
            if kind == "sqlite":
                copy_online(Path(at.database or ""), to, tell)
            return ArchiveKept(kind, archive.id(), SqlLog(archive).end())
    except ArchiveUnavailable as error:
        to.unlink(missing_ok=True)
        return ArchiveKept(kind, known, 0, str(error))
