"""Restoring a backup into an empty installation. If it is killed anywhere, the same command goes on.

Everything is looked at before anything is written. Each file or folder is written whole under a temporary name and
then given its own; the secret comes last, so that no engine starts on half of it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shlex import quote

from sqlalchemy.engine import make_url

from consent_engine.adapters.file_lock import lock_now, unlock
from consent_engine.adapters.redis.snapshot import AOF
from consent_engine.adapters.redis.topology.cluster import is_cluster
from consent_engine.backup.manifest import KEY_FILE, Manifest, Tell, check, digest, fingerprint, read, room_on, synced
from consent_engine.backup.take import REDIS
from consent_engine.config.data_folder import ARCHIVE_FILE, NAME_FILE, keep_name, private_folder
from consent_engine.config.settings import Settings
from consent_engine.errors import SettingsError
from consent_engine.wiring import archive_of

LEFT_BY_A_SERVER = {"lock", "users.lock"}
_HALF = ".restoring"
COPY_PORT = 7790
"""Where the server runs that a cluster imports a backup from."""


def put_back(settings: Settings, folder: Path, tell: Tell, *, keep_archive: bool = False) -> Manifest:
    """Restore a backup into the installation that is set: its data folder, and its SQLite archive. A Redis of the
    operator's own is filled by its own tools: see `by_hand`.

    keep_archive: the archive that is set was not lost, and stays as it is.

    Raises SettingsError for a backup that is damaged or of another secret, and for an installation that is not empty,
    before anything is written; and StoreUnavailable.
    """
    manifest = read(folder)
    check(folder, manifest, tell)
    secret = _secret(settings, folder, manifest)
    _fits(settings, manifest)
    archive = None if keep_archive else _place_of_archive(settings, manifest)
    if keep_archive:
        _is_the_archive(settings, manifest)
    if settings.redis_url is None:
        with _alone(settings.data_dir) as here:
            _is_free(here, manifest, settings, tell)
            if archive is not None:
                _place_archive(folder, archive, tell)
            _place(folder / REDIS / AOF, here / AOF)
            if manifest.installation:
                keep_name(here, manifest.installation)
            _place_secret(here / KEY_FILE, secret)
    elif archive is not None:
        _place_archive(folder, archive, tell)
    return manifest


def _fits(settings: Settings, manifest: Manifest) -> None:
    """Raise SettingsError where the settings name another kind of Redis, or number of cells, than the backup has."""
    url = settings.redis_url
    if manifest.alone == (url is not None and is_cluster(url)) or manifest.cells != settings.cells:
        kind = "one Redis" if manifest.alone else "a cluster"
        raise SettingsError(
            f"this backup is of {kind}, CONSENT_CELLS={manifest.cells}: set that, and CONSENT_REDIS_URL to such a one"
        )


def _secret(settings: Settings, folder: Path, manifest: Manifest) -> str:
    """Return the backup's secret. Raises SettingsError where it is not known, or another one is set."""
    path = folder / KEY_FILE
    kept = path.read_text(encoding="ascii").strip() if manifest.file(KEY_FILE) else ""
    named = settings.secret.get_secret_value() if settings.secret is not None else ""
    if not (kept or named):
        raise SettingsError("this backup was made without its secret: set CONSENT_SECRET to the one the data have")
    for each in (named, kept):
        if each and fingerprint(each) != manifest.secret:
            raise SettingsError("CONSENT_SECRET is not the one of this backup: set that one, or leave it out")
    return named or kept


def _place_of_archive(settings: Settings, manifest: Manifest) -> Path | None:
    """Return where the archive's copy goes; None if there is none. Raises SettingsError if no SQLite archive is set."""
    if manifest.file(ARCHIVE_FILE) is None:
        return None
    at = make_url(settings.archive_address())
    if at.get_backend_name() != "sqlite":
        raise SettingsError(
            "this backup has an SQLite archive: set CONSENT_ARCHIVE_URL=sqlite:////PATH to where it shall stand"
        )
    return Path(at.database or "")


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """Lock the data folder, so that no process starts a server in it. Raises SettingsError where one runs."""
    folder = private_folder(folder)
    lock = lock_now(folder / "lock")
    if lock is None:
        raise SettingsError(f"CONSENT_DATA_DIR {folder}: a process uses it: stop that, or name a new folder")
    try:
        yield folder
    finally:
        unlock(lock)


