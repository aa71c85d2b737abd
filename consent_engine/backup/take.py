"""Making a backup while everything works: Redis first, then the archive, then the secret, then the manifest.

Records that leave Redis before its copy is made are in the archive's copy, which is made later. A killed backup leaves
a folder `FOLDER.part`, which the next try empties; FOLDER itself appears only when it is complete.

An archive that cannot be asked stops no backup of a PostgreSQL installation, whose dump is the operator's anyway:
Redis' data may be needed most while something else is down. The manifest says what could not be asked.
"""

import hmac
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from consent_engine import DISTRIBUTION
from consent_engine.adapters.file_lock import lock_now, lock_soon, unlock
from consent_engine.adapters.redis.catalogue_rows import proof_of
from consent_engine.adapters.redis.client import NAMED_BY, Wire, connect
from consent_engine.adapters.redis.embedded.server import STOP_WAIT, connect_or_start
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.masters import fetch_cluster
from consent_engine.adapters.redis.snapshot import bare, fetch, private, tidy, written
from consent_engine.adapters.redis.topology.cluster import is_cluster
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.online_copy import copy_online
from consent_engine.backup.manifest import (
    FORMAT,
    KEY_FILE,
    ArchiveKept,
    Manifest,
    Tell,
    fingerprint,
    listed,
    room_on,
    write,
)
from consent_engine.config.data_folder import ARCHIVE_FILE, DATA, private_folder
from consent_engine.config.settings import Settings
from consent_engine.errors import ArchiveUnavailable, SettingsError, StoreUnavailable
from consent_engine.wiring import archive_of

REDIS = "redis"
_LOCK = "lock"


def take(
    settings: Settings,
    source: str | None,
    folder: Path,
    tell: Tell,
    *,
    with_secret: bool = True,
    with_archive: bool = True,
) -> Manifest:
    """Back up everything into a new folder. source: the Redis, as reached by a user who may copy it; None: as set.

    Raises SettingsError, StoreUnavailable and, for an SQLite archive, ArchiveUnavailable; then there is no folder of
    that name.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder} is there: name a new folder")
    _data_are_there(settings, source)
    secret = settings.secret_for(settings.data_dir)
    with _part(folder) as part:
        at, meta, keys = _redis(settings, source, part / REDIS, tell)
        _is_the_secret(meta, secret)
        archive = _archive(settings, meta, part / ARCHIVE_FILE, tell, asked=with_archive)
        if with_secret:
            with os.fdopen(os.open(part / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{secret}\n")
        url = source or settings.redis_url
        alone = url is None or not is_cluster(url)
        files = [each for each in listed(part, tell) if each.path != _LOCK]
        manifest = Manifest(
            FORMAT, secrets.token_hex(8), at, _release(), meta.get("installation", ""),
            fingerprint(secret), int(meta["cells"]), keys, archive, files, alone,
        )  # fmt: skip
        write(part, manifest)
    return manifest


def _data_are_there(settings: Settings, source: str | None) -> None:
    """Raise SettingsError where no data were ever kept, before a secret is made or a server started in vain."""
    kept = {name for name in ("secret", *DATA) if (settings.data_dir / name).exists()}
    elsewhere = source or settings.redis_url
    if (not kept and settings.secret is None) or (not elsewhere and DATA[0] not in kept):
        raise SettingsError(
            f"there are no data in {settings.data_dir}, nothing to keep: name their place by CONSENT_DATA_DIR or "
            "CONSENT_REDIS_URL"
        )


@contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """Make a private folder beside that of the backup; it is renamed to it at the end."""
    part = private_folder(folder.with_name(f"{folder.name}.part"), "FOLDER")
    lock = lock_now(part / _LOCK)
    if lock is None:
        raise SettingsError(f"another backup into {folder} is under way: wait for it, or name another folder")
    try:
        emptied(part)
        with room_on(part):
            yield part
        (part / _LOCK).unlink()
        part.replace(folder)
    except BaseException:  # the folder holds subscribers' numbers
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        unlock(lock)


def emptied(folder: Path) -> None:
    """Remove what a try that died left in its folder, once its server is gone."""
    server = folder / REDIS / "server.lock"
    held = lock_soon(server, STOP_WAIT) if server.exists() else None
    for path in folder.iterdir():
        if path.name != _LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if held is not None:
        unlock(held)


def _redis(settings: Settings, source: str | None, to: Path, tell: Tell) -> tuple[int, Mapping[str, str], int]:
    """Copy Redis' data as plain commands; return their instant, their meta fields, and how many keys there are."""
    url = source or settings.redis_url
    many = url is not None and is_cluster(url)
    if url is None:
        with connect_or_start(settings.data_dir, settings.durability, tell) as server:
            at = _fetched(server.url, to, tell, NAMED_BY)
    else:
        with _named_by(option := "--from" if source else NAMED_BY):
            at = fetch_cluster(url, settings.cells, to, tell) if many else _fetched(url, to, tell, option)
    with private(to, tell) as server:
        tidy(server, 0 if url is None or many else _database(url))
        with closing(connect(server.url)) as client:
            meta = RedisSurvey(Wire(client, proves=False, replicas=0), Cell(alone=not many)).meta()
            if meta.get("cells") != str(settings.cells if many else 1):
                raise SettingsError("no data of an engine are there, or of another CONSENT_CELLS: nothing to keep")
            keys = client.dbsize()
        written(server, tell)
    bare(to)
    return at, meta, keys


