"""Restoring a backup into an empty data folder. If it is killed anywhere, the same command goes on.

Everything is looked at before anything is written. Redis' data come last, whole, into an embedded server and by hand:
until then an engine that is started finds that they are missing, and does not begin anew. The archive is there before
them, since its log has the refusals that these data lack. One that belongs to these data stays: it knows more than the
backup's.

An emptied Redis is filled from SQL: it must be empty, the data's own, and no worker may work on it.
"""

import hmac
import os
import shutil
from contextlib import closing
from pathlib import Path
from shlex import quote

from sqlalchemy.engine import make_url

from consent_engine.adapters.file_lock import lock_now, unlock
from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.binary import family_and_version, find_binary
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry, proof_of, with_keys
from consent_engine.adapters.redis.snapshot import AOF, BASE
from consent_engine.adapters.redis.topology import is_cluster
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.whole import SqlWhole
from consent_engine.backup.manifest import KEY_FILE, REDIS, Manifest, Tell, check, read, room_on, synced
from consent_engine.config.data_folder import (
    ARCHIVE_FILE,
    LOG_KEY_FILE,
    keep_log_key,
    keep_name,
    kept_log_key,
    kept_name,
    private_folder,
)
from consent_engine.config.settings import Settings
from consent_engine.engine.rebuild import Rebuilt, rebuild
from consent_engine.errors import ArchiveUnavailable, SettingsError
from consent_engine.wiring import archive_of, data, is_archive_of, seal_of

_HALF = ".restoring"
READ_BY_BOTH = b"REDIS0011"
"""How files begin that every Redis and Valkey from 7.2 on reads, or an older one; each writes newer ones that the other
does not read."""
COPY_PORT = 7790
"""Where the server runs that a cluster imports a backup from."""


def put_back(settings: Settings, folder: Path, tell: Tell) -> Manifest:
    """Restore a backup into the data folder that is set, and its SQLite archive. Where a Redis of the operator's own is
    set, only check the backup: `by_hand` has the commands.

    Raises SettingsError for a backup that is damaged, of another secret or for another kind of Redis, for an archive
    that is missing, behind it or another's, and for an installation that is not empty, before anything is written; and
    ArchiveUnavailable.
    """
    manifest = read(folder)
    check(folder, manifest, tell)
    secret = _secret(settings, folder, manifest)
    _fits(settings, manifest)
    lost = _lost_archive(settings, manifest)
    if settings.redis_url is not None:
        return manifest
    _is_read(folder, manifest)
    here = private_folder(settings.data_dir)
    lock = lock_now(here / "lock")
    if lock is None:
        raise SettingsError(f"CONSENT_DATA_DIR {here}: a process uses it: stop that, or name a new folder")
    try:
        if (here / AOF).exists():
            raise SettingsError(f"CONSENT_DATA_DIR {here} is not empty: name a new folder, or move {AOF} away")
        _keep_secret(here / KEY_FILE, secret)
        if manifest.installation:
            keep_name(here, manifest.installation)
        if manifest.has(LOG_KEY_FILE) and settings.log_key is None and not kept_log_key(here):
            keep_log_key(here, (folder / LOG_KEY_FILE).read_text(encoding="ascii").strip())
        if lost:
            _place(folder / ARCHIVE_FILE, lost)
        _place(folder / REDIS / "1" / AOF, here / AOF)
    finally:
        unlock(lock)
    return manifest


def _secret(settings: Settings, folder: Path, manifest: Manifest) -> str:
    """Return the backup's secret. Raises SettingsError where it is not known, or another one is set."""
    path = folder / KEY_FILE
    kept = path.read_text(encoding="ascii").strip() if manifest.has(KEY_FILE) else ""
    named = settings.secret.get_secret_value() if settings.secret is not None else ""
    if not (kept or named):
        raise SettingsError("this backup was made without its secret: set CONSENT_SECRET to the one the data have")
    for each in (named, kept):
        if each and not hmac.compare_digest(proof_of(each), manifest.secret.partition(" ")[0]):
            raise SettingsError("CONSENT_SECRET is not the one of this backup: set that one, or leave it out")
    return named or kept