def _is_free(here: Path, manifest: Manifest, settings: Settings, tell: Tell) -> None:
    """Raise SettingsError where a data folder holds anything but what this same restore put there."""
    ours = {AOF, KEY_FILE, NAME_FILE, f"{NAME_FILE}.new", *LEFT_BY_A_SERVER}
    at = make_url(settings.archive_address()).database or ""
    ours |= {Path(at + end).name for end in ("", "-wal", "-shm") if Path(at).parent == here}
    others = [each.name for each in here.iterdir() if each.name not in ours and not each.name.endswith(_HALF)]
    same = not others
    if (here / AOF).exists():
        files = {each.path.rpartition("/")[2]: each for each in manifest.under(f"{REDIS}/{AOF}")}
        there = {path.name: digest(path, tell) for path in (here / AOF).iterdir()}
        same = same and there == {name: (each.bytes, each.sha256) for name, each in files.items()}
    elif (here / KEY_FILE).exists():
        same = False
    if not same:
        raise SettingsError(f"CONSENT_DATA_DIR {here} is not empty: name a new folder, or move what is there away")


def _is_the_archive(settings: Settings, manifest: Manifest) -> None:
    """Check that the archive that is set is the one of the backup. Raises SettingsError where it is missing or another
    one, and ArchiveUnavailable, also for an empty database: its dump comes first.
    """
    at = make_url(settings.archive_address())
    if at.get_backend_name() == "sqlite" and not Path(at.database or "").exists():
        raise SettingsError(f"{at.database} is not there: bring it back, or leave --keep-archive out")
    with closing(archive_of(settings)) as archive:
        archive.must_stand = True
        known = manifest.archive.id  # none where it was not asked, and the data were bound to none yet
        is_it = archive.id() == known if known else archive.owner() in {"", manifest.installation}
        if not is_it:
            raise SettingsError("CONSENT_ARCHIVE_URL leads to another archive than this backup's: set that one")


def _place_archive(folder: Path, path: Path, tell: Tell) -> None:
    """Put the archive's copy in its place. Raises SettingsError where another archive, or a part of one, is there."""
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    there = [each for each in (path, *beside) if each.exists()]
    if there and (there != [path] or digest(path, tell) != digest(folder / ARCHIVE_FILE, tell)):
        raise SettingsError(
            f"{there[0]} is there: move it away, or set CONSENT_ARCHIVE_URL to another file; was the archive not lost: "
            "--keep-archive"
        )
    _place(folder / ARCHIVE_FILE, path)


def _place(path: Path, to: Path) -> None:
    """Copy a file or folder whole, then give it its name; if it exists already, it is the same."""
    if to.exists():
        return
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = to.with_name(to.name + _HALF)
    if half.is_dir():
        shutil.rmtree(half)
    half.unlink(missing_ok=True)
    with room_on(to.parent):
        _copy(path, half)
    half.replace(to)
    synced([to.parent])


def _copy(path: Path, half: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, half, copy_function=shutil.copyfile)
        half.chmod(0o700)
        synced([*half.iterdir(), half])
    else:
        os.close(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        shutil.copyfile(path, half)
        synced([half])


def _place_secret(to: Path, secret: str) -> None:
    half = to.with_name(to.name + _HALF)
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
    synced([half])
    half.replace(to)
    synced([to.parent])


def by_hand(settings: Settings, folder: Path, manifest: Manifest) -> list[str]:
    """Return the lines of a shell that bring a backup's data into a Redis of the operator's own, which the store's own
    tools do; none for the embedded server.
    """
    if settings.redis_url is None:
        return []
    kept = quote(str(folder / REDIS))
    if manifest.alone:
        return [
            "# stop the Redis, its replicas and sentinels; then, in the folder of its files (all is in database 0):",
            "mv appendonlydir appendonlydir.lost",
            f"cp -r {kept}/{AOF} appendonlydir",
            "# start it again, then its replicas and sentinels",
        ]
    return [
        "# on an empty cluster whose nodes are all up; the copy's server is stopped afterwards, and the copy removed:",
        f"cp -r {kept} copy",
        f'redis-server --dir "$PWD/copy" --port {COPY_PORT} --save "" --appendonly yes --daemonize yes',
        f"redis-cli --cluster import NODE:PORT --cluster-from 127.0.0.1:{COPY_PORT} --cluster-copy",
        f"redis-cli -p {COPY_PORT} SHUTDOWN",
        "rm -r copy",
    ]
