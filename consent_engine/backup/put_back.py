"""Restoring a backup into an empty installation. If it is killed anywhere, the same command goes on.

Everything is looked at before anything is written. Each file or folder is written whole under a temporary name and
then given its own; in a data folder the secret comes last, and on a Redis of your own the mark that opens the data, so
that no engine starts on half of it.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from consent_engine.adapters.file_lock import lock_now, unlock
from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.registry import check_server
from consent_engine.adapters.redis.reshard.dump import Side
from consent_engine.adapters.redis.reshard.move import Move
from consent_engine.adapters.redis.reshard.snapshot import AOF, private, side_of
from consent_engine.adapters.redis.topology.cluster import is_cluster
from consent_engine.backup.manifest import KEY_FILE, Manifest, Tell, check, digest, fingerprint, read, room_on, synced
from consent_engine.backup.take import REDIS, emptied
from consent_engine.config.data_folder import ARCHIVE_FILE, NAME_FILE, keep_name, private_folder
from consent_engine.config.settings import Settings
from consent_engine.errors import SettingsError
from consent_engine.wiring import archive_of

LEFT_BY_A_SERVER = {"lock", "users.lock"}
_HALF = ".restoring"


def put_back(settings: Settings, folder: Path, tell: Tell, *, keep_archive: bool = False) -> Manifest:
    """Restore a backup into the installation that is set: its data folder, or its Redis; and its SQLite archive.

    keep_archive: the archive that is set was not lost, and stays as it is.

    Raises SettingsError for a backup that is damaged or of another secret, and for an installation that is not empty,
    before anything is written; and StoreUnavailable.
    """
    manifest = read(folder)
    check(folder, manifest, tell)
    secret = _secret(settings, folder, manifest)
    if settings.redis_url is None and not manifest.alone:
        raise SettingsError(
            "this backup is of a cluster: name an empty Redis or cluster by CONSENT_REDIS_URL; its number of cells may "
            "be another one"
        )
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
    else:
        with _target(settings, manifest) as target:
            if archive is not None:
                _place_archive(folder, archive, tell)
            _fill(target, folder, manifest, tell)
    return manifest


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
            "this backup has an SQLite archive: set CONSENT_ARCHIVE_URL=sqlite:////PATH for now, then `consent "
            "archive copy --to` your database"
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


@contextmanager
def _target(settings: Settings, manifest: Manifest) -> Iterator[Side]:
    """Open the Redis that is set. Raises SettingsError where it does not keep all data, or holds anything that this
    same restore did not write.
    """
    url = settings.redis_url or ""
    strict = settings.durability == "strict"
    clients = [connect(url, tag=str(n)) for n in range(settings.cells)]
    target = Side(
        [Wire(client, proves=strict, replicas=settings.replicas) for client in clients], alone=not is_cluster(url)
    )
    try:
        for wire in target.wires:
            check_server(wire, strict=strict)
        there = target.meta_now()
        if there.get("move") == manifest.id and there.get("cells", "").isdecimal():
            raise SettingsError("CONSENT_REDIS_URL holds this backup already, whole: start APIs and workers")
        if there.get("move") != manifest.id:
            _is_empty(target, there)
        yield target
    finally:
        for client in clients:
            client.close()


def _is_empty(target: Side, there: Mapping[str, str]) -> None:
    """Raise SettingsError where a Redis holds anything but the description that a start or a command left on it.

    A supervisor starts engines on a Redis that lost its data; each is refused, because its archive belongs to those
    data, but has described new ones by then. Such a description is no data, and goes: the backup has its own.
    """
    keys = [target.ask(n, ("DBSIZE",), ("RANDOMKEY",)) for n in range(len(target.cells))]
    if any(int(size) > 1 or (key and key != target.meta) for size, key in keys) or {"archive", "move"} & {*there}:
        raise SettingsError(
            "CONSENT_REDIS_URL is not empty: name an empty Redis; or only try the backup out, in a new folder: "
            "CONSENT_REDIS_URL= CONSENT_RQ_URL= CONSENT_ARCHIVE_URL= CONSENT_DATA_DIR=FOLDER before the command"
        )
    if there:
        target.ask(0, ("DEL", target.meta))


def _fill(target: Side, folder: Path, manifest: Manifest, tell: Tell) -> None:
    """Copy everything as `consent cells move` does, from a private server on a copy of the backup.

    The move bears the backup's id: a killed restore goes on with it, and no other backup is mixed into this one.
    """
    scratch = private_folder(folder.with_name(f"{folder.name}.scratch"), "FOLDER")
    with closing_lock(scratch, folder), _removed(scratch), room_on(scratch):
        emptied(scratch)
        shutil.copytree(folder / REDIS, scratch / REDIS, copy_function=shutil.copyfile)
        with private(scratch / REDIS, tell) as server:
            source = side_of(server, manifest.cells, alone=manifest.alone)
            begun = {"move": manifest.id, "move_from": str(manifest.cells), "move_to": str(len(target.cells))}
            source.ask(0, ("HSET", source.meta, *(part for pair in begun.items() for part in pair)))
            try:
                Move(source, target, tell).run()
            finally:
                for wire in source.wires:
                    wire.client.close()


@contextmanager
def _removed(scratch: Path) -> Iterator[None]:
    """Remove a scratch folder, however the block ends: numbers are in it, and the next try fills it anew."""
    try:
        yield
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def closing_lock(scratch: Path, folder: Path) -> Iterator[None]:
    """Lock a scratch folder. Raises SettingsError where another restore of this backup is under way."""
    lock = lock_now(scratch / "lock")
    if lock is None:
        raise SettingsError(f"another restore of {folder} is under way: wait for it")
    try:
        yield
    finally:
        unlock(lock)