def _fits(settings: Settings, manifest: Manifest) -> None:
    """Raise SettingsError where the settings name another kind of Redis, or number of cells, than the backup has."""
    url = settings.redis_url
    if manifest.cluster != (url is not None and is_cluster(url)) or manifest.cells != settings.cells:
        kind = "a cluster" if manifest.cluster else "one Redis"
        raise SettingsError(
            f"this backup is of {kind}, CONSENT_CELLS={manifest.cells}: set that, and CONSENT_REDIS_URL to such a one"
        )


def _is_read(folder: Path, manifest: Manifest) -> None:
    """Raise SettingsError where the embedded server would not find the data, or not read their file."""
    if manifest.database:
        raise SettingsError(
            f"this backup's data are in database {manifest.database}: set CONSENT_REDIS_URL to a Redis of your own"
        )
    binary, made = find_binary(), manifest.servers[0]
    family, of = family_and_version(binary)
    oldest = tuple(int(part) for part in made.rpartition(" ")[2].split(".")[:2])
    with (folder / REDIS / "1" / AOF / BASE).open("rb") as file:
        for_both = file.read(len(READ_BY_BOTH)) <= READ_BY_BOTH
    if not (for_both or (made.startswith(f"{family} ") and of >= oldest)):
        raise SettingsError(
            f"this backup is of {made}, and {binary} ({family} {of[0]}.{of[1]}) does not read it: install "
            f"{made.partition(' ')[0].lower()}-server >= {oldest[0]}.{oldest[1]} before it on PATH"
        )


def _keep_secret(to: Path, secret: str) -> None:
    if to.exists() and to.read_text(encoding="ascii").strip() != secret:
        raise SettingsError(f"{to} is another secret than this backup's: name a new folder")
    half = to.with_name(to.name + _HALF)
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
    synced([half])
    half.replace(to)


def _lost_archive(settings: Settings, manifest: Manifest) -> Path | None:
    """Return where the archive's copy goes; None where the archive stands, and stays. Raises SettingsError where
    another one, an older one, a part of one or none is there and the backup has no copy, and ArchiveUnavailable.
    """
    path, known = _archive_file(settings), manifest.archive
    if path and not path.exists():
        for end in ("-wal", "-shm"):
            if (beside := path.with_name(path.name + end)).exists():
                raise SettingsError(f"{beside} is there: it is a part of another archive: move it away")
        if manifest.has(ARCHIVE_FILE):
            return path
        if known.id:
            raise SettingsError(f"the archive is not in this backup: bring its own copy to {path} first")
        return None
    with closing(archive_of(settings)) as archive:
        archive.must_stand = bool(known.id)
        named = {"archive": known.id} if known.id else {}
        bound = is_archive_of(archive, {**named, "installation": manifest.installation})
        if not bound or SqlLog(archive).end() < known.log:
            raise SettingsError(
                f"{path or 'CONSENT_ARCHIVE_URL'} is another archive than this backup's, or an older one: move it "
                "away, and bring back a copy that is not older than the backup"
            )
    return None


def _archive_file(settings: Settings) -> Path | None:
    """Return the file of an archive on SQLite; None for one on a database server."""
    at = make_url(settings.archive_address())
    return Path(at.database or "") if at.get_backend_name() == "sqlite" else None