@contextmanager
def _named_by(option: str) -> Iterator[None]:
    """Have errors for a server that cannot be reached name the setting or option that leads there."""
    try:
        yield
    except StoreUnavailable as error:
        error.named_by = option if error.named_by else ""
        raise


def _fetched(url: str, to: Path, tell: Tell, named_by: str) -> int:
    with closing(connect(url)) as client:
        [(seconds, micros)] = Wire(client, proves=False, replicas=0, named_by=named_by).ask(("TIME",))
        tell("copying Redis: the server begins within `repl-diskless-sync-delay` seconds (5 by default)")
        fetch(client, to, tell)
    return int(seconds) * 1000 + int(micros) // 1000


def _database(url: str) -> int:
    with closing(connect(url)) as client:
        options: dict[str, Any] = client.connection_pool.connection_kwargs
        return int(options.get("db") or 0)


def _is_the_secret(meta: Mapping[str, str], secret: str) -> None:
    """Raise SettingsError where the data were written with another secret than the one to be kept."""
    if not hmac.compare_digest(proof_of(secret), meta.get("secret", "")):
        raise SettingsError("CONSENT_SECRET is not the one these data were written with: set that one")


def _archive(settings: Settings, meta: Mapping[str, str], to: Path, tell: Tell, *, asked: bool) -> ArchiveKept:
    """Copy the archive if it is SQLite's; return what is known of it. asked: False leaves it out

    Raises SettingsError for one that is not the data's own, as a file that was copied to PostgreSQL and left where it
    was; and ArchiveUnavailable for an SQLite archive that cannot be read: the copy would lack it.
    """
    at = make_url(settings.archive_address())
    kind, known = at.get_backend_name(), meta.get("archive", "")
    if not asked:
        return ArchiveKept(kind, known, 0, "it was left out")
    try:
        with closing(archive_of(settings)) as archive:
            archive.must_stand = bool(known)
            named = archive.id()
            if known not in {"", named} or archive.owner() not in {"", meta.get("installation", "")}:
                raise SettingsError("CONSENT_ARCHIVE_URL leads to another archive than these data have: set that one")
            if kind == "sqlite":
                copy_online(Path(at.database or ""), to, tell)
            return ArchiveKept(kind, named, SqlLog(archive).end())
    except ArchiveUnavailable as error:
        if kind == "sqlite":
            raise ArchiveUnavailable(f"{error}: mend that, or leave it out: --without-archive") from error
        return ArchiveKept(kind, known, 0, str(error))


def left_behind(folder: Path) -> Iterator[Path]:
    """Yield what killed backups left beside a folder: parts of copies, on which no process works any more."""
    for lock in sorted(folder.parent.glob(f"*.part/{_LOCK}")):
        try:
            held = lock_now(lock)
        except OSError:  # another user's
            continue
        if held is not None:
            unlock(held)
            yield lock.parent


def _release() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # run from source
        return "source"