def _place(path: Path, to: Path) -> None:
    """Copy a file or folder whole, durably, then give it its name."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = to.with_name(to.name + _HALF)
    if half.is_dir():
        shutil.rmtree(half)
    half.unlink(missing_ok=True)
    with room_on(to.parent):
        if path.is_dir():
            shutil.copytree(path, half)
            synced([*half.iterdir(), half])
        else:
            shutil.copy(path, half)
            synced([half])
    half.replace(to)
    synced([to.parent])


def by_hand(settings: Settings, folder: Path, manifest: Manifest) -> list[str]:
    """Return the lines of a shell that bring a backup's data into a Redis of the operator's own, and its archive's file
    where it is set; none for the embedded server.
    """
    if settings.redis_url is None:
        return []
    kept, lines, made = quote(str(folder / REDIS)), list[str](), manifest.servers[0]
    if (path := _archive_file(settings)) and not path.exists() and manifest.has(ARCHIVE_FILE):
        lines = [f"cp {quote(str(folder / ARCHIVE_FILE))} {quote(str(path))}"]
    if manifest.has(LOG_KEY_FILE) and settings.log_key is None and not kept_log_key(settings.data_dir):
        keys, to = folder / LOG_KEY_FILE, settings.data_dir / LOG_KEY_FILE
        lines.append(f"install -m 0600 {quote(str(keys))} {quote(str(to))}")
    if not manifest.cluster:
        return [
            *lines,
            f"# stop the Redis ({made}, or newer), its replicas and sentinels; then, in the folder of its files:",
            "mv appendonlydir appendonlydir.lost",
            f"cp -r {kept}/1/{AOF} {AOF}",
            "# start it again, then its replicas and sentinels",
        ]
    return [
        *lines,
        f"# on an empty cluster ({made}, or newer) whose nodes are all up; here, for each master that was copied:",
        f"for n in {' '.join(str(n + 1) for n in range(len(manifest.servers)))}; do",
        f"cp -r {kept}/$n copy",
        f'redis-server --dir "$PWD/copy" --port {COPY_PORT} --save "" --appendonly yes --daemonize yes',
        f"until redis-cli -p {COPY_PORT} PING | grep -q PONG; do sleep 1; done",
        f"redis-cli --cluster import NODE:PORT --cluster-from 127.0.0.1:{COPY_PORT} --cluster-copy || break",
        f"redis-cli -p {COPY_PORT} SHUTDOWN",
        "rm -r copy",
        "done",
    ]


HEARD_MS = 15_000
"""A worker that said something so lately is at work."""


def fill(settings: Settings, tell: Tell) -> Rebuilt:
    """Fill the Redis that is set, or those cells of it that lost their data, from SQL. Raises SettingsError before
    anything is written where it is not empty, or another's; StoreUnavailable and ArchiveUnavailable.
    """
    with data(settings, tell, own=False) as found, closing(connect(found.redis_url)) as client:
        archive, store = found.archive, found.store()
        if archive is None:
            raise ArchiveUnavailable("there is no archive")
        archive.must_stand = True
        known, owner = archive.id(), archive.owner()
        archive.seal = seal = seal_of(settings, found.secret)
        whole, names = SqlWhole(archive), seal.cipher.names
        proof = whole.plans().secret
        if not (owner and proof):
            raise SettingsError("CONSENT_ARCHIVE_URL: nothing was ever written out to this database")
        if not hmac.compare_digest(proof_of(found.secret), proof.partition(" ")[0]):
            raise SettingsError("CONSENT_SECRET is not the one these data were written with: set that one")
        with_keys(proof, names)
        named = {kept_name(settings.data_dir)} if found.server else set()
        if not named <= {"", owner} or store.retirement.named().archive not in {"", known}:
            raise SettingsError(
                "CONSENT_ARCHIVE_URL leads to another installation's database than this Redis': correct it"
            )
        if not store.retirement.emptied(known):
            raise SettingsError("nothing is to be rebuilt: Redis has its data")
        wire = Wire(client, proves=False, replicas=0)
        registry = RedisRegistry(wire, prefix=Cell(alone=not is_cluster(found.redis_url)).shared)
        if registry.workers(HEARD_MS):
            raise SettingsError("workers are at work on this Redis: stop APIs and workers, then type it again")
        strict = settings.durability == "strict"
        registry.check(found.secret, strict=strict, cells=settings.cells, shadow=settings.shadow)
        registry.name_keys(names, proof.split()[1:])
        done = rebuild(store, whole, owner, known, tell)
        if found.server:
            keep_name(settings.data_dir, owner)
        return done
